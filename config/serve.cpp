#include "config/serve.hpp"

#include "core/text.hpp"

#include <charconv>

namespace cofferdam::config {
namespace {

using namespace std::chrono_literals;

std::uint16_t read_port(const node& n)
{
    return static_cast<std::uint16_t>(n.count(1, 65535));
}

std::string read_interface(const node& n)
{
    constexpr std::size_t longest = 15; // IFNAMSIZ - 1
    auto name = n.text();
    const bool odd = name.find_first_of(" \t/\"") != std::string::npos;
    const auto star = name.find('*');
    const bool odd_star = star == 0 || star < name.size() - 1;
    const bool loopback = name == "lo" || (star < name.size() && std::string_view("lo").starts_with(name.substr(0, star)));
    if (name.empty() || name.size() > longest || odd || odd_star || loopback)
        n.fail("expected the name of an interface, such as build0, or how names begin, such as br-*, found '" +
               escape_line(name) + "'");
    return name;
}

/// "*" alone: all but lo.
void read_interfaces(const node& n, serve_settings& out)
{
    std::size_t count = 0;
    n.each([&](const node& each) {
        ++count;
        if (each.text() == "*")
            out.all_interfaces = true;
        else
            out.interfaces.push_back(read_interface(each));
    });
    if (count == 0) n.fail("expected names, or \"*\" for all interfaces, the uplink too");
    if (out.all_interfaces && count != 1) n.fail("\"*\" stands for all interfaces: expected it alone, or names");
}

std::uint32_t read_mark(const node& n)
{
    const auto text = n.text();
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    const char* begin = text.data() + (hex ? 2 : 0);
    const char* end = text.data() + text.size();
    std::uint32_t value = 0;
    const auto [stop, ec] = std::from_chars(begin, end, value, hex ? 16 : 10);
    // The last bit tells what is sent in another server's name (see capture_rules): neither of the two may be no mark at all.
    if (ec != std::errc() || stop != end || value < 2)
        n.fail("expected a packet mark of 2 or more, such as 0xC0FFE, found '" + escape_line(text) + "'");
    return value;
}

std::string read_path(const node& n)
{
    auto path = n.text();
    if (!path.starts_with('/')) n.fail("expected an absolute path, found '" + escape_line(path) + "'");
    return path;
}

void check_ports(const node& n, const serve_settings& s)
{
    if (s.listen_port == s.dns_port) n.fail("listen_port and dns_port must be two ports");
    for (const auto& [name, other] : {std::pair{"metrics", s.metrics}, std::pair{"proxy", s.proxy}}) {
        if (other && (other->port == s.listen_port || other->port == s.dns_port))
            n.fail(std::string(name) + " needs a port of its own");
    }
    if (s.metrics && s.proxy && s.metrics->port == s.proxy->port) n.fail("metrics and proxy must be two ports");
}

void check_marks(const node& n, const serve_settings& s)
{
    if (s.first_job_mark > std::uint32_t(-1) - job_mark_count)
        n.fail("first_job_mark: there must be 1048576 marks from there on");
    for (const auto own : {s.mark, s.mark ^ 1U}) {
        if (own >= s.first_job_mark && own - s.first_job_mark < job_mark_count)
            n.fail("mark is one of the 1048576 from first_job_mark on");
    }
}

} // namespace

const char* to_string(intercept_mode how) noexcept
{
    return how == intercept_mode::router ? "router" : "local";
}

ip_endpoint read_endpoint(const node& n, const std::string& expected)
{
    const auto text = n.text();
    const auto colon = text.rfind(':');
    if (colon != std::string::npos) {
        auto host = text.substr(0, colon);
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        const auto address = ip_address::parse(host);
        std::uint16_t port = 0;
        const char* end = text.data() + text.size();
        const auto [stop, ec] = std::from_chars(text.data() + colon + 1, end, port);
        if (address && ec == std::errc() && stop == end && port != 0) return {*address, port};
    }
    n.fail(expected + ", found '" + escape_line(text) + "'");
}

void read_intercept(const node& n, serve_settings& out)
{
    out.intercept = static_cast<intercept_mode>(n.one_of({"router", "local"}));
}

void read_default_job(const node& n, serve_settings& out)
{
    n.one_of({"none"});
    out.default_job = false;
}

std::vector<std::uint16_t> own_ports(const serve_settings& read)
{
    std::vector<std::uint16_t> out{read.listen_port, read.dns_port};
    for (const auto& each : {read.metrics, read.proxy})
        if (each) out.push_back(each->port);
    return out;
}

void read_serve(const node& n, serve_settings& out)
{
    n.mapping({
        {"listen_port", [&](const node& v) { out.listen_port = read_port(v); }},
        {"dns_port", [&](const node& v) { out.dns_port = read_port(v); }},
        {"interfaces", [&](const node& v) { read_interfaces(v, out); }},
        {"inbound", [&](const node& v) { v.each([&](const node& i) { out.inbound.push_back(read_port(i)); }); }},
        {"mark", [&](const node& v) { out.mark = read_mark(v); }},
        {"first_job_mark", [&](const node& v) { out.first_job_mark = read_mark(v); }},
        {"first_queue", [&](const node& v) { out.first_queue = static_cast<std::uint16_t>(v.count(0, 65519)); }},
        {"log_group", [&](const node& v) { out.log_group = static_cast<std::uint16_t>(v.count(0, 65535)); }},
        {"ca_dir", [&](const node& v) { out.ca_dir = read_path(v); }},
        {"control", [&](const node& v) { out.control = read_path(v); }},
        {"control_group", [&](const node& v) { out.control_group = v.text(); }},
        {"audit_dir", [&](const node& v) { out.audit_dir = read_path(v); }},
        {"max_jobs", [&](const node& v) { out.max_jobs = v.count(1, 65536); }},
        {"max_control_groups", [&](const node& v) { out.max_control_groups = v.count(1, 512); }},
        {"max_connections", [&](const node& v) { out.max_connections = v.count(1, 10'000'000); }},
        {"ruleset_check", [&](const node& v) { out.ruleset_check = v.duration(100ms, 1h); }},
        {"drain", [&](const node& v) { out.drain = v.duration(0ms, 10min); }},
        {"user", [&](const node& v) { out.user = v.text(); }},
        {"metrics", [&](const node& v) { out.metrics = read_endpoint(v); }},
        {"proxy", [&](const node& v) { out.proxy = read_endpoint(v); }},
    });
    check_ports(n, out);
    check_marks(n, out);
}

} // namespace cofferdam::config
