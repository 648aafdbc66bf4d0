#pragma once

#include "policy/decision.hpp"
#include "policy/request.hpp"

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace cofferdam::policy {

/// Where a piece of configuration stands, for errors and for `explain`.
struct location {
    std::string file; ///< "policy.yaml", "--allow", "preset npm (.npmrc)"
    int line = 0;     ///< 1-based; 0 if not from a file
    int column = 0;
};

struct entry_source {
    std::string text; ///< one allow line, or a passthrough entry
    location where;
    std::optional<std::uint32_t> dns_bits; ///< a wildcard's own information budget, for the names that it lets be resolved
};

struct rule_source {
    std::string name, expr;
    std::string action;  ///< "allow", "deny" or "alert"
    std::string capture; ///< "", "none", "summary", "headers", "full"
    location where;
};

/// What the configuration says about policy, not yet compiled.
struct policy_source {
    mode how = mode::enforce;
    std::vector<entry_source> allow; ///< presets already expanded
    std::vector<rule_source> rules;
    std::map<std::string, std::vector<entry_source>> phases; ///< each replaces `allow`
    std::vector<entry_source> passthrough;
    capture_level capture_default = capture_level::summary;
    capture_level capture_denied = capture_level::full;
};

/// One located error: what is wrong, what was expected. what() is "file:line:column: message".
class policy_error : public std::runtime_error {
public:
    policy_error(location where, const std::string& message);
    location where;
};

/// An immutable compiled policy. decide() is pure, thread-safe, and its cost does not grow with the number of endpoints.
class policy {
public:
    /// Compiles `source` for `phase` ("" = the main allow-list). Throws policy_error on the first entry, rule or phase that does
    /// not parse.
    static std::shared_ptr<const policy> compile(const policy_source& source, std::string_view phase = {});
    ~policy();

    decision decide(const name_query& query) const;
    decision decide(const connection_attempt& attempt) const;
    decision decide(const http_request& request) const;

    /// True if `tls.passthrough` lists host:port: judged by name only, spliced unopened.
    bool passthrough(std::string_view host, std::uint16_t port) const;
    /// The same, but only by an entry without a wildcard.
    bool passthrough_by_name(std::string_view host, std::uint16_t port) const;
    /// True if a URL entry names exactly this host (or a wildcard for it), port, method and path, and no shorter prefix will do:
    /// what is asked for what is refused otherwise, such as DNS over HTTPS. The path "/" is every path, and names none.
    bool lists_url(const http_request& request) const;
    /// A refusal for a reason that no list knows of, under this policy's mode and capture level.
    decision refused(stage at, reason why, std::string hint = {}) const;
    /// True if an entry names exactly this address range (a literal or CIDR entry), so that a name that resolves into it may be
    /// dialled. Port 0 asks for any port.
    bool allows_address(const ip_endpoint& where) const;
    /// The ports of `udp://` entries, sorted, unique.
    const std::vector<std::uint16_t>& udp_ports() const;
    mode how() const noexcept;
    std::string_view phase() const noexcept;
    /// Of each compiled policy of this process another number, never 0.
    std::uint64_t number() const noexcept;

private:
    struct impl;
    explicit policy(std::unique_ptr<impl> compiled);
    std::unique_ptr<impl> impl_;
};

} // namespace cofferdam::policy
