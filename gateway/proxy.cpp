#include "core/io/coroutine.hpp"
#include "gateway/address_guard.hpp"
#include "gateway/asio_endpoint.hpp"
#include "gateway/encrypted_dns.hpp"
#include "gateway/evidence.hpp"
#include "gateway/flow.hpp"
#include "gateway/sniff.hpp"
#include "http/error_page.hpp"
#include "http/head.hpp"
#include "policy/name.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

// The explicit proxy: HTTP CONNECT (RFC 9110, 9.3.6) and requests in absolute form (RFC 9112, 3.2.2). A tunnel is no tunnel: what
// comes through it is opened and judged like a connection that was redirected.

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds recheck_pause{2};

/// The head of the first request, which stays in the socket. Empty: the client went away, or took too long, which is told by
/// `late`. What is not a head, or is too large for one, is given as far as it is there.
asio::awaitable<std::string> peek_head(tcp::socket& socket, const http::limits& limits, bool& late)
{
    const auto until = std::chrono::steady_clock::now() + limits.head_timeout;
    http::head_scanner scanner(http::message_kind::request);
    std::string bytes;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        const auto patience = std::max(left, std::chrono::milliseconds(1));
        const auto waited = co_await wait_for_bytes(socket, bytes.size() + 1, patience);
        late = waited == wait_result::timed_out || left <= std::chrono::milliseconds(0);
        if (late || waited != wait_result::ready) co_return std::string();
        std::string block(limits.max_head + 1, '\0');
        const auto count = ::recv(socket.native_handle(), block.data(), block.size(), MSG_PEEK | MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (count <= 0) co_return std::string();
        const bool more = static_cast<std::size_t>(count) > bytes.size();
        bytes.assign(block, 0, static_cast<std::size_t>(count));
        const auto end = scanner.find_end(bytes, limits);
        if (end) co_return bytes.substr(0, *end);
        if (end.error() != errc::need_more || bytes.size() > limits.max_head) co_return bytes;
        if (more) continue;
        if (is_half_closed(socket)) co_return std::string();
        asio::steady_timer pause(socket.get_executor(), recheck_pause);
        co_await pause.async_wait(use_tuple);
    }
}

/// Takes out of the socket what was peeked at.
bool skip(tcp::socket& socket, std::size_t size)
{
    std::string bytes(size, '\0');
    return ::recv(socket.native_handle(), bytes.data(), size, MSG_DONTWAIT) == static_cast<ssize_t>(size);
}

policy::decision judge_tunnel(job_context& job, const connection_facts& facts)
{
    policy::connection_attempt attempt;
    attempt.app = policy::application::unknown;
    attempt.host = facts.bound_name;
    attempt.destination = facts.destination;
    attempt.source = &facts.source;
    return named_refusal(job.rules()->decide(attempt), attempt);
}

} // namespace

// One answer, and the end of the connection.
void flow::refuse_proxied(const policy::decision& verdict, const std::string& detail, const http::request_head& head)
{
    http::refusal page;
    page.why = verdict.why;
    page.method = head.method;
    page.url = head.host;
    page.rule = verdict.rule;
    page.hint = verdict.hint;
    page.detail = detail;
    page.job = job().id();
    std::string bytes;
    http::write_refusal(bytes, page, {});
    refuse_connection(*this, "tcp", verdict, detail);
    ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    // What was sent and is not read would turn the close into a reset, and the answer would be lost.
    std::array<char, 4096> rest;
    while (::recv(socket_.native_handle(), rest.data(), rest.size(), MSG_DONTWAIT) > 0) continue;
    boost::system::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

asio::awaitable<void> flow::run_proxied()
{
    prepare_socket();
    const auto& limits = job().settings().http;
    boost::system::error_code ec;
    const auto proxy = socket_.local_endpoint(ec);
    if (!ec) facts_.destination = from_asio(proxy); // what was dialled, until there is a tunnel
    bool late = false;
    const std::string bytes = co_await peek_head(socket_, limits, late);
    if (bytes.empty()) {
        close_unused(*this, "tcp", late || expired_ ? reason::client_timed_out : reason::client_closed);
        co_return;
    }
    http::request_head head;
    const auto parsed = http::parse_request_head(bytes, limits, head);
    const bool tunnel = parsed && head.form == http::target_form::authority;
    if (!parsed || (!tunnel && head.form != http::target_form::absolute)) {
        const auto* fault = head.why;
        refuse_proxied(gateway_decision(reason::malformed_request, policy::stage::connection),
                       fault ? std::string(fault->what) : "a proxy is asked for CONNECT, or for a URL", head);
        co_return;
    }
    if (!tunnel) {
        facts_.proxied = true;
        co_await run_http();
        co_return;
    }
    const std::string text(head.where.host);
    const auto host = policy::parse_host(head.where.ipv6_literal ? '[' + text + ']' : text);
    if (!host || head.where.port == 0) {
        refuse_proxied(gateway_decision(reason::malformed_name, policy::stage::connection), "CONNECT wants a host and a port",
                       head);
        co_return;
    }
    facts_.destination = {{}, head.where.port};
    if (const auto literal = ip_address::parse(host->to_string())) {
        facts_.destination.address = *literal;
        facts_.bound_name = job().name_of(*literal).value_or("");
        if (refuse_destination()) co_return;
    }
    else {
        facts_.bound_name = judged_name(host->to_string());
    }
    facts_.standing = judge_tunnel(job(), facts_);
    if (!facts_.standing.allowed()) {
        refuse_proxied(facts_.standing, facts_.standing.detail, head);
        co_return;
    }
    static constexpr std::string_view established = "HTTP/1.1 200 Connection established\r\n\r\n";
    const auto buffer = asio::buffer(established);
    arm(limits.body_timeout);
    const auto [failed, sent] = co_await asio::async_write(socket_, buffer, use_tuple);
    disarm();
    if (failed || sent == 0 || !skip(socket_, bytes.size())) {
        close_unused(*this, "tcp", expired_ ? reason::client_timed_out : reason::client_closed);
        co_return;
    }
    co_await dispatch();
}

} // namespace cofferdam::gateway
