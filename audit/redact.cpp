#include "audit/redact.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace cofferdam::audit {
namespace {

constexpr std::array<std::string_view, 8> secret_words{"password", "passwd",  "token",       "secret",
                                                       "api-key",  "api_key", "private-key", "credential"};

bool names_secret(std::string_view name)
{
    const auto lower = to_lower(name);
    return std::any_of(secret_words.begin(), secret_words.end(),
                       [&lower](std::string_view word) { return lower.ends_with(word); });
}

/// Replaces what follows "name:" up to the end of the quoted part or line, for each redacted header name.
void redact_header_values(std::string& text, const settings& how)
{
    for (const auto& name : how.redact) {
        const auto needle = name + ':';
        const auto lower = to_lower(text);
        std::string out;
        std::size_t at = 0;
        for (auto hit = lower.find(needle); hit != std::string::npos; hit = lower.find(needle, at)) {
            const auto value = hit + needle.size();
            const auto end = std::min(text.find_first_of("'\"\n", value), text.size());
            out.append(text, at, value - at);
            if (end > value) out.append(" ").append(redacted_mark);
            at = end;
        }
        if (at != 0) text = out.append(text, at);
    }
}

bool follows_secret_option(std::string_view argument, std::string_view previous)
{
    if (previous.starts_with("--") && previous.find('=') == std::string_view::npos && names_secret(previous)) return true;
    return (previous == "-u" || previous == "--user") && argument.find(':') != std::string_view::npos;
}

} // namespace

std::string redact_userinfo(std::string_view text)
{
    std::string out;
    for (;;) {
        const auto scheme = text.find("://");
        if (scheme == std::string_view::npos) return out.append(text);
        const auto start = scheme + 3;
        const auto end = std::min(text.find_first_of("/?# \t\r\n'\"", start), text.size());
        const auto authority = text.substr(start, end - start);
        out.append(text.substr(0, start));
        out.append(redact_authority(authority));
        text.remove_prefix(end);
    }
}

std::string redact_authority(std::string_view authority)
{
    const auto at = authority.rfind('@');
    if (at == std::string_view::npos) return std::string(authority);
    return std::string(redacted_mark).append(authority.substr(at));
}

bool is_redacted_header(std::string_view name, const settings& how) noexcept
{
    return std::any_of(how.redact.begin(), how.redact.end(),
                       [name](const std::string& listed) { return equals_ignoring_case(listed, name); });
}

std::string redact_argument(std::string_view argument, std::string_view previous, const settings& how)
{
    if (follows_secret_option(argument, previous)) return std::string(redacted_mark);
    if (argument.find_first_of(":=") == std::string_view::npos) return std::string(argument);
    const auto equals = argument.find('=');
    if (equals != std::string_view::npos && equals + 1 < argument.size() && names_secret(argument.substr(0, equals))) {
        return std::string(argument.substr(0, equals + 1)).append(redacted_mark);
    }
    auto out = redact_userinfo(argument);
    redact_header_values(out, how);
    return out;
}

} // namespace cofferdam::audit
