#pragma once

#include "audit/record.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

namespace cofferdam::audit::sample {

inline constexpr auto instant = clock::time_point(std::chrono::nanoseconds(1'761'082'608'691'937'519)); // 2025-10-21T21:36:48Z

inline record base()
{
    record out;
    out.time = instant;
    out.duration = std::chrono::milliseconds(2);
    out.job = "d3rvps07p3qhrpga1990";
    out.source.address = {ip_address::v4({10, 0, 0, 2}), 40000};
    auto who = std::make_shared<process_identity>();
    who->pid = 57081;
    who->exe = "/usr/bin/curl";
    who->cmdline = {"curl", "http://localhost:8000/get"};
    who->uid = 1000;
    out.source.process = std::move(who);
    out.decision = {"allow", "allow", "http://localhost:8000/", "allowed_by_endpoint", "request", ""};
    return out;
}

inline record http(std::string authority = "localhost:8000", std::string path = "/get", std::string scheme = "http")
{
    auto out = base();
    http_fields f;
    f.method = "GET";
    f.url = scheme + "://" + authority + path;
    f.scheme = scheme;
    f.path = path;
    f.authority = std::move(authority);
    f.request_id = "d3rvps07p3qhrpga19ag";
    f.connection_id = "d3rvps07p3qhrpga199g";
    f.user_agent = "curl/8.10.1";
    f.response_content_type = "application/json";
    f.status = f.upstream_status = 200;
    f.bytes_sent = 81;
    f.bytes_received = 419;
    out.what = std::move(f);
    return out;
}

inline record denied_http(std::string authority, std::string path = "/", std::string scheme = "https")
{
    auto out = http(authority, path, scheme);
    out.decision = {"deny", "deny", "", "not_in_allow_list", "request", scheme + "://" + authority + "/"};
    auto& f = std::get<http_fields>(out.what);
    f.status = 403;
    f.upstream_status.reset();
    return out;
}

inline record dns(std::string name, bool denied)
{
    auto out = base();
    dns_fields f;
    f.qname = name;
    f.qtype = "A";
    f.transport = "udp";
    f.rcode = denied ? "REFUSED" : "NOERROR";
    if (!denied) f.answers = {"198.18.0.1"};
    out.what = std::move(f);
    if (denied) out.decision = {"deny", "deny", "", "not_in_allow_list", "name", "dns:" + name};
    return out;
}

inline record connection(std::string host, std::string destination, bool denied)
{
    auto out = base();
    connection_fields f;
    f.protocol = "tcp";
    f.host = std::move(host);
    f.destination = std::move(destination);
    f.close_reason = denied ? "not_in_allow_list" : "completed";
    f.bytes_sent = 10;
    f.bytes_received = 20;
    out.what = std::move(f);
    if (denied) out.decision = {"deny", "deny", "", "not_in_allow_list", "connection", "evil.example:22"};
    return out;
}

inline record job(std::string event)
{
    auto out = base();
    out.source = {};
    out.decision = {};
    job_fields f;
    f.event = std::move(event);
    f.mode = "enforce";
    f.command = {"make", "test"};
    f.version = "0.1.0";
    if (f.event == "end") f.exit_code = 0;
    out.what = std::move(f);
    return out;
}

/// A directory of its own, removed with everything in it.
class scratch {
public:
    scratch()
    {
        std::string name = (std::filesystem::temp_directory_path() / "cofferdam-audit-XXXXXX").string();
        if (!::mkdtemp(name.data())) std::abort();
        path_ = name;
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() { std::filesystem::remove_all(path_); }
    std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

inline std::string content(const std::string& path)
{
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

} // namespace cofferdam::audit::sample
