#pragma once

#include "nft/io/sealed_network.hpp"

namespace cofferdam::gateway {

class worker;

/// Serves the job's DNS on the sockets of its sealed network, on one worker: judged by the job's policy before anything is
/// asked upstream (law 4), recorded one by one. Takes the DNS sockets out of `network`.
void serve_names(worker& w, nft::sealed_descriptors& network);

} // namespace cofferdam::gateway
