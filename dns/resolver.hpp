#pragma once

#include "core/reason.hpp"
#include "dns/bindings.hpp"
#include "dns/inspector.hpp"
#include "dns/judged_query.hpp"
#include "dns/message.hpp"
#include "dns/ready_answers.hpp"
#include "dns/settings.hpp"
#include "dns/ttl_cache.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace cofferdam::dns {

/// Ask upstream, then call `on_upstream` exactly once, with the answer or an error (time-out included).
struct forward {
    std::uint64_t id = 0;
    std::string name; ///< canonical
    std::uint16_t qtype = rr::a;
};

struct waiting {}; ///< the same question is in flight; its answer comes from on_upstream
using action = std::variant<answer, forward, waiting, drop>;

/// What an upstream answer leads to: answers to all that waited for it, or one more upstream query.
struct outcome {
    std::vector<answer> answers;
    std::optional<forward> next;
};

/// The job's resolver as a state machine: no sockets, no clock, one thread. A query goes through the inspector, and only if it
/// passes is it asked upstream, as a new query made of name and type alone. What was paid for by the information budget is
/// asked once a job: its answer is kept.
///
/// Virtual answers (the default): A gives one virtual address if the name has an address of either family upstream, AAAA and
/// everything that would name another address is empty; the CNAME chain stays hidden. Real answers: the chain and its addresses.
/// In both, a CNAME target that a deny rule names refuses the whole answer; MX, SRV, SVCB, HTTPS, NS and PTR records with such a
/// target are left out, and so are addresses that are not public (ip_address::scope), unless `address_allowed` says otherwise;
/// if nothing is left, the query is refused. Where else a target leads is judged when the client asks for it.
class resolver {
public:
    using clock = std::chrono::steady_clock;

    struct callbacks {
        /// May this address be given for this name? Absent: public addresses only.
        std::function<bool(std::string_view name, const ip_address& address)> address_allowed;
        /// Upstream gave no answer to an allowed query (budget::unanswered). Absent: nobody wants to know.
        std::function<void(std::string_view name, std::uint16_t qtype)> unanswered;
        /// Where answers are kept that others may give too, and looked for first; outlives the resolver. Absent: nowhere.
        ready_answers* ready = nullptr;
    };

    /// `names` and `gate` are the job's and outlive the resolver.
    resolver(const settings& how, bindings& names, const inspector& gate, callbacks calls);

    action on_query(byte_view packet, transport how, const ip_endpoint& source, ticket to, clock::time_point now);
    outcome on_upstream(std::uint64_t id, const result<response>& received, clock::time_point now);

    /// Ends everything in flight: refused, shutting_down. Later answers from upstream find nobody.
    std::vector<answer> abandon(clock::time_point now);

    std::size_t in_flight() const noexcept { return flights_.size(); }
    std::size_t cached() const noexcept { return cache_.size() + kept_.size(); }

private:
    struct waiter : judged_query {
        bool ipv4_absent = false; // virtual answers: A exists not, AAAA decides
        bool waited = false;      // for upstream's answer
    };
    struct upstream_result {
        error_code failed; // set: `got` is empty
        response got;
        clock::time_point stored;
    };
    /// What may be handed on of an answer, and why the rest may not.
    struct sifted {
        std::vector<record> kept;
        bool private_address = false;
        std::optional<policy_answer> denied; // of a target that a rule denies, or would
        std::string target;
    };
    struct flight {
        std::string name;
        std::uint16_t qtype = 0;
        std::vector<waiter> waiters;
    };
    struct fresh_result {
        std::uint16_t qtype;
        const upstream_result* value;
    };

    static std::string key_of(std::string_view name, std::uint16_t qtype);

    std::variant<answer, std::uint16_t> advance(waiter& w, const fresh_result* fresh, clock::time_point now);
    answer answer_from(waiter& w, const upstream_result& result, clock::time_point now);
    std::variant<answer, std::uint16_t> answer_virtual(waiter& w, const upstream_result& result, clock::time_point now);
    answer answer_bound(waiter& w, std::string_view name, const upstream_result* from, clock::time_point now);
    answer finish_ready(waiter& w, reply what, const upstream_result* from, clock::time_point now) const;
    std::optional<answer> answer_failure(waiter& w, const upstream_result& result, clock::time_point now) const;
    std::optional<answer> refuse_denied_hop(waiter& w, const upstream_result& result, clock::time_point now) const;
    bool address_permitted(std::string_view name, const ip_address& address) const;
    bool target_denied(const record& r, sifted& into, std::uint16_t qtype) const;
    sifted sift(const waiter& w, const std::vector<record>& records) const;
    answer refuse_target(waiter& w, policy_answer verdict, std::string_view target, clock::time_point now) const;
    static bool is_answer(const upstream_result& result) noexcept;
    static bool is_kept(const judged_query& w, const upstream_result& result) noexcept;
    const upstream_result* find_cached(std::string_view name, std::uint16_t qtype, clock::time_point now);
    void keep(const flight& landed, upstream_result result, bool paid);
    action enqueue(waiter w, std::uint16_t qtype, clock::time_point now);
    clock::time_point expiry_of(const upstream_result& result) const;
    std::uint32_t remaining_ttl(std::uint32_t ttl, const upstream_result& result, clock::time_point now) const;

    settings settings_;
    bindings& names_;
    const inspector& gate_;
    callbacks calls_;
    ttl_cache<upstream_result> cache_;
    ttl_cache<upstream_result> kept_; // answers that were paid for: for the rest of the job, since to ask again is a message
    std::unordered_map<std::uint64_t, flight> flights_;
    std::unordered_map<std::string, std::uint64_t> flight_of_; // by question
    std::size_t waiters_ = 0;
    std::uint64_t last_id_ = 0;
};

} // namespace cofferdam::dns
