#include "policy/decision.hpp"

namespace cofferdam::policy {

std::string_view to_string(action a) noexcept
{
    return a == action::allow ? "allow" : "deny";
}

std::string_view to_string(mode m) noexcept
{
    return m == mode::enforce ? "enforce" : "audit";
}

std::string_view to_string(stage s) noexcept
{
    switch (s) {
    case stage::name: return "name";
    case stage::connection: return "connection";
    case stage::request: return "request";
    case stage::content: return "content";
    }
    return "unknown";
}

std::string_view to_string(capture_level c) noexcept
{
    switch (c) {
    case capture_level::none: return "none";
    case capture_level::summary: return "summary";
    case capture_level::headers: return "headers";
    case capture_level::full: return "full";
    }
    return "unknown";
}

} // namespace cofferdam::policy
