#include "hello_samples.hpp"
#include "temporary_file.hpp"
#include "tls/authority.hpp"
#include "tls/client_hello.hpp"
#include "tls/upstream.hpp"

#include <benchmark/benchmark.h>

namespace {

using namespace cofferdam;
using namespace cofferdam::tls;

void parse_client_hello_whole(benchmark::State& state)
{
    const auto wire = test::sample("curl");
    for (auto _ : state) benchmark::DoNotOptimize(parse_client_hello(wire, 65536));
}
BENCHMARK(parse_client_hello_whole);

void parse_client_hello_in_tiny_records(benchmark::State& state)
{
    const auto wire = test::sample("curl");
    const auto split = test::in_records(test::bytes(wire.begin() + 5, wire.end()), 1);
    for (auto _ : state) benchmark::DoNotOptimize(parse_client_hello(split, 65536));
}
BENCHMARK(parse_client_hello_in_tiny_records);

void mint_leaf(benchmark::State& state)
{
    const authority ca("0job1", settings{}, std::chrono::system_clock::now());
    for (auto _ : state) benchmark::DoNotOptimize(ca.mint("registry.npm.example", leaf_kind::origin));
}
BENCHMARK(mint_leaf);

void cached_leaf(benchmark::State& state)
{
    const authority ca("0job1", settings{}, std::chrono::system_clock::now());
    leaf_cache cache(ca, 1024);
    for (auto _ : state) benchmark::DoNotOptimize(cache.get("registry.npm.example", leaf_kind::origin));
}
BENCHMARK(cached_leaf);

void new_downstream_connection(benchmark::State& state)
{
    const authority ca("0job1", settings{}, std::chrono::system_clock::now());
    const auto context = make_server_context(settings{});
    const auto leaf = *ca.mint("registry.npm.example", leaf_kind::origin);
    for (auto _ : state) {
        const ssl_ptr connection(SSL_new(context.get()));
        benchmark::DoNotOptimize(ca.present(*connection, leaf));
    }
}
BENCHMARK(new_downstream_connection);

void new_upstream_connection(benchmark::State& state)
{
    const upstream_context context{settings{}};
    for (auto _ : state) benchmark::DoNotOptimize(context.connection("registry.npm.example", 443));
}
BENCHMARK(new_upstream_connection);

/// Both ends of a handshake in memory, the client verifying the leaf: what an intercepted connection costs the CPU.
void full_handshake(benchmark::State& state)
{
    const authority ca("0job1", settings{}, std::chrono::system_clock::now());
    const auto server_context = make_server_context(settings{});
    const test::temporary_file roots(ca.pem());
    const upstream_context client_context{settings{.extra_roots = {roots.path()}}};
    const auto leaf = *ca.mint("registry.npm.example", leaf_kind::origin);
    for (auto _ : state) {
        const ssl_ptr server(SSL_new(server_context.get()));
        SSL_set_accept_state(server.get());
        ca.present(*server, leaf);
        const auto client = client_context.connection("registry.npm.example", 443);
        BIO* near = nullptr;
        BIO* far = nullptr;
        BIO_new_bio_pair(&near, 0, &far, 0);
        SSL_set_bio(client->get(), near, near);
        SSL_set_bio(server.get(), far, far);
        for (int i = 0; i < 6; ++i) {
            SSL_do_handshake(client->get());
            SSL_do_handshake(server.get());
        }
        if (!SSL_is_init_finished(client->get()) || !SSL_is_init_finished(server.get())) state.SkipWithError("no handshake");
    }
}
BENCHMARK(full_handshake);

} // namespace
