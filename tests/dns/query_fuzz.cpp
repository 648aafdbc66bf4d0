#include "dns/message.hpp"

#include <cstdlib>

using namespace cofferdam;
using namespace cofferdam::dns;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

} // namespace

// A good query, rebuilt, is again a good query for the same name and type; a bad one can be answered; no answer exceeds its
// bound.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const byte_view packet(bytes, size);
    const auto parsed = parse_query(packet);
    const query_head& head = parsed ? static_cast<const query_head&>(*parsed) : parsed.error().head;
    const reply refusal{rcode::refused, {}, extended_error{ede_code::blocked, std::string(as_text(packet))}};
    const auto answer = build_reply(head, refusal, transport::udp);
    require(answer.size() >= header_size && answer.size() <= max_udp_size);
    require(head.opt || answer.size() <= min_udp_size);
    if (!parsed) return 0;

    require(parsed->qname.is_host_like() && parsed->text.size() >= 1 && parsed->text.size() <= max_name_text);
    const auto again = name::parse(parsed->text.view());
    require(again && *again == parsed->qname);
    const auto rebuilt = build_query(parsed->id, {*again, parsed->qtype});
    const auto second = parse_query(rebuilt);
    require(second && second->text.view() == parsed->text.view() && second->qtype == parsed->qtype);
    return 0;
}
