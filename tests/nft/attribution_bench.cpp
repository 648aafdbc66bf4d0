#include "nft/io/attribution.hpp"
#include "nft/io/netlink.hpp"
#include "nft/io/socket_address.hpp"

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <linux/netlink.h>

namespace cofferdam::nft {
namespace {

/// A TCP connection over loopback, its client end owned by this process among `state.range(0)` other descriptors.
struct connection {
    descriptor listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    descriptor client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ip_endpoint from, to;

    connection()
    {
        socket_address any(ip_endpoint{ip_address::v4(0x7F000001U), 0});
        ::bind(listener.number(), any.raw(), any.size);
        ::listen(listener.number(), 1);
        to = name_of(listener);
        const socket_address address(to);
        ::connect(client.number(), address.raw(), address.size);
        from = name_of(client);
    }
    static ip_endpoint name_of(const descriptor& d)
    {
        socket_address out;
        ::getsockname(d.number(), out.raw(), &out.size);
        return out.endpoint().value();
    }
};

/// The usual case: a process that was found before, with so many descriptors open.
void known_process(benchmark::State& state)
{
    std::vector<descriptor> others;
    for (std::int64_t i = 0; i < state.range(0); ++i) others.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const connection c;
    auto diagnostics = netlink_socket::open(NETLINK_SOCK_DIAG).value();
    process_finder finder(diagnostics.number(), {});
    if (!finder.find(6, c.from, c.to)) state.SkipWithError("not found");
    for (auto _ : state) benchmark::DoNotOptimize(finder.find(6, c.from, c.to));
}
BENCHMARK(known_process)->Arg(8)->Arg(64)->Arg(512)->Unit(benchmark::kMicrosecond);

/// The worst case: all processes of this machine's PID namespace are searched.
void first_sight(benchmark::State& state)
{
    const connection c;
    auto diagnostics = netlink_socket::open(NETLINK_SOCK_DIAG).value();
    for (auto _ : state) {
        process_finder finder(diagnostics.number(), {});
        benchmark::DoNotOptimize(finder.find(6, c.from, c.to));
    }
}
BENCHMARK(first_sight)->Unit(benchmark::kMicrosecond);

/// The kernel's part alone: no such socket.
void no_such_socket(benchmark::State& state)
{
    auto diagnostics = netlink_socket::open(NETLINK_SOCK_DIAG).value();
    process_finder finder(diagnostics.number(), {});
    const ip_endpoint nobody{ip_address::v4(0x7F000001U), 9};
    for (auto _ : state) benchmark::DoNotOptimize(finder.find(6, nobody, nobody));
}
BENCHMARK(no_such_socket)->Unit(benchmark::kMicrosecond);

} // namespace
} // namespace cofferdam::nft
