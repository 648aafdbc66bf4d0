#pragma once

#include "config/document.hpp"
#include "core/ip.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cofferdam::config {

enum class intercept_mode : std::uint8_t {
    router, ///< others route through this machine: what comes in by the interfaces is captured
    local,  ///< clients share this network namespace: what they send is captured, but for the gateway's own
};
const char* to_string(intercept_mode how) noexcept;

/// What `cofferdam serve` reads beside the policy of the default job.
struct serve_settings {
    intercept_mode intercept = intercept_mode::router;
    bool default_job = true;             ///< default_job: none: sources without a job get nothing
    std::uint16_t listen_port = 15001;   ///< serve.listen_port: where TCP is redirected to
    std::uint16_t dns_port = 15053;      ///< serve.dns_port
    std::vector<std::string> interfaces; ///< serve.interfaces; empty: all but lo
    bool all_interfaces = false;         ///< that was said: "*"
    std::vector<std::uint16_t> inbound;  ///< serve.inbound: TCP ports of clients that connections from outside are answered at
    std::uint32_t mark = 0xC0FFE;        ///< serve.mark: of the gateway's own packets
    std::uint32_t first_job_mark =
        0xCF00000;                        ///< serve.first_job_mark: of the packets of a job's control groups, one each from here
    std::uint16_t first_queue = 1500;     ///< serve.first_queue: NFQUEUE number; dns.queues are taken from here on
    std::uint16_t log_group = 1500;       ///< serve.log_group: NFLOG group
    std::string ca_dir;                   ///< serve.ca_dir; empty: the certificate is not written
    std::string control;                  ///< serve.control: path of a Unix socket; empty: no control API
    std::string control_group;            ///< serve.control_group: who may use it beside root and the gateway's own user
    std::string audit_dir;                ///< serve.audit_dir: logs of the jobs that are started by the control API
    std::size_t max_jobs = 1024;          ///< serve.max_jobs: at once
    std::size_t max_control_groups = 256; ///< serve.max_control_groups: sources of all jobs at once; each is a rule
    std::size_t max_connections = 0;      ///< serve.max_connections: of all jobs together; 0: as the limit of descriptors allows
    std::chrono::milliseconds ruleset_check{10'000}; ///< serve.ruleset_check: how often the kernel's rules are looked at
    std::chrono::milliseconds drain{3000};           ///< serve.drain: for connections when the gateway, or a job, ends
    std::string user;                   ///< serve.user: the gateway's after its start; empty: see sandbox::gateway_user
    std::optional<ip_endpoint> metrics; ///< serve.metrics
    std::optional<ip_endpoint> proxy;   ///< serve.proxy
};

inline constexpr std::uint32_t job_mark_count = 1U << 20; ///< from serve.first_job_mark on

/// The keys `intercept`, `default_job` and `serve`. Throw config_error.
void read_intercept(const node& n, serve_settings& out);
void read_default_job(const node& n, serve_settings& out);
void read_serve(const node& n, serve_settings& out);
/// The TCP ports that the gateway listens on.
std::vector<std::uint16_t> own_ports(const serve_settings& read);

/// "10.0.0.1:9464", "[::1]:9464". Throws config_error that begins with `expected`.
ip_endpoint read_endpoint(const node& n,
                          const std::string& expected = "expected address:port, such as 127.0.0.1:9464 or [::1]:9464");

} // namespace cofferdam::config
