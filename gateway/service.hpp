#pragma once

#include "config/load.hpp"
#include "gateway/control_server.hpp"
#include "gateway/entrance.hpp"
#include "gateway/event_loop.hpp"
#include "gateway/job_registry.hpp"
#include "gateway/job_table.hpp"
#include "gateway/metrics_server.hpp"
#include "gateway/ruleset_keeper.hpp"
#include "gateway/signals.hpp"
#include "sandbox/gateway_user.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace cofferdam::gateway {

/// The gateway of `cofferdam serve`: jobs, loops, the entrance, the ruleset, the control API. Lives on the main thread.
class service {
public:
    explicit service(std::string file);
    ~service();
    service(const service&) = delete;
    service& operator=(const service&) = delete;

    /// Captures. Throws what keeps it from doing so. There are no other threads before.
    void start();
    /// Until SIGTERM or SIGINT; drains then. The exit code.
    int run();

private:
    void choose_user();
    sandbox::gateway_paths own_paths() const;
    void prepare_folders() const;
    void make_default_job(std::shared_ptr<const policy::policy> rules);
    void mark_groups();
    void reload();
    void alert(std::string name, std::string message);
    void wait_for_signal();
    void take_signals();
    void feed_watchdog();
    void drain();
    audit::writer_totals conclude();
    void wait_a_little();
    std::string unready() const;

    std::string file_;
    config::serve_settings serve_;
    config::settings settings_;
    forwarded_signals signals_;
    boost::asio::io_context main_{1};
    boost::asio::posix::stream_descriptor signal_events_{main_};
    boost::asio::steady_timer watchdog_{main_};
    shared_by_jobs shared_;
    boost::asio::io_context keeping_{1}; // of the ruleset's own thread: slow work on the main one must not delay it
    ruleset_keeper ruleset_;
    std::thread keeper_;
    std::atomic<bool> stopping_{false};
    bool hurried_ = false; // a second signal came
    std::chrono::steady_clock::time_point ends_at_ = std::chrono::steady_clock::time_point::max();
    std::shared_ptr<answer_sender> answers_;
    std::unique_ptr<job_table> jobs_;
    std::unique_ptr<job_registry> registry_;
    std::unique_ptr<entrance> entrance_;
    event_loops loops_; // end before what their flows use
    std::unique_ptr<control_api> api_;
    std::unique_ptr<control_server> control_;
};

} // namespace cofferdam::gateway
