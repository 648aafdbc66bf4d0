#include "dns/refusal.hpp"

#include "core/error.hpp"

namespace cofferdam::dns {
namespace {

constexpr std::size_t max_shown_name = 80;

// The end of a name says more than its beginning.
std::string shortened(std::string_view name)
{
    if (name.size() <= max_shown_name) return std::string(name);
    return "..." + std::string(name.substr(name.size() - (max_shown_name - 3)));
}

} // namespace

std::string explain_refusal(reason why, std::string_view name, std::string_view hint, std::string_view detail)
{
    std::string out = "cofferdam: ";
    out += to_string(why);
    out += ": ";
    if (!name.empty()) out += shortened(name) + ": ";
    out += detail.empty() ? describe(why) : detail;
    if (!hint.empty()) out += "; to allow it: " + std::string(hint);
    return bounded_text(out);
}

lookup_failure describe_failure(const error_code& failed) noexcept
{
    if (failed == errc::timed_out) return {reason::upstream_timed_out, ede_code::no_reachable_authority};
    if (failed == errc::exhausted) return {reason::overload, ede_code::other};
    if (failed == errc::malformed || failed == errc::too_large || failed == errc::unsupported || failed == errc::need_more)
        return {reason::upstream_malformed, ede_code::other};
    return {reason::resolve_failed, ede_code::network_error};
}

bool was_heard(const error_code& failed) noexcept
{
    return failed != errc::unreachable && failed != errc::exhausted;
}

} // namespace cofferdam::dns
