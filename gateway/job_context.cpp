#include "gateway/job_context.hpp"

#include "core/io/coroutine.hpp"
#include "core/text.hpp"
#include "gateway/attribution.hpp"
#include "gateway/job_dns.hpp"
#include "gateway/name_policy.hpp"
#include "gateway/version.hpp"
#include "gateway/worker.hpp"

#include <cstdio>
#include <netinet/in.h>

namespace cofferdam::gateway {

job_context::job_context(std::string id, config::settings settings, std::shared_ptr<const policy::policy> rules,
                         const shared_by_jobs& shared)
    : id_(std::move(id)), settings_(std::move(settings)), rules_(std::move(rules)),
      bindings_(settings_.dns.virtual_range, settings_.dns.max_names), budget_(budget_of(settings_)),
      inspector_(settings_.dns, bindings_, budget_,
                 {[this](std::string_view name, std::uint16_t qtype) { return judge_name(*this, name, qtype); }}),
      ca_(id_, settings_.tls, std::chrono::system_clock::now()), leaves_(ca_, settings_.tls.leaf_cache),
      server_tls_(tls::make_server_context(settings_.tls)), upstream_tls_(settings_.tls),
      metrics_(shared.metrics ? shared.metrics : std::make_shared<audit::metrics>(version)),
      connections_(std::make_shared<connection_share>(settings_.limits.max_connections, shared.connections)),
      ready_answers_(settings_.dns.max_cache)
{
}

job_context::~job_context()
{
    audit_.reset();
    note_depth(0);
    note_log(true);
}

// On the log's thread, and after it.
void job_context::note_depth(std::size_t depth) noexcept
{
    const auto before = std::exchange(depth_, depth);
    metrics_->audit_queue_depth(static_cast<std::ptrdiff_t>(depth) - static_cast<std::ptrdiff_t>(before));
}

void job_context::note_log(bool good) noexcept
{
    if (std::exchange(log_good_, good) != good) metrics_->audit_log_failed(good ? -1 : 1);
}

std::shared_ptr<const policy::policy> job_context::rules() const
{
    const std::lock_guard lock(rules_mutex_);
    return rules_;
}

void job_context::replace_rules(std::shared_ptr<const policy::policy> rules)
{
    const std::lock_guard lock(rules_mutex_);
    rules_ = std::move(rules);
}

std::optional<std::string> job_context::name_of(const ip_address& address) const
{
    return bindings_.name_of(address);
}

std::optional<dns::host_addresses> job_context::kept_addresses(const std::string& name) const
{
    const std::lock_guard lock(kept_mutex_);
    const auto found = kept_addresses_.find(name);
    return found == kept_addresses_.end() ? std::nullopt : std::optional(found->second);
}

void job_context::keep_addresses(const std::string& name, const dns::host_addresses& found)
{
    const std::lock_guard lock(kept_mutex_);
    kept_addresses_.insert_or_assign(name, found);
}

void job_context::open_audit(std::function<void(const audit::record&)> observe)
{
    audit::writer_hooks hooks;
    hooks.written = [this, observe = std::move(observe)](const audit::record& entry, std::uint64_t) {
        metrics_->observe(entry);
        observe(entry);
    };
    hooks.depth = [this](std::size_t depth) { note_depth(depth); };
    hooks.failure = [this](const std::string& message) {
        note_log(message.empty());
        if (message.empty())
            std::fprintf(stderr, "cofferdam: the audit log can be written again\n");
        else
            std::fprintf(stderr, "cofferdam: the audit log can't be written, so all traffic is refused: %s\n",
                         escape_line(message).c_str());
    };
    audit_ = std::make_unique<audit::writer>(settings_.audit, std::move(hooks));
}

boost::asio::awaitable<found_process> job_context::find_process(worker& w, ip_endpoint client, ip_endpoint destination,
                                                                std::uint8_t transport)
{
    if (!attribution_) co_return nullptr;
    auto found = co_await attribution_->find(w.context(), transport, client, destination);
    co_return found;
}

void job_context::attribute_with(std::shared_ptr<attribution> lookup)
{
    attribution_ = std::move(lookup);
}

const char* job_context::enter_connection() noexcept
{
    if (const char* reached = connections_->enter()) return reached;
    metrics_->active_connections(1);
    return nullptr;
}

void job_context::leave_connection() noexcept
{
    connections_->leave();
    metrics_->active_connections(-1);
}

void job_context::count_internal_error(std::string_view what) noexcept
{
    internal_errors_.fetch_add(1, std::memory_order_relaxed);
    std::fprintf(stderr, "cofferdam: internal error, one flow was ended: %s\n", escape_line(what).c_str());
}

} // namespace cofferdam::gateway
