#include "gateway/run_command.hpp"

#include "audit/summary.hpp"
#include "core/text.hpp"
#include "gateway/attribution.hpp"
#include "gateway/capture_rules.hpp"
#include "gateway/job_dns.hpp"
#include "gateway/job_engine.hpp"
#include "gateway/metrics_server.hpp"
#include "gateway/queued_names.hpp"
#include "gateway/refused_packets.hpp"
#include "gateway/run_report.hpp"
#include "gateway/signals.hpp"
#include "gateway/trust.hpp"
#include "gateway/udp_relay.hpp"
#include "gateway/worker.hpp"
#include "nft/io/sealed_network.hpp"
#include "sandbox/job.hpp"
#include "tls/system_roots.hpp"

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <future>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cofferdam::gateway {
namespace {

constexpr std::chrono::milliseconds drain_time{3000};

// A file that must exist before the job starts, so that it can be protected from it.
void make_file(const std::string& path, const char* what)
{
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) throw std::runtime_error(std::string(what) + ' ' + path + ": " + std::strerror(errno));
    ::close(fd);
}

std::vector<std::string> protect(const run_request& request, const config::settings& settings)
{
    std::vector<std::string> out;
    for (const auto& sink : settings.audit.sinks) {
        if (sink.what != audit::sink_settings::kind::file) continue;
        make_file(sink.path, "audit log");
        out.push_back(std::filesystem::absolute(sink.path).string());
    }
    for (const auto& file : settings.files) out.push_back(std::filesystem::absolute(file).string());
    if (!request.report.empty()) {
        make_file(request.report, "report");
        out.push_back(std::filesystem::absolute(request.report).string());
    }
    return out;
}

// Tells the parent, through memory that both share, what the descriptors are that setup_network returns.
class layout_box {
public:
    layout_box()
        : shared_(static_cast<nft::sealed_layout*>(
              ::mmap(nullptr, sizeof(nft::sealed_layout), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)))
    {
        if (shared_ == MAP_FAILED) throw std::runtime_error("no memory");
    }
    ~layout_box() { ::munmap(shared_, sizeof(nft::sealed_layout)); }
    layout_box(const layout_box&) = delete;
    layout_box& operator=(const layout_box&) = delete;
    nft::sealed_layout& operator*() const noexcept { return *shared_; }

private:
    nft::sealed_layout* shared_;
};

struct sealed_job {
    sandbox::job job;
    nft::sealed_descriptors network;
};

sealed_job seal(const run_request& request, const config::settings& settings, std::size_t loops,
                std::vector<std::uint16_t> udp_ports)
{
    const layout_box layout;
    sandbox::options wanted;
    wanted.command = request.command;
    wanted.unset = proxy_variables();
    wanted.protected_paths = protect(request, settings);
    wanted.allowed_sockets = request.allowed_sockets;
    wanted.setup_network = [&layout, &settings, loops, &udp_ports] {
        nft::sealed_network_options network;
        network.listeners = static_cast<unsigned>(loops);
        network.rules.udp_ports = udp_ports;
        network.rules.queues = static_cast<std::uint16_t>(settings.dns.queues);
        static_cast<nft::socket_sizes&>(network) = socket_sizes_of(settings);
        auto sockets = nft::build_sealed_network(network);
        *layout = nft::layout_of(sockets);
        auto numbers = nft::numbers_of(sockets);
        static nft::sealed_descriptors kept; // open until they have been sent; this process ends or becomes PID 1 after that
        kept = std::move(sockets);
        return numbers;
    };
    auto job = sandbox::job::launch(std::move(wanted));
    std::vector<int> numbers;
    for (auto& fd : job.take_descriptors()) numbers.push_back(fd.release());
    auto network = nft::assemble(*layout, numbers);
    if (!network) throw std::runtime_error("the sealed network is not whole: " + network.error().message());
    return {std::move(job), std::move(*network)};
}

std::string describe_network(const nft::sealed_descriptors& network)
{
    return std::string(nft::to_string(network.capture)) + ", " + nft::to_string(network.queueing);
}

void hand_out(job_engine& job, nft::sealed_descriptors& network)
{
    for (std::size_t i = 0; i < job.size(); ++i) {
        if (i < network.streams_v4.size()) job.on(i).listen(network.streams_v4[i].release());
        if (i < network.streams_v6.size()) job.on(i).listen(network.streams_v6[i].release());
    }
    record_refused_packets(job.on(0), std::move(network.log));
    serve_names(job.on(0), network);
    relay_datagrams(job.on(0), std::move(network.relays));
    nft::process_finder_options finder;
    job.context().attribute_with(std::make_shared<attribution>(std::move(network.diagnostics), finder));
}

// Forwards signals and waits for the end of the command.
sandbox::exit_status wait_for_end(sandbox::job& job, forwarded_signals& signals)
{
    for (;;) {
        pollfd watched[] = {{signals.descriptor(), POLLIN, 0}, {job.descriptor(), POLLIN, 0}};
        if (::poll(watched, 2, -1) < 0) continue;
        if (watched[0].revents) {
            for (const auto& each : signals.take()) job.signal(each.number, each.from_terminal);
        }
        if (watched[1].revents) {
            if (const auto status = job.advance()) return *status;
        }
    }
}

void print_open_sockets(const run_request& request)
{
    if (request.quiet) return;
    for (const auto& socket : request.allowed_sockets)
        std::fprintf(stderr, "cofferdam: left open for the job: %s\n", escape_line(socket).c_str());
}

void print_notes(const run_request& request, const sandbox::job& job)
{
    if (!request.verbose) return;
    for (const auto& note : job.notes()) std::fprintf(stderr, "cofferdam: %s\n", escape_line(note).c_str());
}

int conclude(const run_request& request, const sandbox::exit_status& status, const audit::summary& totals,
             const audit::writer_totals& written)
{
    if (!request.quiet) {
        audit::text_style style;
        style.colour = ::isatty(STDERR_FILENO) == 1;
        std::fputs(audit::render_text(totals, style).c_str(), stderr);
    }
    if (!request.report.empty()) write_run_report(request.report, totals, written);
    if (!status.error.empty()) std::fprintf(stderr, "cofferdam: %s\n", escape_line(status.error).c_str());
    if (written.lost > 0) {
        std::fprintf(stderr, "cofferdam: %llu records could not be written to the audit log\n",
                     static_cast<unsigned long long>(written.lost));
        return exit_gateway_failed;
    }
    const int code = status.shell_code();
    if (code == 0 && request.fail_on_deny && totals.denied + totals.would_deny > 0) return exit_denied;
    return code;
}

} // namespace

int run_command(const run_request& request)
{
    sandbox::harden_gateway_process();
    const config::settings settings = config::load(request.policy, request.extra);
    const auto rules = policy::policy::compile(settings.policy, request.phase);
    const std::size_t loop_count = count_loops(settings.limits.workers);
    sealed_job sealed = seal(request, settings, loop_count, rules->udp_ports());

    raise_descriptor_limit();                                             // of the gateway: the command has its own by now
    forwarded_signals signals;                                            // before there are threads, which would take them
    const auto roots = std::async(std::launch::async, tls::system_roots); // for the first connection, beside what is next here
    job_engine job(new_identifier(), settings, rules, {request.phase, request.command, request.allowed_sockets, {}, {}});
    event_loops loops = make_loops(loop_count);
    job.attach(loops);
    const std::string nameserver = nft::sealed_addresses{}.gateway_v4.to_string();
    const std::string network = describe_network(sealed.network);
    queued_names queries(job.context(), sealed.network);
    hand_out(job, sealed.network);
    if (!request.metrics.empty()) serve_metrics(job.on(0), request.metrics);
    trust_material trust = make_trust(job.context().ca());
    trust.files.push_back(make_resolv_conf(nameserver));
    sealed.job.show(trust.files);
    job.start(network);
    for (auto& each : loops) each->start();
    queries.start();
    print_open_sockets(request);

    sealed.job.start(trust.environment);
    print_notes(request, sealed.job);
    const sandbox::exit_status status = wait_for_end(sealed.job, signals);

    queries.stop();
    job.stop(drain_time);
    for (auto& each : loops) each->end_when_idle();
    for (auto& each : loops) each->join();
    job.context().attribute_with(nullptr); // its answers go to the loops' contexts
    loops.clear();                         // flows that did not end in time write their records now
    const audit::writer_totals written = job.conclude(status.shell_code());
    return conclude(request, status, job.so_far(), written);
}

} // namespace cofferdam::gateway
