#pragma once

#include "policy/endpoint.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cofferdam::policy {

/// The place of an entry in its list.
using entry_number = std::uint32_t;
inline constexpr entry_number no_entry = std::numeric_limits<entry_number>::max();

/// The path prefixes of one scheme, host pattern and port. A look-up hashes the path once, from left to right, and asks for
/// each segment boundary; its cost does not depend on how many prefixes there are.
class prefix_table {
public:
    struct match {
        entry_number entry = no_entry; ///< allows path and method
        bool covers_path = false;      ///< some prefix covers the path, whatever the method
    };

    void add(const endpoint& e, entry_number number);
    /// The longest prefix that covers `path` (as covers_path) and allows `method`.
    match find(std::string_view path, std::string_view method) const;
    entry_number first() const noexcept { return first_; }

private:
    struct row {
        std::string prefix;
        entry_number any_method = no_entry;
        std::vector<std::pair<std::string, entry_number>> methods; // sorted by method

        entry_number allows(std::string_view method) const noexcept;
    };
    void look_at(std::uint64_t hash, std::string_view prefix, std::string_view method, match& out) const;

    std::unordered_multimap<std::uint64_t, row> rows_;
    std::size_t longest_ = 0;
    entry_number first_ = no_entry;
};

/// Everything that the list says about one host pattern.
struct host_rules {
    std::unordered_map<std::uint16_t, entry_number> any, udp;    ///< by port
    std::unordered_map<std::uint16_t, prefix_table> http, https; ///< by port
    entry_number first = no_entry;

    void add(const endpoint& e, entry_number number);
    /// False for a host that is only named by `dns:` entries: it may be resolved, and that is all.
    bool is_reachable() const noexcept { return !any.empty() || !udp.empty() || !http.empty() || !https.empty(); }
    const prefix_table* urls(std::string_view scheme, std::uint16_t port) const;
};

/// The compiled list. A look-up costs one hash for each label of the host, or one for each prefix length of address ranges.
class endpoint_index {
public:
    void add(const endpoint& e, entry_number number);

    /// Calls `visit(const host_rules&)` for each pattern that matches the name, narrowest first, until it returns true.
    template <class Visit>
    bool for_each_match(std::string_view name, Visit visit) const
    {
        if (const auto* found = lookup(exact_, name); found && visit(*found)) return true;
        auto dot = name.find('.');
        if (dot == std::string_view::npos) return false;
        if (const auto* found = lookup(one_label_, name.substr(dot + 1)); found && visit(*found)) return true;
        if (many_labels_.empty()) return false;
        for (; dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
            if (const auto* found = lookup(many_labels_, name.substr(dot + 1)); found && visit(*found)) return true;
        }
        return false;
    }

    /// The same for the ranges that hold an (unmapped) address.
    template <class Visit>
    bool for_each_match(const ip_address& address, Visit visit) const
    {
        for (const auto& ranges : levels_) {
            if (ranges.v6 != address.is_v6()) continue;
            const auto found = ranges.networks.find(network_of(address, ranges.length));
            if (found != ranges.networks.end() && visit(found->second)) return true;
        }
        return false;
    }

private:
    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
    };
    using name_map = std::unordered_map<std::string, host_rules, text_hash, std::equal_to<>>;
    struct level {
        bool v6 = false;
        unsigned length = 0;
        std::unordered_map<ip_address, host_rules> networks;
    };

    static const host_rules* lookup(const name_map& names, std::string_view name);
    static ip_address network_of(const ip_address& address, unsigned length);
    host_rules& rules_for(const host_pattern& pattern);

    name_map exact_, one_label_, many_labels_;
    std::vector<level> levels_; // longest first
};

} // namespace cofferdam::policy
