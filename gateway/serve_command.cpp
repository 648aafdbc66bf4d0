#include "gateway/serve_command.hpp"

#include "gateway/service.hpp"
#include "nft/io/capture.hpp"
#include "sandbox/job.hpp"

#include <cstdio>
#include <linux/netlink.h>

namespace cofferdam::gateway {

int serve_command(const std::string& file)
{
    sandbox::harden_gateway_process();
    service gateway(file);
    gateway.start();
    return gateway.run();
}

int remove_ruleset_command()
{
    auto netfilter = nft::netlink_socket::open(NETLINK_NETFILTER);
    if (!netfilter) nft::throw_sealed(netfilter.error(), "cannot open nfnetlink");
    const bool was_there = nft::remove_own_table(*netfilter);
    std::printf("%s\n", was_there ? "removed" : "there was no ruleset");
    return 0;
}

} // namespace cofferdam::gateway
