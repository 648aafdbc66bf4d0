#include "nft/nflog.hpp"
#include "nft/sock_diag.hpp"

#include <cstdlib>

using namespace cofferdam;

/// Whatever the datagram: no exception, every field within its bounds, and a second decoding says the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size)
{
    const byte_view datagram(input, size);
    const auto batch = nft::decode_log(datagram);
    if (batch) {
        if (batch->packets.size() + batch->unreadable > size / 16) std::abort();
        for (const auto& p : batch->packets)
            if (p.payload.size() > nft::kept_payload || p.prefix.size() > 128 ||
                p.source.address.is_v4() != p.destination.address.is_v4())
                std::abort();
    }
    const auto again = nft::decode_log(datagram);
    if (again.has_value() != batch.has_value() || (batch && again->packets.size() != batch->packets.size())) std::abort();
    const auto owner = nft::decode_socket_answer(datagram, size > 11 ? input[8] : 0);
    if (owner && size < 16 + 72) std::abort(); // a header and a struct inet_diag_msg
    return 0;
}
