#include "dns/name.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <cstdio>

namespace cofferdam::dns {
namespace {

constexpr std::uint8_t pointer_mask = 0xC0;
constexpr std::size_t header_size = 12;

constexpr std::array<bool, 256> make_host_octets() noexcept
{
    std::array<bool, 256> out{};
    for (unsigned c = 0; c < 256; ++c)
        out[c] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    return out;
}

constexpr auto host_octets = make_host_octets();

std::uint8_t lower(std::uint8_t octet) noexcept
{
    return octet >= 'A' && octet <= 'Z' ? static_cast<std::uint8_t>(octet + ('a' - 'A')) : octet;
}

} // namespace

// Writes length and octets over the final root label and puts the root label behind them.
result<std::size_t> name::append_label(byte_view label) noexcept
{
    if (label.empty()) return errc::malformed;
    if (label.size() > max_label || size_ + label.size() + 1 > max_name_wire) return errc::too_large;
    std::size_t at = size_ - 1U;
    wire_[at++] = static_cast<std::uint8_t>(label.size());
    for (const auto octet : label) wire_[at++] = lower(octet);
    wire_[at++] = 0;
    size_ = static_cast<std::uint8_t>(at);
    return at;
}

result<name> name::parse(std::string_view text) noexcept
{
    name out;
    if (text == ".") return out;
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty()) return errc::malformed;
    for (;;) {
        const auto dot = text.find('.');
        const auto label = as_bytes(text.substr(0, dot));
        if (!std::all_of(label.begin(), label.end(), [](std::uint8_t c) { return host_octets[c]; })) return errc::malformed;
        if (const auto added = out.append_label(label); !added) return added.error();
        if (dot == std::string_view::npos) return out;
        text.remove_prefix(dot + 1);
    }
}

result<name> name::read_plain(byte_view message, std::size_t offset, std::size_t& end) noexcept
{
    name out;
    for (;;) {
        if (offset >= message.size()) return errc::need_more;
        const std::size_t length = message[offset++];
        if (length > max_label) return errc::malformed;
        if (length == 0) break;
        if (message.size() - offset < length) return errc::need_more;
        if (const auto added = out.append_label(message.subspan(offset, length)); !added) return added.error();
        offset += length;
    }
    end = offset;
    return out;
}

result<name> name::read_compressed(byte_view message, std::size_t offset, std::size_t& end) noexcept
{
    name out;
    std::size_t run = offset; // where the labels read now began; pointers must go before it, so the walk ends
    bool jumped = false;
    for (;;) {
        if (offset >= message.size()) return errc::need_more;
        const std::uint8_t lead = message[offset++];
        if ((lead & pointer_mask) == pointer_mask) {
            if (offset >= message.size()) return errc::need_more;
            const std::size_t target = (std::size_t{lead & 0x3FU} << 8) | message[offset++];
            if (target >= run || target < header_size) return errc::malformed;
            if (!jumped) end = offset;
            jumped = true;
            run = offset = target;
            continue;
        }
        if (lead > max_label) return errc::malformed;
        if (lead == 0) break;
        if (message.size() - offset < lead) return errc::need_more;
        if (const auto added = out.append_label(message.subspan(offset, lead)); !added) return added.error();
        offset += lead;
    }
    if (!jumped) end = offset;
    return out;
}

bool name::is_host_like() const noexcept
{
    for (std::size_t at = 0; wire_[at] != 0;) {
        const std::size_t next = at + 1 + wire_[at];
        for (++at; at < next; ++at) {
            if (!host_octets[wire_[at]]) return false;
        }
    }
    return true;
}

void name::text_into(host_text& out) const noexcept
{
    out.clear();
    if (is_root()) out.append('.');
    for (std::size_t at = 0; wire_[at] != 0;) {
        if (at != 0) out.append('.');
        const std::size_t next = at + 1 + wire_[at];
        for (++at; at < next; ++at) out.append(static_cast<char>(wire_[at]));
    }
}

std::string name::text() const
{
    if (is_root()) return ".";
    std::string out;
    char escaped[5];
    for (std::size_t at = 0; wire_[at] != 0;) {
        if (at != 0) out += '.';
        const std::size_t next = at + 1 + wire_[at];
        for (++at; at < next; ++at) {
            const auto c = wire_[at];
            const bool plain = c > 0x20 && c < 0x7F && c != '.' && c != '\\' && c != '"';
            if (plain) {
                out += static_cast<char>(c);
                continue;
            }
            std::snprintf(escaped, sizeof escaped, "\\%03u", static_cast<unsigned>(c));
            out += escaped;
        }
    }
    return out;
}

} // namespace cofferdam::dns
