#include "nft/conntrack.hpp"

#include <cstdlib>

using namespace cofferdam;

/// Whatever the datagram: no exception, and a mark only out of a whole message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size)
{
    const auto mark = nft::decode_flow_mark({input, size}, size > 11 ? input[8] : 0);
    if (mark && size < 16 + 4) std::abort(); // a header and a struct nfgenmsg
    return 0;
}
