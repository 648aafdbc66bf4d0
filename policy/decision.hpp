#pragma once

#include "core/reason.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace cofferdam::policy {

enum class action : std::uint8_t { allow, deny };
enum class mode : std::uint8_t { enforce, audit };
/// Where in the life of a flow the decision fell.
enum class stage : std::uint8_t { name, connection, request, content };
enum class capture_level : std::uint8_t { none, summary, headers, full };

std::string_view to_string(action a) noexcept;
std::string_view to_string(mode m) noexcept;
std::string_view to_string(stage s) noexcept;
std::string_view to_string(capture_level c) noexcept;

/// By what the allow-list (or tls.passthrough) names a host.
struct name_match {
    enum class kind : std::uint8_t { none, exact, wildcard };
    kind how = kind::none;
    std::string suffix;                    ///< of a wildcard: "b.example" of "*.b.example"
    std::optional<std::uint32_t> dns_bits; ///< the wildcard entry's own information budget
};

/// What `decide` answers. A value; owns its strings.
struct decision {
    action act = action::deny;   ///< what the gateway does now
    action would = action::deny; ///< what mode enforce would do; differs from `act` only in mode audit
    stage at = stage::connection;
    reason why = reason::not_in_allow_list;
    std::string rule;   ///< the endpoint's text or the rule's name; empty where none matched
    std::string hint;   ///< for a refusal: the allow-list line that would permit just this
    std::string detail; ///< for a person: what exactly was found; empty where reason and rule say it all
    bool alert = false; ///< an alert rule matched
    capture_level capture = capture_level::summary;
    name_match matched; ///< stage name only: also where a rule decided, and the list names the host as well

    bool allowed() const noexcept { return act == action::allow; }
};

} // namespace cofferdam::policy
