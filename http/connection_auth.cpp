#include "http/connection_auth.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace cofferdam::http {
namespace {

// Each request proves by itself whom it is from. The last two are those of package registries and object stores.
constexpr std::array<std::string_view, 5> message_schemes = {"basic", "bearer", "digest", "token", "aws4-hmac-sha256"};
constexpr std::array<std::string_view, 3> connection_schemes = {"ntlm", "negotiate", "kerberos"};

bool is_message_scheme(std::string_view credentials) noexcept
{
    const auto scheme = credentials.substr(0, credentials.find(' '));
    return std::any_of(message_schemes.begin(), message_schemes.end(),
                       [scheme](std::string_view known) { return equals_ignoring_case(scheme, known); });
}

bool holds(std::string_view text, std::string_view word) noexcept
{
    const auto same = [](char a, char b) { return to_lower(a) == b; };
    return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
}

// Challenges are lists inside a list; a word that looks like one of the schemes is taken for it, wherever it stands.
bool offers_connection_scheme(std::string_view challenges) noexcept
{
    return std::any_of(connection_schemes.begin(), connection_schemes.end(),
                       [challenges](std::string_view scheme) { return holds(challenges, scheme); });
}

} // namespace

bool binds_connection(const std::vector<field>& fields) noexcept
{
    return std::any_of(fields.begin(), fields.end(), [](const field& f) {
        if (equals_ignoring_case(f.name, "authorization")) return !is_message_scheme(f.value);
        return equals_ignoring_case(f.name, "www-authenticate") && offers_connection_scheme(f.value);
    });
}

} // namespace cofferdam::http
