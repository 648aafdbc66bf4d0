#include "policy/index.hpp"

#include <algorithm>

namespace cofferdam::policy {
namespace {

// FNV-1a: can be taken further octet by octet. Only the configuration adds rows, so nobody outside can make them collide.
constexpr std::uint64_t hash_start = 14695981039346656037ULL;

constexpr std::uint64_t hash_more(std::uint64_t hash, char octet) noexcept
{
    return (hash ^ static_cast<unsigned char>(octet)) * 1099511628211ULL;
}

std::uint64_t hash_of(std::string_view text) noexcept
{
    std::uint64_t hash = hash_start;
    for (const char c : text) hash = hash_more(hash, c);
    return hash;
}

} // namespace

entry_number prefix_table::row::allows(std::string_view method) const noexcept
{
    if (any_method != no_entry) return any_method;
    const auto found = std::lower_bound(methods.begin(), methods.end(), method,
                                        [](const auto& pair, std::string_view wanted) { return pair.first < wanted; });
    return found != methods.end() && found->first == method ? found->second : no_entry;
}

void prefix_table::add(const endpoint& e, entry_number number)
{
    const auto hash = hash_of(e.path);
    auto [at, end] = rows_.equal_range(hash);
    while (at != end && at->second.prefix != e.path) ++at;
    if (at == end) at = rows_.emplace(hash, row{e.path, no_entry, {}});
    auto& found = at->second;
    if (e.methods.empty() && found.any_method == no_entry) found.any_method = number;
    for (const auto& method : e.methods) {
        const auto place = std::lower_bound(found.methods.begin(), found.methods.end(), method,
                                            [](const auto& pair, const std::string& wanted) { return pair.first < wanted; });
        if (place == found.methods.end() || place->first != method) found.methods.emplace(place, method, number);
    }
    longest_ = std::max(longest_, e.path.size());
    first_ = std::min(first_, number);
}

void prefix_table::look_at(std::uint64_t hash, std::string_view prefix, std::string_view method, match& out) const
{
    for (auto [at, end] = rows_.equal_range(hash); at != end; ++at) {
        if (at->second.prefix != prefix) continue;
        out.covers_path = true;
        const auto entry = at->second.allows(method);
        if (entry != no_entry) out.entry = entry;
        return;
    }
}

prefix_table::match prefix_table::find(std::string_view path, std::string_view method) const
{
    match out;
    if (path == "*") path = "/"; // OPTIONS *: about the whole server
    std::uint64_t hash = hash_start;
    const auto limit = std::min(path.size(), longest_);
    for (std::size_t i = 0; i < limit; ++i) {
        if (path[i] == '/' && i > 0) look_at(hash, path.substr(0, i), method, out); // "/acme" of "/acme/x"
        hash = hash_more(hash, path[i]);
        if (path[i] == '/') look_at(hash, path.substr(0, i + 1), method, out); // "/acme/"
    }
    // What is as long as the longest prefix itself: the whole path, or up to a boundary that the loop did not reach.
    const bool at_boundary = limit == path.size() || path[limit] == '/';
    if (limit > 0 && at_boundary && path[limit - 1] != '/') look_at(hash, path.substr(0, limit), method, out);
    return out;
}

void host_rules::add(const endpoint& e, entry_number number)
{
    first = std::min(first, number);
    switch (e.kind) {
    case endpoint_kind::url: (e.scheme == "https" ? https : http)[e.port].add(e, number); break;
    case endpoint_kind::any: any.emplace(e.port, number); break;
    case endpoint_kind::udp: udp.emplace(e.port, number); break;
    case endpoint_kind::dns: break;
    }
}

const prefix_table* host_rules::urls(std::string_view scheme, std::uint16_t port) const
{
    if (scheme != "http" && scheme != "https") return nullptr;
    const auto& tables = scheme == "https" ? https : http;
    const auto found = tables.find(port);
    return found == tables.end() ? nullptr : &found->second;
}

void endpoint_index::add(const endpoint& e, entry_number number)
{
    rules_for(e.where).add(e, number);
}

host_rules& endpoint_index::rules_for(const host_pattern& pattern)
{
    switch (pattern.how) {
    case host_pattern::match::exact: return exact_[pattern.name];
    case host_pattern::match::one_label: return one_label_[pattern.name];
    case host_pattern::match::many_labels: return many_labels_[pattern.name];
    case host_pattern::match::address: break;
    }
    const auto& network = pattern.range.network();
    const auto length = pattern.range.length();
    auto place = std::find_if(levels_.begin(), levels_.end(), [&](const level& l) { return l.length <= length; });
    while (place != levels_.end() && place->length == length && place->v6 != network.is_v6()) ++place;
    if (place == levels_.end() || place->length != length) place = levels_.insert(place, level{network.is_v6(), length, {}});
    return place->networks[network];
}

const host_rules* endpoint_index::lookup(const name_map& names, std::string_view name)
{
    const auto found = names.find(name);
    return found == names.end() ? nullptr : &found->second;
}

ip_address endpoint_index::network_of(const ip_address& address, unsigned length)
{
    const auto mask = [length](auto& bytes) {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            const unsigned begin = static_cast<unsigned>(i) * 8;
            const unsigned kept = length <= begin ? 0 : std::min(8U, length - begin);
            bytes[i] = static_cast<std::uint8_t>(bytes[i] & (0xFF00U >> kept));
        }
    };
    const auto octets = address.bytes();
    if (address.is_v4()) {
        ip_address::v4_bytes bytes{};
        std::copy(octets.begin(), octets.end(), bytes.begin());
        mask(bytes);
        return ip_address::v4(bytes);
    }
    ip_address::v6_bytes bytes{};
    std::copy(octets.begin(), octets.end(), bytes.begin());
    mask(bytes);
    return ip_address::v6(bytes);
}

} // namespace cofferdam::policy
