#include "nft/ruleset_events.hpp"

#include <cstdlib>

using namespace cofferdam;

/// Whatever the datagram: no exception, nothing longer than it, and a second decoding says the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size)
{
    const byte_view datagram(input, size);
    const auto events = nft::decode_ruleset_events(datagram, "cofferdam", 7);
    if (events && events->process.size() > size) std::abort();
    if (events && events->changed && size < 16 + 4 + 4) std::abort();
    const auto again = nft::decode_ruleset_events(datagram, "cofferdam", 7);
    if (again.has_value() != events.has_value() || (events && again->changed != events->changed)) std::abort();
    return 0;
}
