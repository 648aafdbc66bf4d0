#include "nft/packet_queue.hpp"

#include <cstdlib>
#include <vector>

using namespace cofferdam;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::vector<std::uint8_t> aligned(data, data + size);
    const auto packet = nft::decode_queued(aligned);
    if (!packet) return 0;
    if (!packet->bytes.empty() && (packet->bytes.data() < aligned.data() || packet->bytes.size() > size)) std::abort();
    nft::verdict_batch verdicts(0);
    verdicts.add(packet->id, nft::queue_verdict::accept);
    if (verdicts.finish().empty()) std::abort();
    return 0;
}
