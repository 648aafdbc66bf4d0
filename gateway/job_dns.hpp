#pragma once

#include "dns/resolver.hpp"
#include "nft/io/sealed_network.hpp"

namespace cofferdam::gateway {

class job_context;
class job_context;
class worker;

/// Writes the one record of a query. False if none can be kept: it is counted in the metrics then, and must not be answered.
bool record_query(job_context& job, const dns::query_facts& facts);

/// Writes the one record of a query. False if none can be kept: it is counted in the metrics then, and must not be answered.
bool record_query(job_context& job, const dns::query_facts& facts);

/// Serves the job's DNS on the sockets of its sealed network, on one worker: judged by the job's policy before anything is
/// asked upstream (law 4), recorded one by one. Takes the DNS sockets out of `network`.
void serve_names(worker& w, nft::sealed_descriptors& network);

} // namespace cofferdam::gateway
