#include "dns/resolver.hpp"
#include "packets.hpp"

#include <benchmark/benchmark.h>

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;

namespace {

void parse_one_query(benchmark::State& state)
{
    const auto packet_bytes = make_query("registry.packages.allowed.example");
    for (auto _ : state) benchmark::DoNotOptimize(parse_query(packet_bytes));
}

policy_answer judge(std::string_view name, std::uint16_t)
{
    const bool fine = name.ends_with(".allowed.example");
    return {fine, fine, fine ? reason::allowed_by_endpoint : reason::not_in_allow_list, {}, {}};
}

// From packet to packet: judged, answered from the cache with a virtual address, and its facts for the record.
void answer_from_cache(benchmark::State& state)
{
    const settings how;
    bindings names(how.virtual_range, how.max_names);
    budget spent(how.exfiltration);
    const inspector gate(how, names, spent, {judge});
    resolver core(how, names, gate, {});
    const resolver::clock::time_point now{};
    const auto first = core.on_query(make_query("www.allowed.example"), transport::udp, {}, 1, now);
    const auto upstream = header({.flags = 0x8180, .an = 1}) + question_octets(labels("www.allowed.example"), rr::a) +
                          record_octets(to_question, rr::a, 3600, {93, 184, 216, 34});
    const question asked{name::parse("www.allowed.example").value(), rr::a};
    core.on_upstream(std::get<forward>(first).id, parse_response(upstream, asked), now);
    const auto packet_bytes = make_query("www.allowed.example");
    for (auto _ : state) benchmark::DoNotOptimize(core.on_query(packet_bytes, transport::udp, {}, 2, now));
}

void refuse_denied(benchmark::State& state)
{
    const settings how;
    bindings names(how.virtual_range, how.max_names);
    budget spent(how.exfiltration);
    const inspector gate(how, names, spent, {judge});
    resolver core(how, names, gate, {});
    const auto packet_bytes = make_query("evil.example");
    for (auto _ : state) benchmark::DoNotOptimize(core.on_query(packet_bytes, transport::udp, {}, 2, {}));
}

} // namespace

BENCHMARK(parse_one_query);
BENCHMARK(answer_from_cache);
BENCHMARK(refuse_denied);
