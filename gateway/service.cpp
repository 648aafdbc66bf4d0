#include "gateway/service.hpp"

#include "core/io/own_mark.hpp"
#include "core/io/thread_name.hpp"
#include "core/text.hpp"
#include "gateway/ca_files.hpp"
#include "gateway/capture_rules.hpp"
#include "gateway/evidence.hpp"
#include "gateway/metrics_server.hpp"
#include "gateway/run_command.hpp"
#include "gateway/served_policy.hpp"
#include "gateway/service_manager.hpp"
#include "gateway/version.hpp"
#include "gateway/worker.hpp"
#include "policy/policy.hpp"
#include "sandbox/gateway_process.hpp"
#include "tls/system_roots.hpp"

#include <boost/asio/post.hpp>
#include <cstdio>
#include <filesystem>
#include <unistd.h>

namespace cofferdam::gateway {
namespace {

config::settings load(const std::string& file, config::serve_settings& serve)
{
    auto out = config::load(file, {}, &serve);
    if (!serve.default_job) out.policy = {}; // sources without a job get nothing, and that is recorded
    if (!serve.audit_dir.empty()) return out;
    // The logs of other jobs lie beside that of the default job.
    for (const auto& sink : out.audit.sinks) {
        if (sink.what != audit::sink_settings::kind::file) continue;
        serve.audit_dir = (std::filesystem::absolute(sink.path).parent_path() / "jobs").string();
        break;
    }
    return out;
}

} // namespace

service::service(std::string file)
    : file_(std::move(file)), settings_(load(file_, serve_)), metrics_(std::make_shared<audit::metrics>(version)),
      ruleset_(
          keeping_, [this](nft::queue_encoding queueing) { return capture_rules(serve_, settings_, queueing); },
          [this](std::string message) { boost::asio::post(main_, [this, message] { alert("ruleset changed", message); }); })
{
    signal_events_.assign(::dup(signals_.descriptor()));
}

service::~service()
{
    control_.reset();
    if (entrance_) entrance_->stop();
    loops_.clear();
    keeping_.stop();
    if (keeper_.joinable()) keeper_.join();
}

void service::prepare_folders() const
{
    if (!serve_.ca_dir.empty()) sandbox::make_gateway_folder(serve_.ca_dir, serve_.user);
    if (serve_.control.empty()) return;
    sandbox::make_gateway_folder(std::filesystem::path(serve_.control).parent_path().string(), serve_.user);
    if (!serve_.audit_dir.empty()) sandbox::make_gateway_folder(serve_.audit_dir, serve_.user);
}

void service::make_default_job(std::shared_ptr<const policy::policy> rules)
{
    const packet_sender send = [answers = answers_](byte_view packet, const ip_address& to) { answers->send(packet, to); };
    job_facts facts;
    facts.source = "default";
    auto engine = std::make_unique<job_engine>(new_identifier(), settings_, std::move(rules), std::move(facts), metrics_);
    if (!serve_.ca_dir.empty()) write_ca_files(serve_.ca_dir, engine->context().ca());
    jobs_ = std::make_unique<job_table>(std::make_shared<served_job>(std::move(engine), loops_, send));
    registry_ =
        std::make_unique<job_registry>(main_, *jobs_, job_registry::surroundings{loops_, settings_, serve_, metrics_, send});
}

void service::start()
{
    auto rules = compile_served(settings_.policy);
    static_cast<void>(tls::system_roots()); // for the first connection of all jobs
    if (serve_.intercept == config::intercept_mode::local) own_mark() = serve_.mark;
    prepare_folders();
    loops_ = make_loops(count_loops(settings_.limits.workers));
    auto sockets = open_sockets(serve_, settings_, loops_.size());
    answers_ = std::make_shared<answer_sender>(std::move(sockets.captured.answers_v4), std::move(sockets.captured.answers_v6));
    control_socket control;
    if (!serve_.control.empty()) control = open_control_socket(serve_.control, serve_.control_group);
    ruleset_.install(); // closed until there is a job that answers
    sandbox::drop_gateway_privileges(serve_.user);
    make_default_job(std::move(rules));
    auto& own = *jobs_->fallback()->engine;
    entrance_ = std::make_unique<entrance>(*jobs_, loops_, std::move(sockets), serve_.first_queue);
    if (serve_.metrics) serve_metrics(own.on(0), serve_.metrics->to_string(), [this] { return unready(); });
    if (control.descriptor >= 0) {
        api_ = std::make_unique<control_api>(*registry_, [this] { reload(); });
        control_ = std::make_unique<control_server>(main_, *api_, std::move(control));
    }
    own.start(std::string(config::to_string(serve_.intercept)) + ", " + nft::to_string(ruleset_.queueing()));
    keeper_ = std::thread([this] {
        name_this_thread("ruleset"); // has the few privileges that are left, like all threads from here on
        keeping_.run();
    });
    for (auto& each : loops_) each->start();
    entrance_->start();
}

// The policy in force changes at once or not at all.
void service::reload()
{
    try {
        config::serve_settings serve;
        auto fresh = load(file_, serve);
        if (!serve_.default_job) fresh.policy = {}; // to open the default job takes a restart
        auto& own = *jobs_->fallback()->engine;
        auto rules = compile_served(fresh.policy, own.facts().phase);
        own.reload(fresh.policy, std::move(rules), config::describe_files(fresh));
        std::fputs("cofferdam: reloaded\n", stderr);
    }
    catch (const std::exception& e) {
        std::fprintf(stderr, "cofferdam: not reloaded: %s\n", escape_line(e.what()).c_str());
        alert("not reloaded", e.what());
        throw;
    }
}

void service::alert(std::string name, std::string message)
{
    auto& own = jobs_->fallback()->engine->context();
    auto place = own.audit().reserve();
    if (!place) return;
    policy::decision none;
    none.act = none.would = policy::action::allow;
    none.why = reason::completed;
    auto entry = make_record(own, {}, none);
    entry.what = audit::alert_fields{std::move(name), std::move(message)};
    place->commit(std::move(entry));
}

std::string service::unready() const
{
    if (stopping_) return "stopping";
    return ruleset_.stands() ? "" : "the ruleset does not stand";
}

int service::run()
{
    wait_for_signal();
    feed_watchdog();
    if (control_) control_->start();
    notify_service_manager("READY=1");
    std::fputs("cofferdam: ready\n", stderr);
    main_.run();
    notify_service_manager("STOPPING=1");
    control_.reset();
    entrance_->stop();
    main_.restart();
    registry_->stop_all(serve_.drain);
    auto& own = *jobs_->fallback()->engine;
    own.stop(serve_.drain);
    for (auto& each : loops_) each->end_when_idle();
    for (auto& each : loops_) each->join();
    loops_.clear(); // flows that did not end in time write their records now
    const auto written = own.conclude(std::nullopt);
    if (written.lost == 0) return 0;
    std::fprintf(stderr, "cofferdam: %llu records could not be written to the audit log\n",
                 static_cast<unsigned long long>(written.lost));
    return exit_gateway_failed;
}

void service::wait_for_signal()
{
    signal_events_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code ec) {
        if (!ec) take_signals();
    });
}

void service::take_signals()
{
    for (const auto& each : signals_.take()) {
        if (each.number == SIGTERM || each.number == SIGINT) {
            stopping_ = true;
            return main_.stop();
        }
        try {
            if (each.number == SIGHUP) reload();
        }
        catch (const std::exception&) { // told where it was found; the old policy stays
        }
    }
    wait_for_signal();
}

void service::feed_watchdog()
{
    const auto interval = watchdog_interval();
    if (!interval) return;
    notify_service_manager("WATCHDOG=1");
    watchdog_.expires_after(*interval / 2);
    watchdog_.async_wait([this](boost::system::error_code ec) {
        if (!ec) feed_watchdog();
    });
}

} // namespace cofferdam::gateway
