#include "gateway/capture_rules.hpp"

#include "nft/local_ruleset.hpp"
#include "nft/router_ruleset.hpp"

namespace cofferdam::gateway {
namespace {

/// Of packets that the gateway sends in another server's name.
std::uint32_t answer_mark(const config::serve_settings& serve)
{
    return serve.mark ^ 1U;
}

template <class Options>
void fill(Options& out, const config::serve_settings& serve, const config::settings& settings)
{
    out.stream_port = serve.listen_port;
    out.name_port = serve.dns_port;
    out.first_queue = serve.first_queue;
    out.queues = static_cast<std::uint16_t>(settings.dns.queues);
    out.log.group = serve.log_group;
    out.answer_mark = answer_mark(serve);
}

nft::router_options router(const config::serve_settings& serve, const config::settings& settings)
{
    nft::router_options out;
    fill(out, serve, settings);
    out.interfaces = serve.interfaces;
    // Where every interface is captured, Prometheus comes by one of them.
    if (serve.metrics && serve.interfaces.empty()) out.services.push_back(serve.metrics->port);
    if (serve.proxy) out.services.push_back(serve.proxy->port);
    return out;
}

nft::local_options local(const config::serve_settings& serve, const config::settings& settings)
{
    nft::local_options out;
    fill(out, serve, settings);
    out.mark = serve.mark;
    out.services = serve.inbound;
    if (serve.metrics) out.services.push_back(serve.metrics->port);
    return out;
}

} // namespace

nft::ruleset capture_rules(const config::serve_settings& serve, const config::settings& settings, nft::queue_encoding queueing,
                           std::vector<nft::marked_group> groups)
{
    if (serve.intercept == config::intercept_mode::local) {
        auto options = local(serve, settings);
        options.queueing = queueing;
        options.groups = std::move(groups);
        return nft::local_ruleset(options);
    }
    auto options = router(serve, settings);
    options.queueing = queueing;
    return nft::router_ruleset(options);
}

std::vector<nft::chain> group_rules(const config::serve_settings& serve, const config::settings& settings,
                                    std::vector<nft::marked_group> groups)
{
    auto options = local(serve, settings);
    options.groups = std::move(groups);
    return nft::group_chains(options);
}

nft::socket_sizes socket_sizes_of(const config::settings& settings)
{
    nft::socket_sizes out;
    out.log_buffer = static_cast<int>(settings.limits.packet_log_buffer);
    out.name_buffer = static_cast<int>(settings.dns.socket_buffer);
    out.queue.length = static_cast<std::uint32_t>(settings.dns.queue_length);
    out.queue.copy_range = static_cast<std::uint32_t>(settings.dns.queue_copy_range);
    out.queue_buffer = static_cast<int>(settings.dns.queue_buffer);
    return out;
}

entrance_sockets open_sockets(const config::serve_settings& serve, const config::settings& settings, std::size_t loops)
{
    const auto sizes = socket_sizes_of(settings);
    entrance_sockets out;
    const auto workers = static_cast<unsigned>(loops);
    // Where clients share this network, one of the gateway's user could have a listener beside the gateway's.
    const bool exclusive = serve.intercept == config::intercept_mode::local;
    out.captured = nft::open_capture_sockets(router(serve, settings), sizes, workers, !exclusive);
    if (serve.proxy) out.proxies = nft::listen_for(nft::gateway_sockets(sizes), *serve.proxy, workers, exclusive);
    while (exclusive && out.flows.size() < loops) out.flows.emplace_back(); // of clients that control groups may tell apart
    return out;
}

} // namespace cofferdam::gateway
