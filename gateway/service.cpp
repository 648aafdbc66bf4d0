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
#include "sandbox/errors.hpp"
#include "sandbox/gateway_process.hpp"
#include "tls/system_roots.hpp"
#include "tls/trust_store.hpp"

#include <boost/asio/post.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <unistd.h>

namespace cofferdam::gateway {
namespace {

constexpr std::chrono::milliseconds look_interval{20};
/// For everything, once a second signal has come.
constexpr std::chrono::seconds hurried_patience{3};

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

// An accepted socket would inherit the mark of the gateway's connection (ip-sysctl.rst), which exempts, and could be connected
// anew.
void refuse_inherited_marks()
{
    char inherited = '0';
    std::ifstream("/proc/sys/net/ipv4/tcp_fwmark_accept") >> inherited;
    if (inherited != '0')
        throw std::runtime_error(
            "intercept: local: net.ipv4.tcp_fwmark_accept is set, so clients could get the gateway's mark; set it to 0");
}

std::shared_ptr<connection_budget> make_budget(const config::serve_settings& serve)
{
    const auto descriptors = raise_descriptor_limit();
    const auto most = connections_that_fit(descriptors);
    if (serve.max_connections > most)
        throw std::runtime_error("serve.max_connections: " + std::to_string(descriptors) +
                                 " descriptors (RLIMIT_NOFILE) are enough for " + std::to_string(most) + " connections");
    return std::make_shared<connection_budget>(serve.max_connections != 0 ? serve.max_connections : most);
}

} // namespace

service::service(std::string file)
    : file_(std::move(file)),
      settings_(load(file_, serve_)), shared_{std::make_shared<audit::metrics>(version), make_budget(serve_)},
      ruleset_(
          keeping_,
          [this](nft::queue_encoding queueing) {
              return capture_rules(serve_, settings_, queueing, jobs_ ? jobs_->groups() : std::vector<nft::marked_group>());
          },
          serve_.ruleset_check,
          [this](std::string message) { boost::asio::post(main_, [this, message] { alert("ruleset changed", message); }); })
{
    if (serve_.intercept == config::intercept_mode::router && serve_.interfaces.empty() && !serve_.all_interfaces)
        std::fputs("cofferdam: serve.interfaces is not set: whoever reaches this machine is a client (name them, or [\"*\"])\n",
                   stderr);
    signal_events_.assign(::dup(signals_.descriptor()));
}

service::~service()
{
    control_.reset();
    if (entrance_) entrance_->stop();
    if (registry_) registry_->end_threads();
    loops_.clear();
    keeping_.stop();
    if (keeper_.joinable()) keeper_.join();
}

// Root's rights are left where that can be; a configuration that only root can use is no reason not to start.
void service::choose_user()
{
    if (!serve_.user.empty()) {
        if (serve_.user == "root") serve_.user.clear();
        return prepare_folders();
    }
    auto [other, why] = sandbox::find_default_user();
    serve_.user = other;
    try {
        prepare_folders();
        const auto closed = other.empty() ? std::string() : sandbox::find_closed(other, own_paths());
        if (!closed.empty()) why = other + " can't use " + closed;
    }
    catch (const sandbox::launch_error& e) {
        if (other.empty()) throw;
        why = e.what();
    }
    if (why.empty()) return;
    serve_.user.clear();
    prepare_folders();
    std::fprintf(stderr, "cofferdam: stays root: %s (set serve.user; `root` is an answer too)\n", escape_line(why).c_str());
}

sandbox::gateway_paths service::own_paths() const
{
    sandbox::gateway_paths out;
    out.read = settings_.tls.extra_roots;
    out.read.push_back(file_);
    if (const auto bundle = tls::find_system_bundle()) out.read.push_back(bundle->string());
    for (const auto& sink : settings_.audit.sinks)
        if (sink.what == audit::sink_settings::kind::file) out.write.push_back(sink.path);
    if (!serve_.ca_dir.empty()) out.change.push_back(serve_.ca_dir);
    if (!serve_.control.empty() && !serve_.audit_dir.empty()) out.change.push_back(serve_.audit_dir);
    return out;
}

void service::prepare_folders() const
{
    const auto control = std::filesystem::path(serve_.control).parent_path().string();
    if (!control.empty()) sandbox::make_gateway_folder(control, serve_.user);
    for (const auto& folder : own_paths().change) sandbox::make_gateway_folder(folder, serve_.user);
    for (const auto& sink : settings_.audit.sinks)
        if (sink.what == audit::sink_settings::kind::file) sandbox::make_gateway_log(sink.path, serve_.user);
}

void service::make_default_job(std::shared_ptr<const policy::policy> rules)
{
    const packet_sender send = [answers = answers_](byte_view packet, const ip_address& to) { answers->send(packet, to); };
    job_facts facts;
    facts.source = "default";
    auto engine = std::make_unique<job_engine>(new_identifier(), settings_, std::move(rules), std::move(facts), shared_);
    if (!serve_.ca_dir.empty()) write_ca_files(serve_.ca_dir, engine->context().ca());
    jobs_ = std::make_unique<job_table>(std::make_shared<served_job>(std::move(engine), loops_, send), serve_.first_job_mark);
    registry_ = std::make_unique<job_registry>(
        main_, *jobs_, job_registry::surroundings{loops_, settings_, serve_, shared_, send, keeping_, [this] { mark_groups(); }});
}

void service::mark_groups()
{
    if (!entrance_->knows_groups())
        throw job_error(job_error::kind::conflict,
                        "this kernel does not tell datagrams of control groups apart (Linux 5.19 does)");
    ruleset_.replace(group_rules(serve_, settings_, jobs_->groups()));
}

void service::start()
{
    auto rules = compile_served(settings_.policy);
    static_cast<void>(tls::system_roots()); // for the first connection of all jobs
    if (serve_.intercept == config::intercept_mode::local) {
        refuse_inherited_marks();
        own_mark() = serve_.mark;
    }
    choose_user();
    loops_ = make_loops(count_loops(settings_.limits.workers));
    auto sockets = open_sockets(serve_, settings_, loops_.size());
    answers_ = std::make_shared<answer_sender>(std::move(sockets.captured.answers_v4), std::move(sockets.captured.answers_v6));
    control_socket control;
    if (!serve_.control.empty()) control = open_control_socket(serve_.control, serve_.control_group);
    ruleset_.install(); // closed until there is a job that answers
    sandbox::drop_gateway_privileges(serve_.user);
    // No other gateway runs here, or its sockets would be taken.
    if (!serve_.ca_dir.empty()) remove_ca_folders(serve_.ca_dir);
    make_default_job(std::move(rules));
    auto& own = *jobs_->fallback()->engine;
    entrance_ = std::make_unique<entrance>(*jobs_, loops_, std::move(sockets), serve_.first_queue);
    if (serve_.metrics) serve_metrics(own.on(0), serve_.metrics->to_string(), [this] { return unready(); });
    if (control.descriptor >= 0) {
        api_ = std::make_unique<control_api>(*registry_, [this] { reload(); });
        auto failed = [&own](std::string_view what) { own.context().count_internal_error(what); };
        control_ = std::make_unique<control_server>(main_, *api_, std::move(control), std::move(failed));
    }
    own.start(std::string(config::to_string(serve_.intercept)) + ", " + nft::to_string(ruleset_.queueing()));
    keeper_ = std::thread([this] {
        name_this_thread("ruleset"); // has the few privileges that are left, like all threads from here on
        keeping_.run();
    });
    try {
        for (auto& each : loops_) each->start();
        entrance_->start();
    }
    catch (...) {
        for (auto& each : loops_) each->stop(); // or the entrance would close under them what they wait for
        throw;
    }
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
    record_alert(jobs_->fallback()->engine->context(), std::move(name), std::move(message));
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
    drain();
    for (auto& each : loops_) each->end_when_idle();
    for (auto& each : loops_) each->join();
    loops_.clear(); // flows that did not end in time write their records now
    const auto written = conclude();
    if (written.lost == 0) return 0;
    std::fprintf(stderr, "cofferdam: %llu records could not be written to the audit log\n",
                 static_cast<unsigned long long>(written.lost));
    return exit_gateway_failed;
}

// Until each job has ended; a second signal leaves connections no more time.
void service::drain()
{
    auto& own = *jobs_->fallback()->engine;
    registry_->stop_all(serve_.drain);
    own.stop(serve_.drain);
    bool hurried = false;
    while (!registry_->ended() || !own.drained()) {
        if (hurried_ && !std::exchange(hurried, true)) {
            registry_->hurry();
            own.stop(std::chrono::milliseconds(0));
        }
        wait_a_little();
    }
}

// The records of the default job.
audit::writer_totals service::conclude()
{
    auto written = std::async(std::launch::async, [&own = *jobs_->fallback()->engine] { return own.conclude(std::nullopt); });
    while (written.wait_for(std::chrono::seconds(0)) != std::future_status::ready) wait_a_little();
    return written.get();
}

// After a second signal there is little time: who hangs then is left behind.
void service::wait_a_little()
{
    main_.run_one_for(look_interval);
    const auto now = std::chrono::steady_clock::now();
    if (hurried_) ends_at_ = std::min(ends_at_, now + hurried_patience);
    if (now < ends_at_) return;
    std::fputs("cofferdam: ended before all records were written\n", stderr);
    std::_Exit(exit_gateway_failed);
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
            if (stopping_.exchange(true))
                hurried_ = true;
            else
                main_.stop();
        }
        try {
            if (each.number == SIGHUP && !stopping_) reload();
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
