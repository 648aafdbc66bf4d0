#pragma once

#include "config/load.hpp"
#include "gateway/entrance.hpp"
#include "nft/local_ruleset.hpp"

namespace cofferdam::gateway {

/// The ruleset that the configuration calls for. `groups`: of local mode.
nft::ruleset capture_rules(const config::serve_settings& serve, const config::settings& settings, nft::queue_encoding queueing,
                           std::vector<nft::marked_group> groups = {});

/// Its chains that mark control groups.
std::vector<nft::chain> group_rules(const config::serve_settings& serve, const config::settings& settings,
                                    std::vector<nft::marked_group> groups);

/// What the configuration says about the sockets through which traffic is seen.
nft::socket_sizes socket_sizes_of(const config::settings& settings);

/// The sockets that go with it.
entrance_sockets open_sockets(const config::serve_settings& serve, const config::settings& settings, std::size_t loops);

} // namespace cofferdam::gateway
