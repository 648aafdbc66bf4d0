#pragma once

#include "dns/judged_query.hpp"
#include "dns/ttl_cache.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>

namespace cofferdam::dns {

/// The answers of a job that a query which passed the inspector can have without the resolver: by name and type, as the resolver
/// last gave them, for as long as it would say the same. Each query is judged and paid for before it is looked up here, and has
/// its own record. An answer is kept for one policy: what the resolver judged to make it (where a chain leads, which address may
/// be given) is judged anew once the policy is another. Thread-safe: the resolver keeps, the queues' threads look up too.
class ready_answers {
public:
    explicit ready_answers(std::size_t max_entries) : entries_(max_entries) {}

    /// Keeps `given`, the answer that `asked` has just got; until `expiry`, while records lose the seconds that pass from their
    /// time to live if `ages`. Refusals, failures and what does not fit a datagram are not kept.
    void keep(const query& asked, const answer& given, clock::time_point expiry, bool ages, clock::time_point now);

    /// The answer to `w`, with its record; `w` is used up then. Nothing where there is none, or it does not fit.
    std::optional<answer> find(judged_query& w, clock::time_point now);

private:
    struct entry {
        answer_section section;
        reason why{};            ///< reason::name_not_found replaces that of the verdict
        std::uint64_t rules = 0; ///< policy_answer::rules
        bool ages = false;
        clock::time_point since;
        std::string qtype, rcode; ///< as recorded
        std::vector<std::string> answers;
    };

    std::shared_ptr<const entry> look_up(const query& asked, clock::time_point now);

    std::mutex mutex_;
    ttl_cache<std::shared_ptr<const entry>> entries_;
};

} // namespace cofferdam::dns
