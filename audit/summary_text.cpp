#include "audit/summary.hpp"
#include "core/reason.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace cofferdam::audit {
namespace {

constexpr std::size_t host_width = 56;
constexpr std::size_t max_shown_bytes = 160;

std::string shown(std::string_view untrusted)
{
    auto out = escape_line(untrusted.substr(0, max_shown_bytes));
    if (untrusted.size() > max_shown_bytes) out += "...";
    return out;
}

/// At most host_width characters: of a long name both ends, which tell most.
std::string column(std::string name)
{
    constexpr std::string_view gap = "...";
    constexpr std::size_t tail = 24; // the registrable domain and the port
    if (name.size() > host_width) name.replace(host_width - tail - gap.size(), name.size() - host_width + gap.size(), gap);
    return name;
}

std::string counted(std::uint64_t n, std::string_view one, std::string_view many)
{
    return std::to_string(n) + ' ' + std::string(n == 1 ? one : many);
}

std::string left_out(std::uint64_t n)
{
    return n == 0 ? std::string() : "  ... and " + std::to_string(n) + " more\n";
}

class painter {
public:
    explicit painter(bool colour) noexcept : colour_(colour) {}
    std::string red(std::string text) const { return paint("31", std::move(text)); }
    std::string bold(std::string text) const { return paint("1", std::move(text)); }

private:
    std::string paint(const char* code, std::string text) const
    {
        if (!colour_) return text;
        return std::string("\x1b[").append(code).append("m").append(text).append("\x1b[0m");
    }
    bool colour_;
};

std::string headline(const summary& s, const painter& paint)
{
    std::string out =
        "cofferdam: " + counted(s.requests, "request", "requests") + " to " + counted(s.hosts.size(), "host", "hosts");
    if (s.connections != 0) out += ", " + counted(s.connections, "other connection", "other connections");
    out += ", " + human_bytes(s.bytes_received) + " received, " + human_bytes(s.bytes_sent) + " sent";
    if (s.denied != 0) out += "; " + paint.red(std::to_string(s.denied) + " refused");
    if (s.would_deny != 0) out += "; " + paint.red(std::to_string(s.would_deny) + " would be refused");
    if (s.alerts != 0) out += "; " + counted(s.alerts, "alert", "alerts");
    return out + '\n';
}

std::string host_table(const summary& s, const text_style& style, const painter& paint)
{
    std::string out;
    char row[256];
    const auto count = std::min(s.hosts.size(), style.max_hosts);
    std::size_t width = 4;
    for (std::size_t i = 0; i < count; ++i) width = std::max(width, column(shown(s.hosts[i].host)).size());
    const int columns = static_cast<int>(width);
    std::snprintf(row, sizeof row, "  %-*s %9s %9s %10s %8s", columns, "host", "requests", "sent", "received", "refused");
    if (count != 0) out += paint.bold(row) + '\n';
    for (std::size_t i = 0; i < count; ++i) {
        const auto& h = s.hosts[i];
        std::snprintf(row, sizeof row, " %9llu %9s %10s %8llu", static_cast<unsigned long long>(h.requests + h.connections),
                      human_bytes(h.bytes_sent).c_str(), human_bytes(h.bytes_received).c_str(),
                      static_cast<unsigned long long>(h.denied));
        auto name = column(shown(h.host));
        name.append(width - name.size(), ' ');
        out += "  " + name + row + '\n';
    }
    return out + left_out(s.hosts.size() - count + s.hosts_left_out);
}

std::string refusal_lines(const summary& s, bool enforced, const text_style& style, const painter& paint)
{
    std::string out;
    std::size_t lines = 0, rest = 0;
    for (const auto& r : s.refusals) {
        if (r.enforced != enforced) continue;
        if (lines == style.max_refusals) {
            ++rest;
            continue;
        }
        if (lines++ == 0) out += paint.red(enforced ? "refused:" : "would be refused in mode enforce:") + '\n';
        out += "  " + shown(r.subject);
        if (r.count > 1) out += " (" + std::to_string(r.count) + " times)";
        if (!r.program.empty()) out += " by " + shown(r.program);
        out += "\n    " + shown(explain(r)) + " [" + shown(r.reason) + ']';
        if (!r.rule.empty()) out += ", rule " + shown(r.rule);
        if (!r.hint.empty()) out += "\n    to allow it: " + shown(r.hint);
        out += '\n';
    }
    return out + left_out(rest + (enforced && lines != 0 ? s.refusals_left_out : 0));
}

} // namespace

std::string human_bytes(std::uint64_t count)
{
    static constexpr std::array units{"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    char buffer[32];
    if (count < 1000) {
        std::snprintf(buffer, sizeof buffer, "%u B", static_cast<unsigned>(count));
        return buffer;
    }
    auto value = static_cast<double>(count);
    std::size_t unit = 0;
    for (; value >= 999.95 && unit + 1 < units.size(); ++unit) value /= 1000;
    std::snprintf(buffer, sizeof buffer, "%.1f %s", value, units[unit]);
    return buffer;
}

std::string explain_reason(std::string_view token)
{
    for (int i = 0; i <= static_cast<int>(reason::internal_error); ++i) {
        const auto r = static_cast<reason>(i);
        if (to_string(r) == token) return std::string(describe(r));
    }
    return token.empty() ? "no reason recorded" : std::string(token);
}

std::string explain(const refusal& what)
{
    return explain_reason(what.reason) + (what.detail.empty() ? "" : ": " + what.detail);
}

std::string render_text(const summary& s, const text_style& style)
{
    const painter paint(style.colour);
    std::string out;
    if (s.quiet())
        out = "cofferdam: no network was used\n";
    else {
        out = headline(s, paint);
        out += host_table(s, style, paint);
        out += refusal_lines(s, true, style, paint);
        out += refusal_lines(s, false, style, paint);
    }
    std::size_t failures = 0;
    for (const auto& f : s.failures) {
        if (failures++ == 0) out += "failed:\n";
        out += "  " + shown(f.host) + ": " + shown(explain_reason(f.reason));
        if (!f.detail.empty()) out += " (" + shown(f.detail) + ')';
        if (f.count > 1) out += " (" + std::to_string(f.count) + " times)";
        out += '\n';
    }
    for (const auto& socket : s.allowed_sockets) out += "socket open to the job: " + shown(socket) + '\n';
    return out;
}

} // namespace cofferdam::audit
