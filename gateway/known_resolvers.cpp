#include "gateway/known_resolvers.hpp"

#include "core/embedded.hpp"

#include <algorithm>
#include <unordered_set>

COFFERDAM_EMBEDDED(known_resolvers);

namespace cofferdam::gateway {
namespace {

struct resolver_list {
    std::unordered_set<std::string_view> names, zones; // zones: of "*.NAME"
    std::unordered_set<ip_address> addresses;

    explicit resolver_list(std::string_view text)
    {
        while (!text.empty()) {
            auto line = text.substr(0, text.find('\n'));
            text.remove_prefix(std::min(line.size() + 1, text.size()));
            line = line.substr(0, line.find('#'));
            for (auto at = line.find_first_not_of(' '); at != std::string_view::npos; at = line.find_first_not_of(' ')) {
                line.remove_prefix(at);
                const auto word = line.substr(0, line.find(' '));
                line.remove_prefix(word.size());
                add(word);
            }
        }
    }

    void add(std::string_view word)
    {
        if (const auto address = ip_address::parse(word))
            addresses.insert(address->unmapped());
        else if (word.starts_with("*."))
            zones.insert(word.substr(2));
        else
            names.insert(word);
    }
};

const resolver_list& list()
{
    static const resolver_list made(as_text(COFFERDAM_EMBEDDED_BYTES(known_resolvers)));
    return made;
}

} // namespace

bool is_known_resolver(std::string_view host)
{
    if (const auto literal = ip_address::parse(host)) return is_known_resolver(*literal);
    if (list().names.contains(host)) return true;
    for (auto dot = host.find('.'); dot != std::string_view::npos; dot = host.find('.', dot + 1)) {
        if (list().zones.contains(host.substr(dot + 1))) return true;
    }
    return false;
}

bool is_known_resolver(const ip_address& address)
{
    return list().addresses.contains(address.unmapped());
}

} // namespace cofferdam::gateway
