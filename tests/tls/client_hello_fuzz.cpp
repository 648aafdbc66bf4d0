#include "core/error.hpp"
#include "tls/client_hello.hpp"

#include <cstdlib>
#include <vector>

namespace {

using namespace cofferdam;

void require(bool holds)
{
    if (!holds) std::abort();
}

/// The handshake bytes of a hello that parsed, cut into new records of at most `size` bytes.
std::vector<std::uint8_t> split_again(byte_view wire, std::size_t size)
{
    std::vector<std::uint8_t> message;
    for (std::size_t at = 0; at < wire.size();) {
        const std::size_t length = static_cast<std::size_t>(wire[at + 3]) << 8 | wire[at + 4];
        const auto payload = wire.subspan(at + 5, length);
        message.insert(message.end(), payload.begin(), payload.end());
        at += 5 + length;
    }
    std::vector<std::uint8_t> out;
    for (std::size_t at = 0; at < message.size(); at += size) {
        const auto n = std::min(size, message.size() - at);
        out.insert(out.end(), {22, 3, 1, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)});
        out.insert(out.end(), message.data() + at, message.data() + at + n);
    }
    return out;
}

} // namespace

/// A prefix of what parses needs more and wants no more than there is; other records say the same; the verdict on a
/// prefix is final unless it is need_more.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    constexpr std::size_t max = 4096;
    const byte_view bytes(data, size);
    const auto whole = tls::parse_client_hello(bytes, max);
    if (!whole && whole.error() == errc::need_more) require(tls::client_hello_wants(bytes) > size);
    for (std::size_t cut = 0; cut < size; cut += 1 + size / 64) {
        const auto part = tls::parse_client_hello(bytes.first(cut), max);
        if (part) {
            require(whole && *whole == *part && part->wire_size <= cut);
        }
        else if (part.error() != errc::need_more) {
            require(!whole && whole.error() == part.error());
        }
        else if (whole) {
            require(cut < whole->wire_size && tls::client_hello_wants(bytes.first(cut)) <= whole->wire_size);
        }
    }
    if (!whole) return 0;
    require(whole->wire_size <= size && whole->wire_size <= max);
    for (const std::size_t record : {1U, 2U, 3U, 5U, 64U, 16384U}) {
        const auto again = split_again(bytes.first(whole->wire_size), record);
        const auto other = tls::parse_client_hello(again, 6 * max);
        auto expected = *whole;
        expected.wire_size = again.size();
        require(other && *other == expected);
    }
    return 0;
}
