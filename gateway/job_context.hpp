#pragma once

#include "audit/metrics.hpp"
#include "audit/writer.hpp"
#include "config/settings.hpp"
#include "core/io/coroutine.hpp"
#include "dns/bindings.hpp"
#include "dns/budget.hpp"
#include "dns/host_addresses.hpp"
#include "dns/inspector.hpp"
#include "dns/ready_answers.hpp"
#include "gateway/connection_share.hpp"
#include "gateway/leaf_rejections.hpp"
#include "gateway/lost_datagrams.hpp"
#include "policy/policy.hpp"
#include "tls/authority.hpp"
#include "tls/upstream.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace cofferdam::gateway {

class attribution;
class worker;

/// What the jobs of one gateway share.
struct shared_by_jobs {
    std::shared_ptr<audit::metrics> metrics;        ///< none: the job has its own
    std::shared_ptr<connection_budget> connections; ///< none: limits.max_connections is the only bound
};

/// Everything that belongs to one job and that its flows on all workers share. Thread-safe. Outlives the workers.
class job_context {
public:
    /// Makes the job's CA (law 8: in memory only). `rules` are the settings' policy, compiled. Throws std::runtime_error.
    job_context(std::string id, config::settings settings, std::shared_ptr<const policy::policy> rules,
                const shared_by_jobs& shared = {});
    ~job_context();
    job_context(const job_context&) = delete;
    job_context& operator=(const job_context&) = delete;

    const std::string& id() const noexcept { return id_; }
    const config::settings& settings() const noexcept { return settings_; }
    /// The policy in force; a flow keeps the pointer for one decision only.
    std::shared_ptr<const policy::policy> rules() const;
    /// From now on these decide: a connection that is open is judged by them at its next request.
    void replace_rules(std::shared_ptr<const policy::policy> rules);

    dns::bindings& bindings() noexcept { return bindings_; }
    /// What the job's names may say: charged by the inspector, and for names that are dialled without a query of the job.
    dns::budget& budget() noexcept { return budget_; }
    /// Addresses of names that were paid for: to look them up once more is a message to their domain. Bounded by the budget.
    std::optional<dns::host_addresses> kept_addresses(const std::string& name) const;
    void keep_addresses(const std::string& name, const dns::host_addresses& found);
    /// What the job's queries that passed the inspector may have at once.
    dns::ready_answers& ready_answers() noexcept { return ready_answers_; }
    /// Judges every DNS message of the job, wherever it came in.
    const dns::inspector& inspector() const noexcept { return inspector_; }
    std::optional<std::string> name_of(const ip_address& address) const;

    const tls::authority& ca() const noexcept { return ca_; }
    tls::leaf_cache& leaves() noexcept { return leaves_; }
    SSL_CTX& server_tls() const noexcept { return *server_tls_; }
    const tls::upstream_context& upstream_tls() const noexcept { return upstream_tls_; }

    audit::writer& audit() noexcept { return *audit_; }
    audit::metrics& metrics() noexcept { return *metrics_; }
    lost_datagrams& lost() noexcept { return lost_; }
    leaf_rejections& rejections() noexcept { return rejections_; }
    /// Opens the sinks and starts the writer's thread. `observe` sees each record in order, on that thread.
    void open_audit(std::function<void(const audit::record&)> observe);

    /// The process at the other end of a redirected connection; null where it can't be told. Asks on the attribution's own
    /// thread, and waits for it at most a quarter of a second.
    boost::asio::awaitable<std::shared_ptr<const process_identity>> find_process(worker& w, ip_endpoint client,
                                                                                 ip_endpoint destination, std::uint8_t transport);
    void attribute_with(std::shared_ptr<attribution> lookup);

    /// For a new flow: see connection_share::enter.
    const char* enter_connection() noexcept;
    void leave_connection() noexcept;
    /// For connections that are no flows.
    std::shared_ptr<connection_share> connections() const noexcept { return connections_; }

    /// Coroutines of the job that run (see spawn_counted): while there are any, they use it.
    void enter_task() noexcept { tasks_.fetch_add(1, std::memory_order_relaxed); }
    void leave_task() noexcept { tasks_.fetch_sub(1, std::memory_order_release); }
    std::size_t tasks() const noexcept { return tasks_.load(std::memory_order_acquire); }

    void count_internal_error(std::string_view what) noexcept;
    std::uint64_t internal_errors() const noexcept { return internal_errors_.load(std::memory_order_relaxed); }

private:
    void note_depth(std::size_t depth) noexcept;
    void note_log(bool good) noexcept;

    std::string id_;
    config::settings settings_;
    mutable std::mutex rules_mutex_;
    std::shared_ptr<const policy::policy> rules_;
    dns::bindings bindings_;
    dns::budget budget_;
    dns::inspector inspector_;
    mutable std::mutex kept_mutex_;
    std::unordered_map<std::string, dns::host_addresses> kept_addresses_;
    tls::authority ca_;
    tls::leaf_cache leaves_;
    tls::ssl_ctx_ptr server_tls_;
    tls::upstream_context upstream_tls_;
    std::shared_ptr<audit::metrics> metrics_;
    leaf_rejections rejections_;
    lost_datagrams lost_{*this};
    std::size_t depth_ = 0; // of the log's queue, as last told
    bool log_good_ = true;
    std::unique_ptr<audit::writer> audit_;
    std::shared_ptr<attribution> attribution_;
    std::shared_ptr<connection_share> connections_;
    std::atomic<std::size_t> tasks_{0};
    std::atomic<std::uint64_t> internal_errors_{0};
    dns::ready_answers ready_answers_;
};

} // namespace cofferdam::gateway
