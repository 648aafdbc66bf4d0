#include "nft/packet.hpp"

#include <cstdlib>

using namespace cofferdam;

/// A verdict on a prefix never changes with more bytes, except from "need more"; the payload lies inside the input.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size)
{
    const byte_view whole(input, size);
    const auto p = nft::parse_packet(whole);
    if (p && !p->payload.empty()) {
        if (p->payload.data() < input || p->payload.data() + p->payload.size() > input + size) std::abort();
        if (p->payload.size() > p->length) std::abort();
    }
    const bool jumbo = size > 5 && input[0] >> 4 == 6 && input[4] == 0 && input[5] == 0; // ends where the bytes end
    for (std::size_t cut = 0; cut < size && cut < 128 && !jumbo; ++cut) {
        const auto q = nft::parse_packet(whole.first(cut));
        if (!q && q.error() == errc::need_more) continue;
        if (q.has_value() != p.has_value()) std::abort();
        if (q && (q->protocol != p->protocol || q->source != p->source || q->length != p->length ||
                  q->fragment_offset != p->fragment_offset))
            std::abort();
    }
    return 0;
}
