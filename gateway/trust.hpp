#pragma once

#include "sandbox/job.hpp"
#include "tls/authority.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cofferdam::gateway {

/// What a job is shown so that its clients trust the job's CA and ask the gateway for names, with no change to the job.
struct trust_material {
    std::vector<sandbox::shown_file> files;
    std::vector<sandbox::variable> environment;
};

/// The system's bundle with the job's CA at the paths of Debian, Red Hat and Alpine, a Java trust store, and the variables of
/// the clients that bring their own roots (docs/clients.md lists who reads what).
trust_material make_trust(const tls::authority& ca);

/// The job's /etc/resolv.conf.
sandbox::shown_file make_resolv_conf(const std::string& nameserver);

/// Proxy variables of the caller: inside, connections are redirected, and a proxy would only hide where they go.
std::vector<std::string> proxy_variables();

} // namespace cofferdam::gateway
