#include "gateway/dial.hpp"

#include "core/io/coroutine.hpp"
#include "core/io/own_mark.hpp"
#include "dns/io/upstream_client.hpp"
#include "dns/refusal.hpp"
#include "gateway/address_guard.hpp"
#include "gateway/job_dns.hpp"
#include "gateway/name_policy.hpp"
#include "gateway/worker.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t max_attempts = 6;
constexpr const char* own_port = "the gateway's own port";

tcp::endpoint to_asio(const ip_endpoint& where)
{
    const auto bytes = where.address.bytes();
    if (where.address.is_v4()) {
        asio::ip::address_v4::bytes_type raw;
        std::copy(bytes.begin(), bytes.end(), raw.begin());
        return {asio::ip::address_v4(raw), where.port};
    }
    asio::ip::address_v6::bytes_type raw;
    std::copy(bytes.begin(), bytes.end(), raw.begin());
    return {asio::ip::address_v6(raw), where.port};
}

// Neither mode audit nor a broad rule opens the gateway's own machine: an entry must say host:PORT.
bool is_listed_host(const policy::policy& rules, std::uint16_t port, policy::transport proto)
{
    policy::connection_attempt attempt;
    attempt.proto = proto;
    attempt.app = proto == policy::transport::udp ? policy::application::opaque : policy::application::unknown;
    attempt.host = "host";
    attempt.destination.port = port;
    return rules.decide(attempt).why == reason::allowed_by_endpoint;
}

/// An alias of a name that a rule denies is as good as the name itself; whether it is on the allow-list is of no account.
std::optional<candidates> refuse_denied_alias(job_context& job, const dns::host_addresses& found)
{
    for (const auto& alias : found.aliases) {
        const auto verdict = job.inspector().judge(alias, dns::rr::a);
        if (verdict.why != reason::denied_by_rule || verdict.allowed) continue;
        return candidates{{}, reason::denied_by_rule, "alias of " + alias + ", which rule " + verdict.rule + " denies"};
    }
    return std::nullopt;
}

candidates judged(job_context& job, dns::host_addresses found)
{
    if (auto refused = refuse_denied_alias(job, found)) return std::move(*refused);
    candidates out;
    if (found.addresses.empty()) out.why = reason::name_not_found;
    out.addresses = std::move(found.addresses);
    return out;
}

/// The addresses of a name that TLS or HTTP may have brought without a query of the job. The lookup is a message to the name's
/// domain, so it is charged, and made once a job unless the name is known: that there is no such name is kept too.
asio::awaitable<candidates> look_up(worker& w, std::string host)
{
    candidates out;
    auto& job = w.job();
    const auto verdict = job.rules()->decide(policy::name_query{host, dns::rr::a});
    const auto paid = job.budget().spend(host, dns::rr::a, to_name_rule(verdict.matched));
    alert_of_charge(job, paid, {});
    if (!paid.allowed) {
        out.why = reason::exfiltration_budget;
        out.detail = dns::explain(paid);
        co_return out;
    }
    const bool keep = paid.tier != dns::name_tier::known;
    if (auto kept = keep ? job.kept_addresses(host) : std::nullopt) {
        out = judged(job, std::move(*kept));
        co_return out;
    }
    auto resolved = co_await w.resolver().async_addresses(host);
    const bool answered = resolved || resolved.error() == errc::not_found;
    if (!answered) {
        if (dns::was_heard(resolved.error())) job.budget().unanswered(host, dns::rr::a);
        out.why = reason::resolve_failed;
        out.detail = host + ": " + resolved.error().message();
        co_return out;
    }
    auto found = resolved ? std::move(*resolved) : dns::host_addresses{};
    if (keep) job.keep_addresses(host, found);
    out = judged(job, std::move(found));
    if (out.why == reason::name_not_found) out.detail = host + ": no such name";
    co_return out;
}

asio::awaitable<error_code> connect_one(tcp::socket& socket, tcp::endpoint where, std::chrono::milliseconds limit)
{
    boost::system::error_code failed;
    socket.open(where.protocol(), failed);
    if (!failed && !mark_own(socket.native_handle())) failed = asio::error::no_permission;
    if (failed) co_return failed;
    // The timer's handler may be queued already when the connect ends: it looks at `open` before it touches the socket.
    const auto open = std::make_shared<bool>(true);
    asio::steady_timer timer(socket.get_executor(), limit);
    auto on_time_out = [open, &socket](error_code ec) {
        boost::system::error_code ignored;
        if (!ec && *open) socket.close(ignored);
    };
    timer.async_wait(std::move(on_time_out));
    auto [ec] = co_await socket.async_connect(where, use_tuple);
    *open = false;
    timer.cancel();
    if (ec == asio::error::operation_aborted) ec = asio::error::timed_out;
    co_return ec;
}

} // namespace

asio::awaitable<candidates> find_candidates(worker& w, std::string host, std::uint16_t port, policy::transport proto)
{
    candidates out;
    if (is_gateway_host(host)) {
        if (!is_listed_host(*w.job().rules(), port, proto)) {
            out.why = reason::private_address;
            out.detail = "the machine that runs the gateway; to allow it: host:" + std::to_string(port);
            co_return out;
        }
        const auto loopback = ip_address::v4({127, 0, 0, 1});
        if (is_own_port(w.job().settings(), {loopback, port})) {
            out.why = reason::private_address;
            out.detail = own_port;
            co_return out;
        }
        out.addresses = {loopback, ip_address::parse("::1").value()};
        co_return out;
    }
    std::vector<ip_address> found;
    if (const auto literal = ip_address::parse(host)) {
        found.push_back(*literal);
    }
    else {
        candidates looked_up = co_await look_up(w, host);
        if (looked_up.addresses.empty()) co_return looked_up;
        found = std::move(looked_up.addresses);
    }
    const auto rules = w.job().rules();
    for (const auto& address : found) {
        const ip_endpoint where{address, port};
        if (may_dial(*rules, w.job().settings(), host, where))
            out.addresses.push_back(address);
        else if (is_own_port(w.job().settings(), where))
            out.detail = own_port;
        else
            out.detail = host + " is " + address.to_string() + " (" + cofferdam::to_string(address.scope()) +
                         "); to allow it: " + where.to_string();
    }
    if (out.addresses.empty()) out.why = found.empty() ? reason::name_not_found : reason::private_address;
    co_return out;
}

asio::awaitable<dialled> dial(worker& w, std::string host, std::uint16_t port)
{
    dialled out{reason::internal_error, {}, tcp::socket(w.context()), {}};
    const candidates found = co_await find_candidates(w, host, port);
    if (found.addresses.empty()) {
        out.why = found.why;
        out.detail = found.detail;
        co_return out;
    }
    const auto limit = w.job().settings().limits.connect_timeout;
    for (std::size_t i = 0; i < std::min(found.addresses.size(), max_attempts); ++i) {
        const ip_endpoint where{found.addresses[i], port};
        const auto target = to_asio(where);
        boost::system::error_code ignored;
        out.socket.close(ignored);
        const error_code ec = co_await connect_one(out.socket, target, limit);
        if (!ec) {
            out.socket.non_blocking(true, ignored);
            out.socket.set_option(tcp::no_delay(true), ignored);
            out.why = reason::completed;
            out.detail.clear();
            out.peer = where;
            co_return out;
        }
        out.why = reason::connect_failed;
        out.detail = where.to_string() + ": " + ec.message();
    }
    co_return out;
}

} // namespace cofferdam::gateway
