#include "dns/resolver.hpp"
#include "packets.hpp"

#include <atomic>
#include <benchmark/benchmark.h>
#include <cstdlib>
#include <memory>
#include <new>

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;

namespace {

std::atomic<std::uint64_t> allocations{0};

} // namespace

[[gnu::noinline]] void* operator new(std::size_t size)
{
    ++allocations;
    if (void* got = std::malloc(size)) return got;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* place) noexcept
{
    std::free(place);
}
[[gnu::noinline]] void operator delete(void* place, std::size_t) noexcept
{
    std::free(place);
}

namespace {

/// Runs `once` and reports how often it allocates.
template <class Once>
void count(benchmark::State& state, Once once)
{
    const auto before = allocations.load();
    for (auto _ : state) benchmark::DoNotOptimize(once());
    state.counters["allocations"] =
        benchmark::Counter(static_cast<double>(allocations - before), benchmark::Counter::kAvgIterations);
}

/// A budget that never refuses, with tables as large as a job's, which is replaced before they are full.
class large_budget {
public:
    large_budget()
    {
        how_.unknown_domain_bits = how_.job_bits = 1'000'000;
        renew();
    }
    budget& next(benchmark::State& state)
    {
        if (++used_ > how_.max_answers / 2) {
            state.PauseTiming();
            renew();
            state.ResumeTiming();
        }
        return *spent_;
    }

private:
    void renew()
    {
        spent_ = std::make_unique<budget>(how_);
        used_ = 0;
    }

    budget_settings how_;
    std::unique_ptr<budget> spent_;
    std::size_t used_ = 0;
};

// Names of three labels that the policy does not name, each of them new.
void charge_new_names(benchmark::State& state)
{
    large_budget spent;
    std::string name = "aaaaaa.build.exf6.net";
    count(state, [&] {
        for (std::size_t i = 0; ++name[i] > 'z'; ++i) name[i] = 'a';
        return spent.next(state).spend(name, rr::a, {}).cost;
    });
}

void charge_a_paid_name(benchmark::State& state)
{
    budget spent({});
    count(state, [&] { return spent.spend("api.staging.exf6.net", rr::a, {}).cost; });
}

void charge_a_bucket(benchmark::State& state)
{
    budget spent({});
    const name_rule rule{name_rule::kind::wildcard, "s3.amazonaws.com", {}};
    count(state, [&] { return spent.spend("cache.s3.amazonaws.com", rr::a, rule).cost; });
}

policy_answer allow(std::string_view, std::uint16_t)
{
    return {true, true, reason::allowed_by_endpoint, {}, {}, {}};
}

// From packet to verdict.
void inspect_a_paid_query(benchmark::State& state)
{
    const settings how;
    const bindings names(how.virtual_range, how.max_names);
    budget spent(how.exfiltration);
    const inspector gate(how, names, spent, {allow});
    const auto packet_bytes = make_query("api.staging.exf6.net");
    count(state, [&] { return gate.inspect(packet_bytes, transport::udp, {}, 1, {}); });
}

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
BENCHMARK(charge_new_names);
BENCHMARK(charge_a_paid_name);
BENCHMARK(charge_a_bucket);
BENCHMARK(inspect_a_paid_query);
BENCHMARK(answer_from_cache);
BENCHMARK(refuse_denied);
