#include "gateway/job_registry.hpp"

#include "config/load.hpp"
#include "core/text.hpp"
#include "gateway/ca_files.hpp"
#include "gateway/evidence.hpp"
#include "gateway/served_policy.hpp"
#include "gateway/worker.hpp"
#include "nft/io/control_group.hpp"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>

namespace cofferdam::gateway {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds look_interval{20};
/// After its drain time a job's connections are closed; what uses it then still is given this long.
constexpr std::chrono::seconds grace{5}, hurried_grace{1};
/// A log that hangs keeps one of them for up to twice audit_close_time (see job_engine::conclude).
constexpr std::size_t ender_count = 4;
constexpr std::size_t max_name = 128;
constexpr std::size_t max_sources = 256;

void check(const job_request& request)
{
    using kind = job_error::kind;
    const auto sources = request.sources.size() + request.control_groups.size();
    if (sources == 0 && !request.attached)
        throw job_error(kind::bad_request, "a job needs a source: an address, a range or a control group");
    if (sources > max_sources) throw job_error(kind::bad_request, "a job has at most 256 sources");
    if (request.name.size() > max_name) throw job_error(kind::bad_request, "a name has at most 128 characters");
}

std::string join(const job_request& request)
{
    std::string out;
    for (const auto& each : request.sources) out += (out.empty() ? "" : ", ") + each.to_string();
    for (const auto& each : request.control_groups) out += (out.empty() ? "cgroup:" : ", cgroup:") + each;
    return out;
}

} // namespace

struct job_registry::entry {
    shared_job job;
    std::shared_ptr<attachment> attached;
    job_view shown;
    std::vector<nft::match_control_group> groups;
    std::chrono::steady_clock::time_point ends_at{};
    std::function<void(job_result)> done;
    bool concluding = false; // its log is written to the end, on another thread
    bool told = false;       // it was, or that was given up
};

job_registry::job_registry(boost::asio::io_context& context, job_table& jobs, surroundings around)
    : context_(context), jobs_(jobs), around_(std::move(around)), default_(std::make_unique<entry>()), timer_(context),
      makers_(1), enders_(ender_count)
{
    default_->job = jobs_.fallback();
    default_->shown.id = "default";
    default_->shown.name = "default";
    default_->shown.started = std::chrono::system_clock::now();
    default_->shown.ca_dir = around_.serve.ca_dir;
}

job_registry::~job_registry() = default;

config::settings job_registry::settings_for(const job_request& request, const std::string& id) const
{
    config::settings out = around_.settings;
    out.policy = {};
    out.files.clear();
    out.fingerprint.clear();
    if (!request.policy.empty()) {
        out = config::load_job_text(request.policy, "policy", around_.settings);
        if (!out.presets.empty() && !request.presets_expanded)
            throw job_error(job_error::kind::bad_request,
                            "presets are expanded by `cofferdam job start`, where the clients are configured");
    }
    out.policy.allow.insert(out.policy.allow.end(), request.allow.begin(), request.allow.end());
    if (request.mode == "audit")
        out.policy.how = policy::mode::audit;
    else if (request.mode == "enforce")
        out.policy.how = policy::mode::enforce;
    else if (!request.mode.empty())
        throw job_error(job_error::kind::bad_request, "mode: expected enforce or audit");
    out.audit.sinks.clear();
    if (!around_.serve.audit_dir.empty())
        out.audit.sinks = {{audit::sink_settings::kind::file, around_.serve.audit_dir + '/' + id + ".jsonl"}};
    return out;
}

void job_registry::start(job_request request, start_handler done)
{
    check(request);
    if (around_.serve.audit_dir.empty())
        throw job_error(job_error::kind::conflict, "a job needs a log: set serve.audit_dir, or a file in audit.sinks");
    if (entries_.size() + starting_ >= around_.serve.max_jobs)
        throw job_error(job_error::kind::too_many, "serve.max_jobs is reached");
    ++starting_;
    asio::post(makers_, [this, request = std::move(request), done = std::move(done), work = asio::make_work_guard(context_)] {
        std::shared_ptr<std::unique_ptr<entry>> made = std::make_shared<std::unique_ptr<entry>>();
        std::exception_ptr failed;
        try {
            *made = make(request);
        }
        catch (...) {
            failed = std::current_exception();
        }
        asio::post(context_, [this, made, failed, done] {
            --starting_;
            if (failed) return done(failed, {});
            std::string id;
            try {
                id = admit(std::move(*made));
            }
            catch (...) {
                return done(std::current_exception(), {});
            }
            done(nullptr, id);
        });
    });
}

// On another thread.
std::unique_ptr<job_registry::entry> job_registry::make(const job_request& request) const
{
    auto made = std::make_unique<entry>();
    made->groups = find_groups(request);
    const std::string id = new_identifier();
    auto settings = settings_for(request, id);
    const auto rules = compile_served(settings.policy, request.phase);
    job_facts facts{request.phase, {}, {}, request.attached ? request.attached->name() : join(request), {}};
    auto engine = std::make_unique<job_engine>(id, std::move(settings), rules, std::move(facts), around_.shared);
    made->attached = request.attached;
    auto send = request.attached ? request.attached->sender() : around_.send;
    made->job = std::make_shared<served_job>(std::move(engine), around_.loops, std::move(send));
    auto& shown = made->shown;
    shown.id = id;
    shown.name = escape_line(request.name);
    shown.sources = request.sources;
    if (request.attached) shown.attached = request.attached->name();
    shown.control_groups = request.control_groups;
    shown.started = std::chrono::system_clock::now();
    auto& context = made->job->engine->context();
    const auto& sinks = context.settings().audit.sinks;
    if (!sinks.empty()) shown.audit = sinks.front().path;
    if (around_.serve.ca_dir.empty()) return made;
    shown.ca_dir = around_.serve.ca_dir + '/' + id;
    write_ca_files(shown.ca_dir, context.ca());
    return made;
}

// Its id. Throws job_error, and it ends then.
std::string job_registry::admit(std::unique_ptr<entry> made)
{
    entries_.push_back(std::move(made));
    auto& kept = *entries_.back();
    const auto id = kept.shown.id;
    auto& running = *kept.job->engine;
    const auto* how = kept.attached ? "attached" : config::to_string(around_.serve.intercept);
    try {
        running.start(std::string(how) + ", " + running.facts().source);
        if (closing_) throw job_error(job_error::kind::conflict, "the gateway ends");
        if (kept.attached) attach(kept);
        take_sources(kept);
        take_groups(kept);
    }
    catch (...) {
        stop(id, std::chrono::milliseconds(0), {});
        throw;
    }
    return id;
}

// Throws job_error.
void job_registry::attach(entry& which)
{
    const auto network = which.attached->network();
    const auto own = nft::own_network();
    if (!own || *own == network)
        throw job_error(job_error::kind::conflict, which.attached->name() + " is the gateway's own network namespace");
    for (const auto& each : entries_) {
        if (each.get() != &which && each->attached && !each->shown.stopping && each->attached->network() == network)
            throw job_error(job_error::kind::conflict, which.attached->name() + " is attached already, to job " + each->shown.id);
    }
    auto alert = [this, id = which.shown.id](const std::string& message) {
        boost::asio::post(context_, [this, id, message] { tell_change(id, message); });
    };
    try {
        which.attached->open(which.job, {around_.loops, around_.keeping, around_.serve.ruleset_check, std::move(alert)});
    }
    catch (const std::exception& e) {
        throw job_error(job_error::kind::conflict, which.attached->name() + " can't be attached: " + e.what());
    }
}

void job_registry::tell_change(const std::string& id, const std::string& message)
{
    for (const auto& each : entries_)
        if (each->shown.id == id && !each->told) record_alert(each->job->engine->context(), "ruleset changed", message);
}

std::vector<nft::match_control_group> job_registry::find_groups(const job_request& request) const
{
    using kind = job_error::kind;
    if (request.control_groups.empty()) return {};
    if (around_.serve.intercept != config::intercept_mode::local)
        throw job_error(kind::bad_request,
                        "a control group is a source with `intercept: local` only: a router sees no processes");
    std::vector<nft::match_control_group> out;
    for (const auto& path : request.control_groups) {
        auto found = nft::find_control_group(path);
        if (!found && found.error() == errc::not_found) throw job_error(kind::bad_request, "there is no control group " + path);
        if (!found && found.error() == errc::unsupported)
            throw job_error(kind::bad_request, "control groups of version 2 are not mounted here");
        if (!found) throw job_error(kind::bad_request, "control group " + path + ": " + found.error().message());
        out.push_back(std::move(*found));
    }
    return out;
}

void job_registry::take_sources(entry& which)
{
    for (const auto& each : which.shown.sources) {
        if (!jobs_.add(each, which.job))
            throw job_error(job_error::kind::conflict, each.to_string() + " is a source of another job");
    }
}

void job_registry::take_groups(entry& which)
{
    if (which.groups.empty()) return;
    if (jobs_.groups().size() + which.groups.size() > around_.serve.max_control_groups)
        throw job_error(job_error::kind::too_many, "serve.max_control_groups is reached");
    for (const auto& each : which.groups) {
        if (!jobs_.add(each, which.job))
            throw job_error(job_error::kind::conflict, "control group /" + each.path + " is a source of another job");
    }
    around_.mark_groups();
}

job_registry::entry& job_registry::find(const std::string& id) const
{
    if (id == default_->shown.id) return *default_;
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const auto& e) { return e->shown.id == id; });
    if (found == entries_.end()) throw job_error(job_error::kind::no_such_job, "no job " + escape_line(id));
    return **found;
}

void job_registry::set_phase(const std::string& id, std::string phase)
{
    auto& which = find(id);
    if (which.done || which.shown.stopping) throw job_error(job_error::kind::conflict, "the job ends");
    which.job->engine->set_phase(std::move(phase));
}

void job_registry::stop(const std::string& id, std::chrono::milliseconds drain, std::function<void(job_result)> done)
{
    auto& which = find(id);
    if (&which == default_.get()) throw job_error(job_error::kind::conflict, "the default job ends with the gateway");
    if (which.shown.stopping) throw job_error(job_error::kind::conflict, "the job ends already");
    which.shown.stopping = true;
    which.done = std::move(done);
    which.ends_at = std::chrono::steady_clock::now() + drain + grace;
    jobs_.remove(which.job);
    if (which.attached) which.attached->close();
    try {
        if (!which.groups.empty()) around_.mark_groups();
    }
    catch (const std::exception&) { // marks that are nobody's: they go with the next change
    }
    which.job->engine->stop(drain);
    look_later();
}

void job_registry::stop_all(std::chrono::milliseconds drain)
{
    closing_ = true;
    for (auto& each : entries_) {
        if (each->shown.stopping)
            shorten(*each, drain, grace);
        else
            stop(each->shown.id, drain, {});
    }
}

void job_registry::hurry()
{
    for (auto& each : entries_)
        if (each->shown.stopping) shorten(*each, std::chrono::milliseconds(0), hurried_grace);
}

void job_registry::shorten(entry& which, std::chrono::milliseconds drain, std::chrono::milliseconds patience)
{
    which.job->engine->stop(drain);
    which.ends_at = std::min(which.ends_at, std::chrono::steady_clock::now() + drain + patience);
}

void job_registry::end_threads()
{
    makers_.join();
    enders_.join();
}

bool job_registry::ended() const
{
    return starting_ == 0 && std::all_of(entries_.begin(), entries_.end(), [](const auto& each) { return each->told; });
}

void job_registry::look_later()
{
    if (std::exchange(looking_, true)) return;
    timer_.expires_after(look_interval);
    timer_.async_wait([this](boost::system::error_code ec) {
        looking_ = false;
        if (!ec) look();
    });
}

void job_registry::look()
{
    std::erase_if(entries_, [this](const auto& each) { return each->shown.stopping && finish(*each); });
    const auto ending = [](const auto& each) { return each->shown.stopping; };
    if (std::any_of(entries_.begin(), entries_.end(), ending)) look_later();
}

// True when nothing is left of the job.
bool job_registry::finish(entry& which)
{
    auto& engine = *which.job->engine;
    if (engine.idle()) which.attached.reset(); // it has a reference
    // In this order: while the entry's own is the last reference, no packet and no query of it is in hand, and as it has no
    // sources any more there comes none; then what is idle stays so.
    const bool idle = which.job.use_count() == 1 && engine.idle();
    const bool late = std::chrono::steady_clock::now() >= which.ends_at;
    if ((idle || late) && !std::exchange(which.concluding, true)) conclude(which);
    return idle && which.told;
}

void job_registry::conclude(entry& which)
{
    asio::post(enders_, [this, &which, work = asio::make_work_guard(context_)] {
        auto written = which.job->engine->conclude(std::nullopt);
        std::error_code ignored;
        if (!which.shown.ca_dir.empty()) std::filesystem::remove_all(which.shown.ca_dir, ignored);
        asio::post(context_, [this, &which, written = std::move(written)]() mutable { tell(which, std::move(written)); });
    });
}

void job_registry::tell(entry& which, audit::writer_totals written)
{
    which.told = true;
    const auto done = std::exchange(which.done, {});
    job_result result{describe(which), std::move(written)};
    look(); // who is told that the job has ended finds it in no list any more
    if (done) done(std::move(result));
}

job_view job_registry::describe(const entry& which) const
{
    job_view out = which.shown;
    auto& engine = *which.job->engine;
    out.phase = engine.facts().phase;
    out.totals = engine.so_far();
    out.ca = engine.context().ca().pem();
    return out;
}

job_view job_registry::view(const std::string& id) const
{
    return describe(find(id));
}

std::vector<job_view> job_registry::list() const
{
    std::vector<job_view> out{describe(*default_)};
    for (const auto& each : entries_) out.push_back(describe(*each));
    return out;
}

} // namespace cofferdam::gateway
