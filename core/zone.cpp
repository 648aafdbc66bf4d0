#include "core/zone.hpp"

#include "core/embedded.hpp"
#include "core/siphash.hpp"

#include <algorithm>
#include <array>
#include <libpsl.h>
#include <string>
#include <vector>

COFFERDAM_EMBEDDED(providers);
COFFERDAM_EMBEDDED(delegating);

namespace cofferdam {
namespace {

constexpr std::array special_use =
    std::to_array<std::string_view>({"test", "example", "invalid", "localhost", "local", "internal", "onion", "alt"});

// On the Public Suffix List to keep cookies apart, but nobody else can register a name below.
constexpr std::array operated_by_one = std::to_array<std::string_view>({"githubusercontent.com"});

constexpr std::size_t longest_suffix = 6; // labels; the list's longest rule has five
constexpr std::size_t longest_name = 253;

bool is_operated_by_one(std::string_view name) noexcept
{
    return std::find(operated_by_one.begin(), operated_by_one.end(), name) != operated_by_one.end();
}

const psl_ctx_t& suffix_list() noexcept
{
    return *psl_builtin();
}

/// A shipped list: its domains, sorted, and its zones ("+ *.zone").
struct zone_list {
    std::vector<std::string_view> domains, zones;

    explicit zone_list(byte_view file)
    {
        auto text = as_text(file);
        while (!text.empty()) {
            const auto end = std::min(text.find('\n'), text.size());
            const auto line = text.substr(0, end);
            text.remove_prefix(std::min(end + 1, text.size()));
            if (line.empty() || line[0] == '#') continue;
            if (line.starts_with("+ "))
                zones.push_back(line.substr(2));
            else
                domains.push_back(line);
        }
        std::sort(domains.begin(), domains.end());
    }

    bool names(std::string_view domain) const noexcept { return std::binary_search(domains.begin(), domains.end(), domain); }
};

const zone_list& providers()
{
    static const zone_list list(COFFERDAM_EMBEDDED_BYTES(providers));
    return list;
}

const zone_list& delegating()
{
    static const zone_list list(COFFERDAM_EMBEDDED_BYTES(delegating));
    return list;
}

/// The ends of a name, shortest first: "com", "b.com", "a.b.com".
class suffixes_of {
public:
    explicit suffixes_of(std::string_view name) noexcept : name_(name), at_(name.size()) {}

    /// Empty when there are no more.
    std::string_view next() noexcept
    {
        if (at_ == 0) return {};
        const auto dot = at_ < 2 ? std::string_view::npos : name_.rfind('.', at_ - 2);
        at_ = dot == std::string_view::npos ? 0 : dot + 1;
        return name_.substr(at_);
    }

private:
    std::string_view name_;
    std::size_t at_;
};

/// A terminated copy in place, for the C library. Names longer than any are cut, and so match nothing.
struct terminated {
    std::array<char, longest_name + 1> text;

    explicit terminated(std::string_view name) noexcept
    {
        const auto size = std::min(name.size(), longest_name);
        std::copy_n(name.begin(), size, text.begin());
        text[size] = '\0';
    }
};

bool is_public_suffix(std::string_view name, int sections) noexcept
{
    return psl_is_public_suffix2(&suffix_list(), terminated(name).text.data(), sections) != 0;
}

/// What the list says of a suffix.
struct listing {
    bool any = false, icann = false;
};

/// The list takes its time, and most names share their suffixes with others: what it said last is remembered, by each thread. The
/// hash is keyed, so that nobody makes one suffix pass for another.
listing listing_of(std::string_view suffix) noexcept
{
    struct remembered {
        std::uint64_t hash = 0;
        listing said;
    };
    thread_local std::array<remembered, 512> last;
    const auto hash = siphash(process_siphash_key(), suffix) | 1U; // 0 is nobody's
    auto& place = last[(hash >> 1) % last.size()];
    if (place.hash == hash) return place.said;
    place.hash = hash;
    place.said.any = is_public_suffix(suffix, PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE);
    place.said.icann = place.said.any && is_public_suffix(suffix, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE);
    return place.said;
}

/// "s3.*.amazonaws.com" against the last labels of `name`: how many octets they have; 0 if they differ, or nothing is in front.
std::size_t matched_end(std::string_view zone, std::string_view name) noexcept
{
    const auto whole = name;
    while (true) {
        const auto zone_dot = zone.rfind('.'), name_dot = name.rfind('.');
        if (name_dot == std::string_view::npos) return 0;
        const auto pattern = zone.substr(zone_dot + 1); // npos + 1 is 0
        if (pattern != "*" && pattern != name.substr(name_dot + 1)) return 0;
        if (zone_dot == std::string_view::npos) return whole.size() - name_dot - 1;
        zone = zone.substr(0, zone_dot);
        name = name.substr(0, name_dot);
    }
}

} // namespace

domains_of_name domains_of(std::string_view name) noexcept
{
    suffixes_of ends(name);
    ends.next(); // the last label counts as a suffix, known or not
    const auto second = ends.next();
    domains_of_name out{second, second};
    auto at = second;
    for (std::size_t labels = 2; labels <= longest_suffix && !at.empty(); ++labels, at = ends.next()) {
        const auto listed = listing_of(at);
        if (!listed.any) continue;
        auto further = ends;
        out.registrable = further.next();
        if (listed.icann) out.purchased = out.registrable;
    }
    if (out.purchased.empty()) out.purchased = name;
    if (name == "arpa" || name.ends_with(".arpa")) out.purchased = name.substr(name.size() - 4);
    return out;
}

std::optional<std::string_view> registrable_domain(std::string_view name) noexcept
{
    const auto found = domains_of(name).registrable;
    return found.empty() ? std::nullopt : std::optional(found);
}

std::string_view purchased_domain(std::string_view name) noexcept
{
    return domains_of(name).purchased;
}

bool is_provider(std::string_view domain) noexcept
{
    return providers().names(domain);
}

bool has_customers(std::string_view provider) noexcept
{
    return !is_operated_by_one(provider);
}

std::string_view tenant_zone(std::string_view name) noexcept
{
    std::size_t longest = 0;
    for (const auto zone : providers().zones) longest = std::max(longest, matched_end(zone, name));
    return name.substr(name.size() - longest);
}

bool is_shared_suffix(std::string_view name)
{
    if (is_operated_by_one(name)) return false;
    if (name.find('.') == std::string_view::npos) {
        return std::find(special_use.begin(), special_use.end(), name) == special_use.end();
    }
    if (delegating().names(name)) return true;
    return !is_provider(purchased_domain(name)) && listing_of(name).any;
}

} // namespace cofferdam
