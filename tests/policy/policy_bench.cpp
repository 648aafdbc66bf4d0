// decide() with 10 and with 10,000 entries: many hosts, one host with many prefixes, many literal addresses.
#include "policy/policy.hpp"

#include <benchmark/benchmark.h>

using namespace cofferdam::policy;

namespace {

template <class Line>
std::shared_ptr<const cofferdam::policy::policy> compiled(std::int64_t count, Line line)
{
    policy_source source;
    for (std::int64_t i = 0; i < count; ++i) source.allow.push_back({line(std::to_string(i)), {}});
    return cofferdam::policy::policy::compile(source);
}

void run(benchmark::State& state, const cofferdam::policy::policy& p, const http_request& request, bool allowed)
{
    if (p.decide(request).allowed() != allowed) state.SkipWithError("unexpected decision");
    for (auto _ : state) benchmark::DoNotOptimize(p.decide(request));
}

http_request request(std::string_view host, std::string_view path)
{
    return {.method = "GET", .scheme = "https", .host = host, .port = 443, .path = path};
}

void many_hosts(benchmark::State& state)
{
    const auto p = compiled(state.range(0), [](const auto& i) { return "https://mirror" + i + ".example/packages/"; });
    run(state, *p, request("mirror7.example", "/packages/a/b/c-1.0.tar.gz"), true);
}

void many_wildcards(benchmark::State& state)
{
    const auto p = compiled(state.range(0), [](const auto& i) { return "https://**.zone" + i + ".example/packages/"; });
    run(state, *p, request("a.b.zone7.example", "/packages/a/b/c-1.0.tar.gz"), true);
}

void many_prefixes_of_one_host(benchmark::State& state)
{
    const auto p = compiled(state.range(0), [](const auto& i) { return "GET https://mirror.example/packages/p" + i + "/"; });
    run(state, *p, request("mirror.example", "/packages/p7/b/c-1.0.tar.gz"), true);
}

void many_literals(benchmark::State& state)
{
    const auto p = compiled(state.range(0), [](const auto& i) {
        const auto n = std::stoul(i);
        return "https://10.1." + std::to_string(n / 250) + "." + std::to_string(n % 250) + "/";
    });
    run(state, *p, request("10.1.0.7", "/a/b"), true);
}

void refused_with_hint(benchmark::State& state)
{
    const auto p = compiled(state.range(0), [](const auto& i) { return "https://mirror" + i + ".example/packages/"; });
    run(state, *p, request("leak.example", "/a/b/c"), false);
}

void with_ten_rules(benchmark::State& state)
{
    policy_source source;
    source.allow.push_back({"https://mirror.example/", {}});
    for (int i = 0; i < 10; ++i) {
        source.rules.push_back(
            {"r", "http.req.method == \"POST\" and in_zone(dst.domain, \"z" + std::to_string(i) + ".example\")", "deny", "", {}});
    }
    run(state, *cofferdam::policy::policy::compile(source), request("mirror.example", "/a/b"), true);
}

} // namespace

BENCHMARK(many_hosts)->Arg(10)->Arg(10000);
BENCHMARK(many_wildcards)->Arg(10)->Arg(10000);
BENCHMARK(many_prefixes_of_one_host)->Arg(10)->Arg(10000);
BENCHMARK(many_literals)->Arg(10)->Arg(10000);
BENCHMARK(refused_with_hint)->Arg(10)->Arg(10000);
BENCHMARK(with_ten_rules);
