#include "dns/message.hpp"

#include <cstdlib>

using namespace cofferdam;
using namespace cofferdam::dns;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

// The question that the packet itself asks, so that the fuzzer gets past the match.
question question_of(byte_view packet)
{
    question out;
    std::size_t end = 0;
    if (const auto qname = name::read_plain(packet, header_size, end); qname && packet.size() >= end + 2) {
        out.qname = *qname;
        out.qtype = static_cast<std::uint16_t>((packet[end] << 8) | packet[end + 1]);
    }
    return out;
}

} // namespace

// What was accepted can be rebuilt for a client over TCP, and reads back the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const byte_view packet(bytes, size);
    const auto asked = question_of(packet);
    auto parsed = parse_response(packet, asked);
    if (!parsed) return 0;
    require(parsed->chain.size() <= max_cname_hops);
    for (const auto& r : parsed->answers) require(r.type == asked.qtype && to_text(r).size() <= 256);
    for (const auto& r : parsed->answers) {
        auto data = r.data;
        if (auto* service = std::get_if<svcb_rdata>(&data)) strip_service_parameters(*service);
    }
    if (!asked.qname.is_host_like()) return 0;
    const auto query_bytes = build_query(1, asked);
    const auto q = parse_query(query_bytes);
    require(q.has_value());
    reply back{rcode::noerror, parsed->chain, {}};
    back.answers.insert(back.answers.end(), parsed->answers.begin(), parsed->answers.end());
    const auto built = build_reply(*q, back, transport::tcp);
    const auto again = parse_response(built, asked);
    if ((built[3] & 0xF) == 2) return 0; // grew over 64 KiB without the original's compression
    require(again.has_value() && again->answers.size() == parsed->answers.size() && again->chain.size() == parsed->chain.size());
    return 0;
}
