// Any record, whatever bytes its strings hold, is one line of ASCII that reads back to the same bytes with its chain whole,
// and only an http record's authority looks like one.
#include "audit/json.hpp"
#include "audit/log_reader.hpp"
#include "audit/redact.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace {

using namespace cofferdam;
using namespace cofferdam::audit;

struct source_bytes {
    std::string_view rest;
    std::string text()
    {
        if (rest.empty()) return {};
        const auto length = std::min<std::size_t>(static_cast<unsigned char>(rest[0]), rest.size() - 1);
        std::string out(rest.substr(1, length));
        rest.remove_prefix(1 + length);
        return out;
    }
};

void require(bool condition)
{
    if (!condition) std::abort();
}

bool space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/// Matches of "authority"\s*:\s*"[^"]+"
std::size_t authorities(std::string_view log)
{
    constexpr std::string_view key = "\"authority\"";
    std::size_t count = 0;
    for (auto at = log.find(key); at != std::string_view::npos; at = log.find(key, at + 1)) {
        auto i = at + key.size();
        while (i < log.size() && space(log[i])) ++i;
        if (i >= log.size() || log[i] != ':') continue;
        for (++i; i < log.size() && space(log[i]);) ++i;
        if (i + 1 < log.size() && log[i] == '"' && log[i + 1] != '"' && log.find('"', i + 1) != std::string_view::npos) ++count;
    }
    return count;
}

record build(unsigned char kind, source_bytes& from)
{
    record out;
    out.job = from.text();
    out.decision = {from.text(), from.text(), from.text(), from.text(), from.text(), from.text()};
    switch (kind % 5) {
    case 0: {
        http_fields f;
        f.method = from.text();
        f.url = from.text();
        f.path = from.text();
        f.authority = from.text();
        f.request_headers = {{from.text(), from.text()}, {from.text(), from.text()}};
        f.request_body = from.text();
        f.capture = (kind & 8U) != 0 ? "full" : "summary";
        out.what = f;
        break;
    }
    case 1: out.what = dns_fields{from.text(), from.text(), from.text(), from.text(), {from.text()}, {}, {}, 0, 0}; break;
    case 2: {
        connection_fields f;
        f.protocol = from.text();
        f.host = from.text();
        f.sni = from.text();
        out.what = f;
        break;
    }
    case 3: out.what = alert_fields{from.text(), from.text()}; break;
    default: out.what = job_fields{from.text(), from.text(), {}, {}, {from.text(), from.text()}, {}, {}, 0, 0, {}, {}}; break;
    }
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size)
{
    if (size < 1) return 0;
    source_bytes from{as_text({input + 1, size - 1})};
    const auto entry = build(input[0], from);
    line_encoder encoder{settings{}};
    std::string log;
    encoder.append(entry, log);
    require(log.back() == '\n');
    require(std::all_of(log.begin(), log.end() - 1, [](char c) { return c >= 0x20 && c < 0x7F; }));
    const auto* http = std::get_if<http_fields>(&entry.what);
    require(authorities(log) <= (http ? 1U : 0U));
    if (http && !http->authority.empty()) require(authorities(log) == 1);

    std::istringstream in(log);
    log_reader reader(in);
    const auto back = reader.next();
    require(back.has_value() && back->seq == 1 && back->chain == chain_checker::verdict::whole);
    require(back->entry.job == entry.job);
    if (!entry.decision.action.empty()) require(back->entry.decision.hint == entry.decision.hint);
    if (http) {
        const auto& read = std::get<http_fields>(back->entry.what);
        require(read.method == http->method && read.path == http->path && read.url == redact_userinfo(http->url));
        if (!http->authority.empty()) require(read.authority == redact_authority(http->authority));
    }
    if (const auto* dns = std::get_if<dns_fields>(&entry.what)) {
        const auto& read = std::get<dns_fields>(back->entry.what);
        require(read.qname == dns->qname && read.answers == dns->answers);
    }
    return 0;
}
