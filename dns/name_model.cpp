#include "dns/name_model.hpp"

#include "core/embedded.hpp"
#include "core/siphash.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <cstring>

COFFERDAM_EMBEDDED(order2);
COFFERDAM_EMBEDDED(dictionary);
COFFERDAM_EMBEDDED(popular);
COFFERDAM_EMBEDDED(ci_hosts);

namespace cofferdam::dns {
namespace {

constexpr std::uint32_t which_code = 8; // one bit: by the dictionary or by letters
constexpr std::size_t max_words = 16384;

// Published on purpose (docs/dns-guard.md): they keep the lists out of sight, and make no secret.
// "cofferdam-hosts1" and "cofferdam-hosts2".
constexpr siphash_key first_key{0x6164726566666f63, 0x317374736f682d6d}, second_key{0x6164726566666f63, 0x327374736f682d6d};

constexpr std::array<std::uint8_t, 256> letter_numbers = [] {
    std::array<std::uint8_t, 256> out{};
    out.fill(static_cast<std::uint8_t>(label_code::letters));
    std::uint8_t number = 0;
    for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyz0123456789-_")) out[static_cast<unsigned char>(c)] = number++;
    return out;
}();

std::size_t letter_number(char c) noexcept
{
    return letter_numbers[static_cast<unsigned char>(c)];
}

// FNV-1a. The dictionary is fixed, so its longest run of taken slots is too.
std::size_t hash_of(std::string_view label) noexcept
{
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : label) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return static_cast<std::size_t>(hash ^ (hash >> 32));
}

result<label_code::word> parse_word(std::string_view line)
{
    label_code::word out;
    const auto tab = line.find('\t');
    if (tab == 0 || tab == std::string_view::npos) return errc::malformed;
    out.label = line.substr(0, tab);
    const auto digits = line.substr(tab + 1);
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), out.cost);
    if (ec != std::errc() || end != digits.data() + digits.size() || out.cost > 0xFFFF) return errc::malformed;
    const bool plain =
        std::all_of(out.label.begin(), out.label.end(), [](char c) { return letter_number(c) < label_code::letters; });
    if (!plain || out.label.size() > 63) return errc::malformed;
    return out;
}

} // namespace

result<label_code> label_code::parse(byte_view order2, std::string_view dictionary)
{
    label_code out;
    if (order2.size() != contexts * contexts * symbols) return errc::malformed;
    out.order2_ = order2;
    while (!dictionary.empty()) {
        const auto end = std::min(dictionary.find('\n'), dictionary.size());
        const auto read = parse_word(dictionary.substr(0, end));
        if (!read || out.words_.size() == max_words) return errc::malformed;
        out.words_.push_back(*read);
        dictionary.remove_prefix(std::min(end + 1, dictionary.size()));
    }
    out.slots_.resize(std::bit_ceil(4 * out.words_.size() + 1));
    for (std::size_t i = 0; i < out.words_.size(); ++i) {
        auto slot = hash_of(out.words_[i].label) & (out.slots_.size() - 1);
        while (out.slots_[slot] != 0) slot = (slot + 1) & (out.slots_.size() - 1);
        out.slots_[slot] = static_cast<std::uint16_t>(i + 1);
    }
    return out;
}

const label_code::word* label_code::find(std::string_view label) const noexcept
{
    auto slot = hash_of(label) & (slots_.size() - 1);
    for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
        const auto& candidate = words_[slots_[slot] - 1U];
        if (candidate.label == label) return &candidate;
    }
    return nullptr;
}

label_price label_code::price(std::string_view label) const noexcept
{
    std::uint32_t by_letters = 0;
    std::size_t before_last = start_context, last = start_context;
    for (const char c : label) {
        const auto symbol = std::min(letter_number(c), letters - 1);
        by_letters += symbol_cost(before_last, last, symbol);
        before_last = last;
        last = symbol;
    }
    by_letters += symbol_cost(before_last, last, end_symbol);
    const auto* listed = find(label);
    if (listed != nullptr && listed->cost <= by_letters) return {which_code + listed->cost, true};
    return {which_code + by_letters, false};
}

std::array<std::uint8_t, name_set::width> fingerprint(std::string_view name) noexcept
{
    const auto first = siphash(first_key, name), second = siphash(second_key, name);
    std::array<std::uint8_t, name_set::width> out{};
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto word = i < 8 ? first : second;
        out[i] = static_cast<std::uint8_t>(word >> (56 - 8 * (i % 8)));
    }
    return out;
}

result<name_set> name_set::parse(byte_view file)
{
    if (file.size() % width != 0) return errc::malformed;
    for (std::size_t at = width; at < file.size(); at += width) {
        if (std::memcmp(&file[at - width], &file[at], width) >= 0) return errc::malformed;
    }
    name_set out;
    out.file_ = file;
    return out;
}

std::uint64_t name_set::head(std::size_t i) const noexcept
{
    std::uint64_t out = 0;
    std::memcpy(&out, &file_[i * width], sizeof out);
    static_assert(std::endian::native == std::endian::little);
    return __builtin_bswap64(out);
}

/// The first fingerprint that begins with `wanted` or more.
std::size_t name_set::find(std::uint64_t wanted) const noexcept
{
    // They are spread evenly: the one wanted is near its share of the list.
    constexpr std::size_t near = 64;
    std::size_t low = 0, high = size();
    const auto share = static_cast<std::size_t>((wanted >> 32) * high >> 32);
    if (share > near && head(share - near) < wanted) low = share - near;
    if (high - low > 2 * near && head(low + 2 * near) >= wanted) high = low + 2 * near;
    while (low < high) {
        const auto middle = low + (high - low) / 2;
        if (head(middle) < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool name_set::contains(std::string_view name) const noexcept
{
    const auto wanted = siphash(first_key, name);
    auto at = find(wanted);
    if (at == size() || head(at) != wanted) return false;
    const auto whole = fingerprint(name);
    for (; at < size() && head(at) == wanted; ++at) {
        if (std::memcmp(&file_[at * width], whole.data(), width) == 0) return true;
    }
    return false;
}

host_text pattern_of(std::string_view name, std::string_view purchased) noexcept
{
    constexpr std::size_t longest_number = 3;
    const auto below = name.size() - purchased.size();
    host_text out;
    bool any = false;
    for (std::size_t at = 0; at < name.size();) {
        const auto is_digit = [&](std::size_t i) { return i < below && name[i] >= '0' && name[i] <= '9'; };
        std::size_t digits = 0;
        while (is_digit(at + digits)) ++digits;
        if (digits > longest_number) return {};
        any = any || digits > 0;
        out.append(digits > 0 ? '#' : name[at]);
        at += std::max<std::size_t>(digits, 1);
    }
    return any ? out : host_text();
}

bool name_model::is_ci_host(std::string_view name, std::string_view purchased) const noexcept
{
    if (ci_hosts.contains(name)) return true;
    const auto pattern = pattern_of(name, purchased);
    return pattern.size() != 0 && ci_hosts.contains(pattern.view());
}

const name_model& name_model::shipped()
{
    static const name_model model = [] {
        const auto labels = label_code::parse(COFFERDAM_EMBEDDED_BYTES(order2), as_text(COFFERDAM_EMBEDDED_BYTES(dictionary)));
        const auto popular = name_set::parse(COFFERDAM_EMBEDDED_BYTES(popular));
        const auto ci_hosts = name_set::parse(COFFERDAM_EMBEDDED_BYTES(ci_hosts));
        if (!labels || !popular || !ci_hosts) std::abort(); // built wrong
        return name_model{*labels, *popular, *ci_hosts};
    }();
    return model;
}

} // namespace cofferdam::dns
