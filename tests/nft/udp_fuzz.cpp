#include "nft/query_shape.hpp"
#include "nft/udp.hpp"

#include <cstdlib>
#include <vector>

using namespace cofferdam;

/// A datagram that can be read is written anew to the same ends with the same payload, and reads back as it was.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto read = nft::parse_udp({data, size});
    if (!read) return 0;
    (void)nft::has_query_shape(read->payload);
    std::vector<std::uint8_t> again(nft::max_udp_headers + read->payload.size());
    const auto written = nft::write_udp(again, read->source, read->destination, read->payload);
    if (!written) std::abort();
    const auto back = nft::parse_udp(byte_view(again).first(*written));
    if (!back || back->source != read->source || back->destination != read->destination || !back->whole) std::abort();
    if (as_text(back->payload) != as_text(read->payload)) std::abort();
    return 0;
}
