#pragma once

#include "dns/bindings.hpp"
#include "dns/budget.hpp"
#include "dns/judged_query.hpp"
#include "dns/settings.hpp"

#include <functional>
#include <optional>
#include <string_view>
#include <variant>

namespace cofferdam::dns {

/// A query that may be resolved: allowed by the policy and paid.
struct passed : judged_query {};

/// The one inspector of a job's queries, for queued datagrams and for every message of a TCP connection alike: shape of the
/// message, then policy, then information budget, all before anything is resolved. Names that tell nothing outside (localhost,
/// reverse names of private ranges) are answered here. Idempotent: a (name, type) that was paid passes again at no cost, so the
/// same message may be inspected by the queue's consumer and by the resolver.
///
/// Thread-safe as far as its callbacks are: `names` and `spent` are. One for each job; `names` and `spent` outlive it.
class inspector {
public:
    struct callbacks {
        std::function<policy_answer(std::string_view name, std::uint16_t qtype)> policy; ///< absent: everything is refused
    };
    using outcome = std::variant<passed, answer, drop>;

    inspector(const settings& how, const bindings& names, budget& spent, callbacks calls);

    /// `answer`: send its bytes to `to` and record its facts; `drop`: record only. Never throws but for lack of memory.
    outcome inspect(byte_view packet, transport how, const ip_endpoint& source, ticket to, clock::time_point now) const;

    /// What the policy says of a name: the query's own, or one further down a chain of answers.
    policy_answer judge(std::string_view name, std::uint16_t qtype) const;

private:
    outcome refuse_bad(const bad_query& bad, judged_query w, clock::time_point now) const;
    void block_domain(const host_text& readable, judged_query& w) const;
    std::optional<answer> answer_unsupported(judged_query& w, clock::time_point now) const;
    std::optional<answer> answer_locally(judged_query& w, clock::time_point now) const;
    std::optional<answer> refuse_by_policy(judged_query& w, clock::time_point now) const;
    std::optional<answer> refuse_by_budget(judged_query& w, clock::time_point now) const;

    const settings settings_;
    const bindings& names_;
    budget& spent_;
    callbacks calls_;
};

} // namespace cofferdam::dns
