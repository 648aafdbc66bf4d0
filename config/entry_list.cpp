#include "config/entry_list.hpp"

#include "config/document.hpp"
#include "core/text.hpp"
#include "policy/endpoint.hpp"

#include <algorithm>

namespace cofferdam::config {
namespace {

std::string_view trimmed(std::string_view text)
{
    constexpr std::string_view space = " \t\r\n";
    const auto first = text.find_first_not_of(space);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(space) - first + 1);
}

} // namespace

std::optional<std::string> plain_url(std::string_view url, reach how)
{
    url = trimmed(url);
    const auto separator = url.find("://");
    if (separator == std::string_view::npos) return std::nullopt;
    const auto scheme = to_lower(url.substr(0, separator));
    if (scheme != "http" && scheme != "https") return std::nullopt;
    auto rest = url.substr(separator + 3);
    rest = rest.substr(0, rest.find_first_of("?#"));
    const auto slash = std::min(rest.find('/'), rest.size());
    auto authority = rest.substr(0, slash);
    const auto at = authority.rfind('@');
    if (at != std::string_view::npos) authority.remove_prefix(at + 1);
    std::string out = scheme + "://" + std::string(authority) + '/';
    if (how == reach::origin) return out;
    for (const char c : rest.substr(slash)) {
        if (c != '/' || out.back() != '/') out += c;
    }
    if (out.back() != '/') out += '/';
    return out;
}

bool entry_list::add(std::string_view methods, const found_text& url, reach how)
{
    const auto plain = plain_url(url.value, how);
    if (!plain) return false;
    if (plain->find("${") != std::string::npos) fail(url.source, "a variable in '" + escape_line(url.value) + "' is not set");
    add_entry(methods.empty() ? *plain : std::string(methods) + ' ' + *plain, url.source);
    return true;
}

void entry_list::add_entry(std::string entry, const std::string& source)
{
    const auto same = [&](const policy::entry_source& listed) { return listed.text == entry; };
    if (std::any_of(entries_.begin(), entries_.end(), same)) return;
    try {
        policy::parse_endpoint({entry, {}});
    }
    catch (const policy::policy_error& wrong) {
        fail(source, "'" + escape_line(entry) + "' can't be allowed: " + wrong.what());
    }
    entries_.push_back({std::move(entry), where(source)});
}

bool entry_list::covers(const std::string& url) const
{
    const auto plain = plain_url(url, reach::prefix);
    if (!plain) return false;
    return std::any_of(entries_.begin(), entries_.end(), [&](const policy::entry_source& listed) {
        const auto start = listed.text.find(' ') + 1; // npos + 1 is 0
        return plain->starts_with(std::string_view(listed.text).substr(start));
    });
}

policy::location entry_list::where(const std::string& source) const
{
    return {"preset " + preset_ + (source.empty() ? "" : " (" + source + ')'), 0, 0};
}

void entry_list::fail(const std::string& source, const std::string& message) const
{
    throw config_error(where(source), message);
}

} // namespace cofferdam::config
