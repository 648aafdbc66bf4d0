#include "core/dns_shape.hpp"

namespace cofferdam {
namespace {

constexpr std::size_t max_label = 63, max_name = 255;
constexpr std::uint16_t max_questions = 16, max_records = 64;

// Query, inverse query, status, notify, update, stateful operations (IANA, "DNS OpCodes").
bool is_opcode(unsigned number) noexcept
{
    return number <= 6 && number != 3;
}

// Internet, Chaos, Hesiod, none, any; the top bit is multicast DNS's.
bool is_class(std::uint16_t number) noexcept
{
    const unsigned plain = number & 0x7FFFU;
    return plain == 1 || plain == 3 || plain == 4 || plain == 254 || plain == 255;
}

bool read_name(byte_reader& from) noexcept
{
    const auto begin = from.position();
    for (;;) {
        const auto size = from.u8();
        if (!size || *size > max_label || from.position() - begin + *size > max_name) return false;
        if (*size == 0) return true;
        if (!from.take(*size)) return false;
    }
}

} // namespace

bool looks_like_dns(byte_view bytes) noexcept
{
    byte_reader from(bytes);
    const auto id = from.u16();
    const auto flags = from.u16();
    const auto questions = from.u16();
    if (!id || !flags || !questions) return false;
    if (!is_opcode(*flags >> 11 & 0xFU) || *questions == 0 || *questions > max_questions) return false;
    for (int section = 0; section < 3; ++section) {
        const auto count = from.u16();
        if (!count || *count > max_records) return false;
    }
    if (!read_name(from)) return false;
    const auto type = from.u16();
    const auto group = from.u16();
    return type && group && *type != 0 && is_class(*group);
}

} // namespace cofferdam
