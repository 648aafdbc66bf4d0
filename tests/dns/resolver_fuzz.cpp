#include "dns/resolver.hpp"
#include "dns/tcp_framing.hpp"

#include <cstdlib>

using namespace cofferdam;
using namespace cofferdam::dns;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

policy_answer judge(std::string_view name, std::uint16_t)
{
    const auto canonical = name::parse(name);
    require(canonical && canonical->is_host_like() && canonical->text() == name);
    return {!name.ends_with("evil.example"), !name.ends_with("evil.example"), reason::not_in_allow_list, {}, {}};
}

// One answer a query and one record a query: those sent at once, and those that waited.
struct ledger {
    std::size_t queries = 0, records = 0;

    void keep(const answer& a)
    {
        ++records;
        require(a.bytes.size() >= header_size && !a.facts.rcode.empty());
        require(a.facts.answers.empty() || a.facts.decision.allowed);
    }
};

} // namespace

// Messages of the stream are queries to the job's resolver and upstream's answers to them, in turn.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    settings how;
    how.max_in_flight = 4;
    how.max_cache = 4;
    how.max_names = 4;
    if (size != 0 && (bytes[0] & 1) != 0) how.answers = answer_mode::real;
    bindings names(how.virtual_range, how.max_names);
    budget spent(how.exfiltration);
    const inspector gate(how, names, spent, {judge});
    resolver core(how, names, gate, {});
    tcp_framing stream(max_message_size);
    stream.push(byte_view(bytes, size).subspan(size != 0 ? 1 : 0));
    ledger kept;
    std::vector<forward> asked;
    resolver::clock::time_point now{};
    for (auto message = stream.next(); message; message = stream.next()) {
        now += std::chrono::seconds(1);
        if (!asked.empty() && ((*message)[2] & 0x80) != 0) {
            const auto f = asked.back();
            asked.pop_back();
            const auto out = core.on_upstream(f.id, parse_response(*message, {name::parse(f.name).value(), f.qtype}), now);
            for (const auto& a : out.answers) kept.keep(a);
            if (out.next) asked.push_back(*out.next);
            continue;
        }
        ++kept.queries;
        const auto did = core.on_query(*message, transport::udp, {}, kept.queries, now);
        if (const auto* a = std::get_if<answer>(&did)) kept.keep(*a);
        if (std::holds_alternative<drop>(did)) ++kept.records;
        if (const auto* f = std::get_if<forward>(&did)) asked.push_back(*f);
    }
    while (!asked.empty()) {
        const auto out = core.on_upstream(asked.back().id, errc::timed_out, now);
        asked.pop_back();
        for (const auto& a : out.answers) kept.keep(a);
        if (out.next) asked.push_back(*out.next);
    }
    require(kept.records == kept.queries && core.in_flight() == 0);
    return 0;
}
