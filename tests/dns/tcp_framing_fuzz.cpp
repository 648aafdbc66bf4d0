#include "dns/tcp_framing.hpp"

#include <algorithm>
#include <cstdlib>

using namespace cofferdam;
using namespace cofferdam::dns;

namespace {

struct outcome {
    std::vector<std::vector<std::uint8_t>> messages;
    error_code end;

    bool operator==(const outcome&) const = default;
};

outcome read_all(byte_view stream, std::size_t step)
{
    outcome out;
    tcp_framing in;
    for (std::size_t at = 0; at < stream.size(); at += step) {
        in.push(stream.subspan(at, std::min(step, stream.size() - at)));
        for (;;) {
            const auto message = in.next();
            if (!message) {
                out.end = message.error();
                break;
            }
            out.messages.emplace_back(message->begin(), message->end());
        }
    }
    return out;
}

} // namespace

// However the stream is split, the same messages and the same end.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    if (size < 2 || size > 1U << 14) return 0;
    const byte_view stream = byte_view(bytes, size).subspan(1);
    const auto whole = read_all(stream, stream.size());
    if (!(read_all(stream, 1) == whole)) std::abort();
    if (!(read_all(stream, 1U + bytes[0]) == whole)) std::abort();
    return 0;
}
