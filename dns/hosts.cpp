#include "dns/hosts.hpp"

#include "dns/name.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

constexpr std::string_view blanks = " \t\r\v\f";

// The next word of `line`, taken off it; empty at its end.
std::string_view take_word(std::string_view& line) noexcept
{
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    const auto word = line.substr(0, line.find_first_of(blanks));
    line.remove_prefix(word.size());
    return word;
}

void read_line(std::string_view line, hosts_table& out)
{
    line = line.substr(0, line.find('#'));
    const auto address = ip_address::parse(take_word(line));
    if (!address) return;
    for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
        const auto canonical = name::parse(word);
        if (!canonical || canonical->is_root()) continue;
        auto& addresses = out[canonical->text()];
        if (std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) addresses.push_back(*address);
    }
}

} // namespace

hosts_table parse_hosts(std::string_view text)
{
    hosts_table out;
    text = text.substr(0, max_hosts_file);
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        read_line(text.substr(0, end), out);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

} // namespace cofferdam::dns
