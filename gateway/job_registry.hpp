#pragma once

#include "audit/summary.hpp"
#include "audit/writer.hpp"
#include "config/serve.hpp"
#include "gateway/attachment.hpp"
#include "gateway/job_table.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace cofferdam::gateway {

/// What a job of `cofferdam serve` is asked for with.
struct job_request {
    std::string name;                        ///< the caller's own, for lists and records; may be empty
    std::vector<ip_prefix> sources;          ///< whose traffic it is
    std::vector<std::string> control_groups; ///< likewise; canonical paths. At least one of both, but for an attached namespace
    std::shared_ptr<attachment> attached;    ///< a network namespace whose traffic it is; null: none
    std::string policy;                      ///< YAML, see config::load_job_text; empty: nothing but `allow`
    std::vector<policy::entry_source> allow; ///< added to it
    bool presets_expanded = false;           ///< `allow` holds what the policy's presets stand for
    std::string mode;                        ///< "enforce", "audit"; empty: as the policy says
    std::string phase;
};

/// Why a request to the registry was not done.
class job_error : public std::runtime_error {
public:
    enum class kind : std::uint8_t { no_such_job, conflict, bad_request, too_many };
    job_error(kind what, const std::string& message) : std::runtime_error(message), why(what) {}
    kind why;
};

/// A job as lists show it.
struct job_view {
    std::string id, name, phase;
    std::vector<ip_prefix> sources; ///< both empty: the default job, of all sources that are no other's, or that of a namespace
    std::vector<std::string> control_groups;
    std::string attached; ///< what the caller calls its network namespace; empty: it has none to itself
    std::chrono::system_clock::time_point started;
    bool stopping = false;
    std::string audit;  ///< path of its log; empty: none of its own
    std::string ca;     ///< certificate, PEM
    std::string ca_dir; ///< where it is written; empty: nowhere
    audit::summary totals;
};

/// A job that has ended.
struct job_result {
    job_view job;
    audit::writer_totals written;
};

/// The jobs of a running gateway. Lives on the main thread.
class job_registry {
public:
    using start_handler = std::function<void(std::exception_ptr failed, std::string id)>;
    struct surroundings {
        const event_loops& loops;
        const config::settings& settings; ///< of which jobs have what is not policy
        const config::serve_settings& serve;
        shared_by_jobs shared;
        packet_sender send;
        boost::asio::io_context& keeping; ///< whose thread keeps the rulesets of attached namespaces
        /// Has the packets of the table's control groups marked. Throws job_error, sealed_network_error.
        std::function<void()> mark_groups;
    };

    job_registry(boost::asio::io_context& context, job_table& jobs, surroundings around);
    ~job_registry();
    job_registry(const job_registry&) = delete;
    job_registry& operator=(const job_registry&) = delete;

    /// `done` is called when its sources are judged by its policy, with its id, or with why it was not started: job_error,
    /// config_error, policy_error, std::runtime_error. The policy is compiled and the CA made on another thread. Throws
    /// job_error.
    void start(job_request request, start_handler done);
    /// Empty: the main allow-list. Throws job_error, policy_error.
    void set_phase(const std::string& id, std::string phase);
    /// Its sources are nobody's at once; its connections may end within `drain`. `done` is called then, with the sums. Throws
    /// job_error.
    void stop(const std::string& id, std::chrono::milliseconds drain, std::function<void(job_result)> done);
    /// All of them, those that are being started too. `ended` says when that is done.
    void stop_all(std::chrono::milliseconds drain);
    /// Connections of jobs that end have no more time.
    void hurry();
    bool closing() const noexcept { return closing_; }
    /// Waits for the other threads. Before the loops end, where jobs may still be made.
    void end_threads();
    /// No job is left but the default one, and those that were given up.
    bool ended() const;

    job_view view(const std::string& id) const;
    std::vector<job_view> list() const; ///< the default job first, the others by their start

private:
    struct entry;
    using entries = std::list<std::unique_ptr<entry>>;

    config::settings settings_for(const job_request& request, const std::string& id) const;
    std::unique_ptr<entry> make(const job_request& request) const;
    std::vector<nft::match_control_group> find_groups(const job_request& request) const;
    std::string admit(std::unique_ptr<entry> made);
    void take_sources(entry& which);
    void take_groups(entry& which);
    void shorten(entry& which, std::chrono::milliseconds drain, std::chrono::milliseconds patience);
    entry& find(const std::string& id) const;
    void look();
    void look_later();
    bool finish(entry& which);
    void conclude(entry& which);
    void tell(entry& which, audit::writer_totals written);
    void attach(entry& which);
    void tell_change(const std::string& id, const std::string& message);
    job_view describe(const entry& which) const;

    boost::asio::io_context& context_;
    job_table& jobs_;
    surroundings around_;
    entries entries_;
    std::unique_ptr<entry> default_;
    boost::asio::steady_timer timer_;
    bool looking_ = false;
    bool closing_ = false;
    std::size_t starting_ = 0;
    // What takes time, so that the main thread always answers; last here, for they use the rest.
    boost::asio::thread_pool makers_, enders_;
};

} // namespace cofferdam::gateway
