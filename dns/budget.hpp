#pragma once

#include "core/reason.hpp"
#include "core/siphash.hpp"
#include "dns/name.hpp"
#include "dns/name_model.hpp"
#include "dns/settings.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace cofferdam::dns {

/// How well a name is known, and so how much may be said through names like it.
enum class name_tier : std::uint8_t {
    known,    ///< named exactly by the policy, a shipped CI host, or in the learned baseline: free
    wildcard, ///< matched by a wildcard of the policy: that rule's budget
    provider, ///< below a cloud provider's domain
    popular,  ///< below a domain that many visit
    unknown,
};
std::string_view to_string(name_tier tier) noexcept;

/// By what the policy lets a name be resolved.
struct name_rule {
    enum class kind : std::uint8_t {
        exact,    ///< an entry names it
        wildcard, ///< a wildcard entry matches
        none,     ///< neither: an expression, or mode audit
    };
    kind how = kind::none;
    std::string suffix;                ///< of the wildcard: "s3.example" of "*.s3.example"
    std::optional<std::uint32_t> bits; ///< the wildcard's own budget, in bits; absent: dns.exfiltration's
};

/// What a query costs. All amounts in eighths of a bit.
struct charge {
    bool allowed = false;
    reason why = reason::exfiltration_budget; ///< exfiltration_budget where refused
    std::string_view setting;                 ///< where refused: the key under dns.exfiltration that would allow more
    name_tier tier = name_tier::unknown;
    host_text key;               ///< the domain, or the rule's suffix, whose budget is charged
    std::uint32_t cost = 0;      ///< of this query now; 0 if it was paid before
    std::uint32_t price = 0;     ///< of name and type: what was paid, or would have been
    std::uint32_t spent = 0;     ///< under `key` so far, this query included if it was allowed
    std::uint32_t limit = 0;     ///< of `key`; 0 for known names, which have none
    bool first_refusal = false;  ///< the first of this key: alert once
    bool over_job_limit = false; ///< dns.exfiltration.job_bits is spent; where only_alert says so the query is allowed
    bool first_over_job = false; ///< the first query that was: alert once
    bool paid_before = false;    ///< the same name and type was paid in this job: free, answered from the job's cache
};

/// The configuration key that would allow more: "dns.exfiltration.job_bits", or "dns_bits" of a wildcard entry. Not for what
/// `block` refused: no key allows that.
std::string setting_of(const charge& refused);
/// "b.example may say 128 bits, 97 are spent, this needs 43 (dns.exfiltration.unknown_domain_bits)".
std::string explain(const charge& refused);

/// The information budget of one job's names (docs/dns-guard.md): every name is priced in bits by a prefix code over its labels,
/// and a domain's names together may cost no more than its budget; a query that does not fit blocks the domain for the rest of
/// the job. All tables are of fixed size and hashed with a random key of the process (SipHash); a full one blocks. Thread-safe;
/// `spend` allocates nothing.
class budget {
public:
    /// `model` outlives the budget.
    explicit budget(const budget_settings& how, const name_model& model = name_model::shipped(),
                    const siphash_key& key = process_siphash_key());
    ~budget();
    budget(const budget&) = delete;
    budget& operator=(const budget&) = delete;

    /// Charges the query for a canonical name (lower case, no final dot), or refuses it. The same name and type again is free
    /// and has the same verdict, unless its domain was blocked in between.
    charge spend(std::string_view canonical_name, std::uint16_t qtype, const name_rule& rule);

    /// Nobody answered the query: to ask once more is a message too, and costs a few bits.
    void unanswered(std::string_view canonical_name, std::uint16_t qtype);

    /// Blocks the domain of a name that no honest client asks for (octets outside of host names). What of it is a host name
    /// counts: `readable` is the longest end of the name made of such labels, and `rule` is what the policy says of it.
    charge block(std::string_view readable, const name_rule& rule);

private:
    struct ledgers;
    std::unique_ptr<ledgers> ledgers_;
    std::mutex mutex_;
};

} // namespace cofferdam::dns
