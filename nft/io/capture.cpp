#include "nft/io/capture.hpp"

#include "nft/encode.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace cofferdam::nft {
namespace {

bool has_ipv6()
{
    const descriptor probe(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!probe) return false;
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    return ::bind(probe.number(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
}

} // namespace

bool is_unknown_to_kernel(const error_code& ec)
{
    return ec.category() == boost::system::system_category() &&
           (ec.value() == ENOENT || ec.value() == EOPNOTSUPP || ec.value() == EPROTONOSUPPORT);
}

std::vector<descriptor> listen_for(const gateway_sockets& make, const ip_endpoint& at, unsigned workers, bool exclusive)
{
    std::vector<descriptor> out;
    while (out.size() < workers) {
        if (!exclusive || out.empty()) {
            out.push_back(make.stream_listener(at, !exclusive));
            continue;
        }
        descriptor same(::fcntl(out.front().number(), F_DUPFD_CLOEXEC, 0));
        if (!same) throw_sealed(last_error(), "cannot duplicate the listener on " + at.to_string());
        out.push_back(std::move(same));
    }
    return out;
}

capture_sockets open_capture_sockets(const router_options& rules, const socket_sizes& sizes, unsigned listeners, bool shared)
{
    const gateway_sockets make(sizes);
    const bool ipv6 = has_ipv6();
    const ip_address any_v4, any_v6 = ip_address::v6({});
    capture_sockets out;
    out.streams_v4 = listen_for(make, {any_v4, rules.stream_port}, listeners, !shared);
    if (ipv6) out.streams_v6 = listen_for(make, {any_v6, rules.stream_port}, listeners, !shared);
    out.names_udp_v4 = make.name_socket({any_v4, rules.name_port});
    out.names_tcp_v4 = make.stream_listener({any_v4, rules.name_port}, false);
    out.answers_v4 = make.answer_socket(false, rules.answer_mark);
    if (ipv6) {
        out.names_udp_v6 = make.name_socket({any_v6, rules.name_port});
        out.names_tcp_v6 = make.stream_listener({any_v6, rules.name_port}, false);
        out.answers_v6 = make.answer_socket(true, rules.answer_mark);
    }
    out.log = make.log_socket(rules.log);
    for (std::uint16_t i = 0; i < rules.queues; ++i)
        out.queues.push_back(make.queue_socket(static_cast<std::uint16_t>(rules.first_queue + i)));
    return out;
}

queue_encoding install_ruleset(netlink_socket& netfilter, const std::function<ruleset(queue_encoding)>& make)
{
    netlink_outcome outcome;
    for (const auto queueing : {queue_encoding::native, queue_encoding::target}) {
        const auto batch = encode_ruleset(make(queueing));
        outcome = batch ? netfilter.commit(*batch) : netlink_outcome{batch.error(), "the ruleset"};
        if (!outcome.error) return queueing;
        if (!is_unknown_to_kernel(outcome.error)) break;
    }
    throw_sealed(outcome.error, "the kernel refused " + outcome.request);
}

void replace_rules(netlink_socket& netfilter, const std::vector<chain>& chains)
{
    const auto batch = encode_rules(own_table, chains);
    const auto outcome = batch ? netfilter.commit(*batch) : netlink_outcome{batch.error(), "the rules"};
    if (outcome.error) throw_sealed(outcome.error, "the kernel refused " + outcome.request);
}

namespace {

error_code read_identity_once(netlink_socket& netfilter, ruleset_identity& out)
{
    for (const auto& request : identity_requests(own_table)) {
        const auto take = [&out](byte_view datagram) { return out.add(datagram, own_table); };
        if (const auto failed = netfilter.dump(request, take)) return failed;
    }
    return {};
}

} // namespace

result<ruleset_identity> read_identity(netlink_socket& netfilter)
{
    constexpr int tries = 5;
    error_code failed;
    for (int n = 0; n < tries; ++n) {
        ruleset_identity out;
        failed = read_identity_once(netfilter, out);
        if (!failed) return out;
        if (failed != errc::need_more) break;
    }
    return failed;
}

bool remove_own_table(netlink_socket& netfilter)
{
    const auto batch = encode_removal(own_table);
    if (!batch) throw_sealed(batch.error(), "cannot remove the table");
    const auto outcome = netfilter.commit(*batch);
    if (!outcome.error) return true;
    if (outcome.error.value() == ENOENT) return false;
    throw_sealed(outcome.error, "the kernel refused " + outcome.request);
}

} // namespace cofferdam::nft
