#include "nft/io/sealed_network.hpp"

#include "nft/encode.hpp"
#include "nft/io/capture.hpp"
#include "nft/io/gateway_sockets.hpp"
#include "nft/io/loopback.hpp"
#include "nft/io/netlink.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdexcept>
#include <sys/socket.h>

namespace cofferdam::nft {
namespace {

constexpr unsigned listener_limit = 64;

void check(const sealed_network_options& options)
{
    const auto& rules = options.rules;
    const auto fail = [](const char* why) { throw std::invalid_argument(std::string("sealed network: ") + why); };
    if (options.listeners == 0 || options.listeners > listener_limit) fail("listeners must be 1 to 64");
    if (rules.stream_port == 0 || rules.name_port == 0 || rules.stream_port == rules.name_port)
        fail("stream_port and name_port must be two ports");
    if (std::max(rules.stream_port, rules.name_port) >= rules.first_job_port)
        fail("the gateway's ports must lie below first_job_port");
    if (rules.queues == 0 || rules.queues > queue_limit) fail("queues must be 1 to 16");
    if (rules.udp_ports.size() > relay_limit) fail("too many UDP ports");
    auto ports = rules.udp_ports;
    std::sort(ports.begin(), ports.end());
    if (std::adjacent_find(ports.begin(), ports.end()) != ports.end()) fail("a UDP port is given twice");
    if (!ports.empty() && (ports.front() == 0 || ports.front() < rules.first_job_port))
        fail("a UDP port is below first_job_port");
}

error_code write_sysctl(const std::string& name, const std::string& value)
{
    const descriptor file(::open(("/proc/sys/net/" + name).c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) return last_error();
    return ::write(file.number(), value.data(), value.size()) < 0 ? last_error() : error_code{};
}

void set_sysctl(const std::string& name, const std::string& value)
{
    if (const auto ec = write_sysctl(name, value)) throw_sealed(ec, "cannot set net/" + name + " to " + value);
}

/// For all groups if all are mapped into the user namespace (a root caller), else for this process's own, which is the job's.
void allow_ping_sockets()
{
    if (!write_sysctl("ipv4/ping_group_range", "0 2147483647")) return;
    const auto own = std::to_string(::getegid());
    set_sysctl("ipv4/ping_group_range", own + ' ' + own);
}

void set_sysctls(const sealed_network_options& options)
{
    allow_ping_sockets();
    set_sysctl("ipv4/ip_unprivileged_port_start", std::to_string(options.rules.first_job_port));
    set_sysctl("core/somaxconn", std::to_string(options.backlog));
}

/// False where the kernel has no IPv6, or has it switched off for new namespaces.
bool add_ipv6(netlink_socket& route, const sealed_addresses& addresses)
{
    const descriptor probe(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!probe) return false;
    const auto ec = add_loopback_address(route, addresses.job_v6);
    if (ec == error_code(EACCES, boost::system::system_category()) ||
        ec == error_code(EOPNOTSUPP, boost::system::system_category()))
        return false; // net.ipv6.conf.*.disable_ipv6
    if (ec) throw_sealed(ec, "cannot add " + addresses.job_v6.to_string() + " to lo");
    if (const auto failed = add_local_default(route, addresses.job_v6)) throw_sealed(failed, "cannot add the local IPv6 route");
    return true;
}

bool configure_loopback(const sealed_options& rules)
{
    auto route = netlink_socket::open(NETLINK_ROUTE);
    if (!route) throw_sealed(route.error(), "cannot open rtnetlink");
    if (const auto ec = raise_loopback(*route)) throw_sealed(ec, "cannot raise lo");
    // The gateway's addresses are local by the route, as all are, and deliberately not on lo: an address there would be the
    // source of what is sent to it, and the job would talk to its name server from the name server's own address.
    if (const auto ec = add_loopback_address(*route, rules.addresses.job_v4))
        throw_sealed(ec, "cannot add " + rules.addresses.job_v4.to_string() + " to lo");
    if (const auto ec = add_local_default(*route, rules.addresses.job_v4)) throw_sealed(ec, "cannot add the local IPv4 route");
    return rules.ipv6 && add_ipv6(*route, rules.addresses);
}

netlink_outcome load(netlink_socket& netfilter, const sealed_options& rules)
{
    const auto batch = encode_ruleset(sealed_ruleset(rules));
    return batch ? netfilter.commit(*batch) : netlink_outcome{batch.error(), "the ruleset"};
}

/// Replaces what this kernel does not have by what does the same, the most wanted combination first.
void load_ruleset(sealed_options& rules)
{
    auto netfilter = netlink_socket::open(NETLINK_NETFILTER);
    if (!netfilter) throw_sealed(netfilter.error(), "cannot open nfnetlink");
    const auto wanted = rules;
    netlink_outcome outcome;
    for (const auto capture : {capture_method::tproxy, capture_method::redirect}) {
        for (const auto queueing : {queue_encoding::native, queue_encoding::target}) {
            if (capture < wanted.capture || queueing < wanted.queueing) continue;
            rules.capture = capture;
            rules.queueing = queueing;
            outcome = load(*netfilter, rules);
            if (!outcome.error) return;
            if (!is_unknown_to_kernel(outcome.error)) throw_sealed(outcome.error, "the kernel refused " + outcome.request);
        }
    }
    throw_sealed(outcome.error, "the kernel refused " + outcome.request);
}

/// Calls `visit` with each descriptor, in the one order that layouts stand for.
template <class Sockets, class Visit>
void for_each_descriptor(Sockets& sockets, Visit visit)
{
    for (auto& d : sockets.streams_v4) visit(d);
    for (auto& d : sockets.streams_v6) visit(d);
    visit(sockets.names_udp_v4);
    visit(sockets.names_tcp_v4);
    if (sockets.ipv6) visit(sockets.names_udp_v6);
    if (sockets.ipv6) visit(sockets.names_tcp_v6);
    for (auto& r : sockets.relays) {
        visit(r.v4);
        if (sockets.ipv6) visit(r.v6);
    }
    visit(sockets.log);
    visit(sockets.diagnostics);
    for (auto& d : sockets.queues) visit(d);
    visit(sockets.answers_v4);
    if (sockets.ipv6) visit(sockets.answers_v6);
}

sealed_descriptors make_sockets(const sealed_network_options& options)
{
    const gateway_sockets make(options);
    const auto& rules = options.rules;
    const bool ipv6 = rules.ipv6;
    const auto& a = rules.addresses;
    sealed_descriptors out;
    out.ipv6 = ipv6;
    out.capture = rules.capture;
    out.queueing = rules.queueing;
    for (unsigned i = 0; i < options.listeners; ++i) {
        out.streams_v4.push_back(make.stream_listener({a.gateway_v4, rules.stream_port}, true));
        if (ipv6) out.streams_v6.push_back(make.stream_listener({a.gateway_v6, rules.stream_port}, true));
    }
    out.names_udp_v4 = make.name_socket({a.gateway_v4, rules.name_port});
    out.names_tcp_v4 = make.stream_listener({a.gateway_v4, rules.name_port}, false);
    if (ipv6) {
        out.names_udp_v6 = make.name_socket({a.gateway_v6, rules.name_port});
        out.names_tcp_v6 = make.stream_listener({a.gateway_v6, rules.name_port}, false);
    }
    for (const auto port : rules.udp_ports) {
        if (port == dns_port) continue;
        out.relays.push_back({port, make.relay_socket(port, false), ipv6 ? make.relay_socket(port, true) : descriptor()});
    }
    out.log = make.log_socket(rules.log);
    out.diagnostics = make.diagnostics_socket();
    for (std::uint16_t i = 0; i < rules.queues; ++i) out.queues.push_back(make.queue_socket(i));
    out.answers_v4 = make.answer_socket(false);
    if (ipv6) out.answers_v6 = make.answer_socket(true);
    return out;
}

} // namespace

sealed_layout layout_of(const sealed_descriptors& sockets)
{
    sealed_layout out;
    out.ipv6 = sockets.ipv6;
    out.capture = sockets.capture;
    out.queueing = sockets.queueing;
    out.queues = static_cast<std::uint16_t>(sockets.queues.size());
    out.listeners = static_cast<std::uint16_t>(sockets.streams_v4.size());
    out.relay_count = static_cast<std::uint16_t>(sockets.relays.size());
    for (std::size_t i = 0; i < sockets.relays.size(); ++i) out.relay_ports.at(i) = sockets.relays[i].port;
    return out;
}

std::vector<int> numbers_of(const sealed_descriptors& sockets)
{
    std::vector<int> out;
    for_each_descriptor(sockets, [&](const descriptor& d) { out.push_back(d.number()); });
    return out;
}

std::size_t count_of(const sealed_layout& layout)
{
    const std::size_t families = layout.ipv6 ? 2 : 1;
    return families * (layout.listeners + 3U + layout.relay_count) + 2U + layout.queues;
}

result<sealed_descriptors> assemble(const sealed_layout& layout, std::span<const int> numbers)
{
    std::vector<descriptor> owned;
    for (const int number : numbers) owned.emplace_back(number);
    if (layout.relay_count > relay_limit || layout.listeners > listener_limit || layout.queues > queue_limit ||
        numbers.size() != count_of(layout))
        return errc::malformed;
    sealed_descriptors out;
    out.ipv6 = layout.ipv6;
    out.capture = layout.capture;
    out.queueing = layout.queueing;
    out.queues.resize(layout.queues);
    out.streams_v4.resize(layout.listeners);
    if (layout.ipv6) out.streams_v6.resize(layout.listeners);
    for (std::size_t i = 0; i < layout.relay_count; ++i) out.relays.push_back({layout.relay_ports[i], {}, {}});
    auto next = owned.begin();
    for_each_descriptor(out, [&](descriptor& d) { d = std::move(*next++); });
    return out;
}

sealed_descriptors build_sealed_network(const sealed_network_options& options)
{
    check(options);
    auto settled = options;
    settled.rules.ipv6 = configure_loopback(options.rules);
    set_sysctls(options);
    load_ruleset(settled.rules);
    return make_sockets(settled);
}

} // namespace cofferdam::nft
