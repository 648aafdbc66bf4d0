#include "gateway/metrics_server.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/accept.hpp"
#include "gateway/spawn.hpp"
#include "gateway/worker.hpp"
#include "policy/name.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <stdexcept>

namespace cofferdam::gateway {
namespace {

namespace beast = boost::beast;
constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds time_limit{5};
constexpr unsigned max_scrapes = 16;

struct scrapes {
    readiness unready;
    unsigned open = 0;
};

using response = beast::http::response<beast::http::string_body>;

std::string why_unhealthy(job_context& job)
{
    return job.audit().failed() ? "the audit log can't be written: " + job.audit().failure() : std::string();
}

std::string why_unready(job_context& job, const readiness& unready)
{
    auto why = why_unhealthy(job);
    const auto failed = job.metrics().failed_audit_logs();
    if (why.empty() && failed != 0) why = std::to_string(failed) + " audit logs of jobs can't be written";
    return why.empty() && unready ? unready() : why;
}

response answer(job_context& job, const readiness& unready, const beast::http::request<beast::http::empty_body>& request)
{
    response out;
    out.version(request.version());
    out.keep_alive(false);
    const auto target = request.target();
    if (request.method() != beast::http::verb::get && request.method() != beast::http::verb::head) {
        out.result(beast::http::status::method_not_allowed);
    }
    else if (target == "/metrics") {
        out.set(beast::http::field::content_type, audit::metrics::content_type);
        out.body() = job.metrics().render();
    }
    else if (target == "/healthz" || target == "/readyz") {
        const std::string why = target == "/readyz" ? why_unready(job, unready) : why_unhealthy(job);
        const bool ready = why.empty();
        out.result(ready ? beast::http::status::ok : beast::http::status::service_unavailable);
        out.set(beast::http::field::content_type, "text/plain; charset=utf-8");
        out.body() = ready ? "ok\n" : why + "\n";
    }
    else {
        out.result(beast::http::status::not_found);
    }
    if (request.method() == beast::http::verb::head) out.body().clear();
    out.prepare_payload();
    return out;
}

asio::awaitable<void> scrape(worker& w, tcp::socket socket, std::shared_ptr<scrapes> shared)
{
    beast::tcp_stream stream(std::move(socket));
    stream.expires_after(time_limit);
    beast::flat_static_buffer<8192> buffer;
    beast::http::request_parser<beast::http::empty_body> parser;
    parser.header_limit(4096);
    auto [read_error, size] = co_await beast::http::async_read(stream, buffer, parser, use_tuple);
    if (!read_error && size > 0) {
        const response out = answer(w.job(), shared->unready, parser.get());
        auto [write_error, written] = co_await beast::http::async_write(stream, out, use_tuple);
        (void)write_error;
        (void)written;
    }
    boost::system::error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
    --shared->open;
}

} // namespace

void serve_metrics(worker& w, const std::string& address, readiness unready)
{
    const auto parsed = policy::parse_authority(address);
    if (!parsed || !parsed->where.address || !parsed->port) {
        throw std::runtime_error("--metrics: expected address:port, such as 127.0.0.1:9464, found '" + address + "'");
    }
    boost::system::error_code ec;
    const auto where = asio::ip::make_address(parsed->where.address->to_string(), ec);
    auto acceptor = std::make_shared<tcp::acceptor>(w.context());
    const tcp::endpoint endpoint(where, *parsed->port);
    acceptor->open(endpoint.protocol(), ec);
    if (!ec) acceptor->set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor->bind(endpoint, ec);
    if (!ec) acceptor->listen(16, ec);
    if (ec) throw std::runtime_error("--metrics " + address + ": " + ec.message());
    w.adopt(acceptor);
    auto shared = std::make_shared<scrapes>(scrapes{std::move(unready), 0});
    auto take = [&w, shared](tcp::socket socket, const ip_endpoint&) {
        if (shared->open >= max_scrapes) return;
        ++shared->open;
        spawn_counted(w.context(), w.job(), scrape(w, std::move(socket), shared));
    };
    spawn_counted(w.context(), w.job(), accept_each(w.job(), acceptor, std::move(take)));
}

} // namespace cofferdam::gateway
