#include "gateway/job_command.hpp"

#include "core/text.hpp"
#include "gateway/descriptor_message.hpp"
#include "gateway/run_command.hpp"
#include "policy/policy.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <stdexcept>

namespace cofferdam::gateway {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace json = boost::json;
using unix_socket = asio::local::stream_protocol;

constexpr std::size_t max_answer = 64U << 20;

struct answer {
    unsigned status = 0;
    json::object body;
};

/// The descriptors go with the first of its bytes.
void send(unix_socket::socket& socket, const http::request<http::string_body>& message, std::span<const int> descriptors,
          boost::system::error_code& ec)
{
    std::ostringstream text;
    text << message;
    const std::string bytes = text.str();
    const auto sent = send_with_descriptors(socket.native_handle(), bytes, descriptors);
    if (!sent)
        ec = sent.error();
    else
        asio::write(socket, asio::buffer(bytes) + *sent, ec);
}

answer ask(const std::string& control, http::verb method, const std::string& target, const json::object* body = nullptr,
           std::span<const int> descriptors = {})
{
    asio::io_context context;
    unix_socket::socket socket(context);
    boost::system::error_code ec;
    socket.connect(unix_socket::endpoint(control), ec);
    http::request<http::string_body> message{method, target, 11};
    message.set(http::field::host, "cofferdam");
    if (body) message.body() = json::serialize(*body);
    message.prepare_payload();
    if (!ec) send(socket, message, descriptors, ec);
    boost::beast::flat_buffer buffer;
    http::response_parser<http::string_body> reply;
    reply.body_limit(max_answer);
    if (!ec) http::read(socket, buffer, reply, ec);
    if (ec) throw std::runtime_error("no gateway answers at " + control + ": " + ec.message());
    answer out{reply.get().result_int(), {}};
    auto parsed = json::parse(reply.get().body(), ec);
    if (!ec && parsed.is_object()) out.body = std::move(parsed.as_object());
    return out;
}

std::string text(const json::object& body, std::string_view name)
{
    const auto* value = body.if_contains(name);
    return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::uint64_t number(const json::object& body, std::string_view name)
{
    const auto* value = body.if_contains(name);
    if (!value) return 0;
    if (value->is_uint64()) return value->as_uint64();
    return value->is_int64() && value->as_int64() > 0 ? static_cast<std::uint64_t>(value->as_int64()) : 0;
}

/// The exit code of an answer that is a refusal, which is told; 0 for any other.
int refused(const answer& got)
{
    if (got.status < 400) return 0;
    const auto why = text(got.body, "error");
    std::fprintf(stderr, "cofferdam: %s\n", why.empty() ? "the gateway refused" : escape_line(why).c_str());
    return got.status == 422 ? exit_config : 1;
}

void print_json(const json::object& body)
{
    std::printf("%s\n", json::serialize(body).c_str());
}

std::string read_file(const std::string& path)
{
    std::ifstream in(path, std::ios::binary);
    std::string out{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (in.bad()) throw std::runtime_error(path + ": " + std::strerror(errno));
    return out;
}

void write_file(const std::string& path, const std::string& content)
{
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << content;
    out.close();
    if (!out) throw std::runtime_error(path + ": " + std::strerror(errno));
}

/// What the command line adds to the policy file: --allow, and presets as this user's own clients are configured.
json::array added_entries(const job_command_request& request)
{
    const auto whole = config::load(request.policy, request.extra);
    const std::size_t own = request.policy.empty() ? 0 : config::load_file(request.policy).policy.allow.size();
    policy::policy::compile(whole.policy, request.phase); // complains with the file's own name
    json::array out;
    for (std::size_t i = own; i < whole.policy.allow.size(); ++i) {
        const auto& entry = whole.policy.allow[i];
        json::object item{{"entry", entry.text}};
        if (entry.dns_bits) item["dns_bits"] = *entry.dns_bits;
        out.push_back(std::move(item));
    }
    return out;
}

} // namespace

namespace {

/// What a request says of a job beside where its traffic comes from.
json::object describe_job(const job_command_request& request)
{
    json::object body{{"name", request.name},
                      {"allow", added_entries(request)},
                      {"presets_expanded", true},
                      {"mode", request.extra.mode},
                      {"phase", request.phase}};
    if (!request.policy.empty()) body["policy"] = read_file(request.policy);
    return body;
}

int show_started(const job_command_request& request, const answer& got)
{
    if (const int code = refused(got)) return code;
    if (!request.ca_file.empty()) write_file(request.ca_file, text(got.body, "ca"));
    if (request.json)
        print_json(got.body);
    else
        std::printf("%s\n", text(got.body, "id").c_str());
    return 0;
}

/// A job that is not sealed is none.
void unplug_or_stop(const job_command_request& request, const target_namespace& target, const std::string& id)
{
    try {
        target.unplug();
    }
    catch (const std::exception&) {
        ask(request.control, http::verb::delete_, "/v1/jobs/" + id + "?drain_ms=0");
        throw;
    }
}

constexpr std::string_view namespace_source = "netns:";

} // namespace

int job_start_command(const job_command_request& request)
{
    const auto& sources = request.sources;
    const auto named = [](const std::string& each) { return each.starts_with(namespace_source); };
    if (std::any_of(sources.begin(), sources.end(), named)) {
        if (sources.size() > 1) throw std::runtime_error("a job of a network namespace has no other source");
        auto attach = request;
        attach.attach.path = sources.front().substr(namespace_source.size());
        return job_attach_command(attach);
    }
    auto body = describe_job(request);
    body["sources"] = json::array(sources.begin(), sources.end());
    return show_started(request, ask(request.control, http::verb::post, "/v1/jobs", &body));
}

int job_attach_command(const job_command_request& request)
{
    auto body = describe_job(request);
    body["namespace"] = to_string(request.attach);
    const target_namespace target(request.attach);
    const auto sockets = target.open_sockets();
    const auto numbers = nft::numbers_of(sockets);
    const auto got = ask(request.control, http::verb::post, "/v1/attach", &body, numbers);
    if (got.status < 400) unplug_or_stop(request, target, text(got.body, "id"));
    return show_started(request, got);
}

int job_phase_command(const job_command_request& request)
{
    const json::object body{{"phase", request.phase}};
    const auto got = ask(request.control, http::verb::put, "/v1/jobs/" + request.id + "/phase", &body);
    if (const int code = refused(got)) return code;
    if (request.json) print_json(got.body);
    return 0;
}

int job_stop_command(const job_command_request& request)
{
    const auto got =
        ask(request.control, http::verb::delete_, "/v1/jobs/" + request.id + "?drain_ms=" + std::to_string(request.drain_ms));
    if (const int code = refused(got)) return code;
    if (!request.report.empty()) write_file(request.report, text(got.body, "markdown"));
    if (request.json)
        print_json(got.body);
    else
        std::fputs(text(got.body, "text").c_str(), stdout);
    if (number(got.body, "lost") > 0) {
        std::fprintf(stderr, "cofferdam: records could not be written to the audit log\n");
        return exit_gateway_failed;
    }
    const bool denied = number(got.body, "denied") + number(got.body, "would_deny") > 0;
    return request.fail_on_deny && denied ? exit_denied : 0;
}

int job_list_command(const job_command_request& request)
{
    const auto got = ask(request.control, http::verb::get, "/v1/jobs");
    if (const int code = refused(got)) return code;
    if (request.json) {
        print_json(got.body);
        return 0;
    }
    const auto* jobs = got.body.if_contains("jobs");
    if (!jobs || !jobs->is_array()) throw std::runtime_error("the gateway's answer has no list of jobs");
    std::printf("%-22s %-9s %8s %8s  %s\n", "JOB", "STATE", "RECORDS", "DENIED", "SOURCES");
    for (const auto& each : jobs->as_array()) {
        const auto& job = each.as_object();
        std::string sources;
        for (const auto& source : job.at("sources").as_array())
            sources += (sources.empty() ? "" : ",") + std::string(source.as_string());
        std::printf("%-22s %-9s %8llu %8llu  %s\n", text(job, "id").c_str(), text(job, "state").c_str(),
                    static_cast<unsigned long long>(number(job, "records")),
                    static_cast<unsigned long long>(number(job, "denied")), sources.empty() ? "(all others)" : sources.c_str());
    }
    return 0;
}

int job_reload_command(const job_command_request& request)
{
    const auto got = ask(request.control, http::verb::post, "/v1/reload");
    return refused(got);
}

} // namespace cofferdam::gateway
