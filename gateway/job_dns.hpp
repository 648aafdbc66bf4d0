#pragma once

#include "dns/judged_query.hpp"
#include "nft/io/sealed_network.hpp"

#include <memory>
#include <string_view>

namespace cofferdam::dns {
class server;
}

namespace cofferdam::gateway {

class job_context;
class worker;

/// What the job's policy says of a name, before anything is asked.
dns::policy_answer judge_name(job_context& job, std::string_view name, std::uint16_t qtype);

/// Writes the record of a query, and an alert where the information budget says so. False: it could not be kept.
bool record_query(job_context& job, const dns::query_facts& facts);

/// The alert for a charge that calls for one: a domain was blocked, or the limit of the whole job was reached. `source` asked.
void alert_of_charge(job_context& job, const dns::charge& paid, const ip_endpoint& source);

/// The job's DNS, on one worker until that stops: judged by the job's policy before anything is asked upstream (law 4), recorded
/// one by one.
std::shared_ptr<dns::server> make_names(worker& w);

/// The same on the sockets of its sealed network. Takes the DNS sockets out of `network`.
void serve_names(worker& w, nft::sealed_descriptors& network);

} // namespace cofferdam::gateway
