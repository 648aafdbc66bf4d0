#pragma once

#include "core/bytes.hpp"
#include "dns/name.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace cofferdam::dns {

/// What a label costs, in eighths of a bit.
struct label_price {
    std::uint32_t cost = 0;
    bool listed = false; ///< by the dictionary, not by its letters
};

/// A prefix code over labels: one bit that says which of the two, then either the dictionary's code or the letters' (order 2:
/// each letter, and the end, given the two before it). Both obey Kraft's inequality, so at most 2^B labels cost B bits or less.
/// Refers to the bytes that it was made of.
class label_code {
public:
    static constexpr std::size_t letters = 38; ///< a-z 0-9 - _
    static constexpr std::size_t symbols = letters + 1, end_symbol = letters;
    static constexpr std::size_t contexts = letters + 2, start_context = letters + 1;

    /// `order2` is [contexts][contexts][symbols] of costs; `dictionary` has lines "label<TAB>cost". errc::malformed otherwise.
    static result<label_code> parse(byte_view order2, std::string_view dictionary);

    /// `label` is of 1 to 63 octets a-z, 0-9, '-' and '_'.
    label_price price(std::string_view label) const noexcept;

    /// Cost of one symbol (a letter's number or end_symbol) after two contexts.
    std::uint32_t symbol_cost(std::size_t before_last, std::size_t last, std::size_t symbol) const noexcept
    {
        return order2_[(before_last * contexts + last) * symbols + symbol];
    }
    struct word {
        std::string_view label;
        std::uint32_t cost = 0;
    };
    std::span<const word> words() const noexcept { return words_; }

private:
    const word* find(std::string_view label) const noexcept;

    byte_view order2_;
    std::vector<word> words_;
    std::vector<std::uint16_t> slots_; // open addressing: index into words_ + 1
};

/// A sorted list of fingerprints of names: 80 bits of SipHash under a published key. Names can be looked up, not listed; that a
/// name which is not on the list has the fingerprint of one that is cannot be brought about by search.
class name_set {
public:
    static constexpr std::size_t width = 10; ///< octets of a fingerprint

    /// errc::malformed unless `file` is a whole number of fingerprints, strictly ascending.
    static result<name_set> parse(byte_view file);

    bool contains(std::string_view name) const noexcept;
    std::size_t size() const noexcept { return file_.size() / width; }

private:
    std::uint64_t head(std::size_t i) const noexcept;
    std::size_t find(std::uint64_t head) const noexcept;

    byte_view file_;
};

/// The fingerprint of a name: the first 64 bits are SipHash-2-4 under the first key, big-endian, the last 16 under the second.
std::array<std::uint8_t, name_set::width> fingerprint(std::string_view name) noexcept;

/// `name` with each run of up to three digits in front of its purchased domain, its last octets, replaced by '#'; empty if there
/// is none, or a longer one.
host_text pattern_of(std::string_view name, std::string_view purchased) noexcept;

/// What is known of names in the world, trained on public lists (dns/tools/train_model.py).
struct name_model {
    label_code labels;
    name_set popular;  ///< registrable domains that many visit
    name_set ci_hosts; ///< hosts that CI jobs commonly ask for, and their patterns (see pattern_of)

    /// True for a listed host, and for one that differs from it in small numbers alone, within the same purchased domain.
    bool is_ci_host(std::string_view name, std::string_view purchased) const noexcept;

    /// The model built into the program.
    static const name_model& shipped();
};

} // namespace cofferdam::dns
