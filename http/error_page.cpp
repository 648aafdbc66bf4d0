#include "http/error_page.hpp"

#include "core/text.hpp"
#include "http/forward.hpp"
#include "http/grammar.hpp"

#include <vector>

namespace cofferdam::http {
namespace {

constexpr std::size_t max_shown = 2048; // of one untrusted string, before escaping

struct line {
    std::string_view key, label;
    std::string text; // one printable line
};

std::string shown(std::string_view untrusted)
{
    if (untrusted.size() <= max_shown) return escape_line(untrusted);
    return escape_line(untrusted.substr(0, max_shown)) + "...";
}

std::string_view headline(reason why) noexcept
{
    return is_refusal(why) ? "Cofferdam refused this request." : "Cofferdam could not serve this request.";
}

std::vector<line> describe_lines(const refusal& what)
{
    std::vector<line> out;
    if (!what.method.empty()) out.push_back({"method", "", shown(what.method)});
    if (!what.url.empty()) out.push_back({"url", "", shown(what.url)});
    out.push_back({"reason", "reason", std::string(to_string(what.why))});
    out.push_back({"message", "because", std::string(describe(what.why))});
    if (!what.detail.empty()) out.push_back({"detail", "detail", shown(what.detail)});
    if (!what.rule.empty()) out.push_back({"rule", "rule", shown(what.rule)});
    if (!what.hint.empty()) out.push_back({"hint", "to allow it, add this line to the policy's allow list", shown(what.hint)});
    if (!what.job.empty()) out.push_back({"job", "job", shown(what.job)});
    return out;
}

/// "METHOD URL", whichever is known.
std::string subject(const std::vector<line>& lines)
{
    std::string out;
    for (const line& l : lines) {
        if (!l.label.empty()) continue;
        if (!out.empty()) out += ' ';
        out += l.text;
    }
    return out;
}

/// For text that escape_line made: UTF-8 without control characters, so only two characters are left to escape.
std::string escape_json(std::string_view text)
{
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

std::string render_text(const refusal& what)
{
    const auto lines = describe_lines(what);
    std::string out(headline(what.why));
    out += "\n\n";
    const auto about = subject(lines);
    if (!about.empty()) out += "  " + about + "\n";
    for (const line& l : lines) {
        if (l.label.empty()) continue;
        out += "  ";
        out += l.label;
        out += ": " + l.text + "\n";
    }
    return out;
}

std::string render_json(const refusal& what, unsigned status)
{
    std::string out = "{\"error\":\"";
    out += escape_json(headline(what.why));
    out += "\",\"status\":" + std::to_string(status);
    for (const line& l : describe_lines(what)) {
        out += ",\"";
        out += l.key;
        out += "\":\"" + escape_json(l.text) + '"';
    }
    out += "}\n";
    return out;
}

std::string render_html(const refusal& what, unsigned status)
{
    const auto lines = describe_lines(what);
    const std::string title = std::to_string(status) + ' ' + std::string(reason_phrase(status));
    std::string out = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>" + title + "</title>\n<h1>" + title + "</h1>\n<p>";
    out += escape_html(headline(what.why));
    out += "</p>\n<p><code>" + escape_html(subject(lines)) + "</code></p>\n<dl>\n";
    for (const line& l : lines) {
        if (l.label.empty()) continue;
        out += "<dt>" + escape_html(l.label) + "</dt><dd><code>" + escape_html(l.text) + "</code></dd>\n";
    }
    out += "</dl>\n";
    return out;
}

std::string render(const refusal& what, media kind, unsigned status)
{
    switch (kind) {
    case media::json: return render_json(what, status);
    case media::html: return render_html(what, status);
    case media::text: break;
    }
    return render_text(what);
}

/// "q=0.8" in thousandths; -1 if it is no quality value.
int parse_quality(std::string_view text) noexcept
{
    if (text.size() < 3 || to_lower(text[0]) != 'q' || text[1] != '=' || (text[2] != '0' && text[2] != '1')) return -1;
    int value = (text[2] - '0') * 1000;
    if (text.size() == 3) return value;
    if (text[3] != '.' || text.size() > 7) return -1;
    int weight = 100;
    for (const char c : text.substr(4)) {
        if (!is_in(c, char_class::digit)) return -1;
        value += weight * (c - '0');
        weight /= 10;
    }
    return value;
}

struct media_range {
    std::string_view type;
    int quality = 1000;
};

media_range parse_range(std::string_view element) noexcept
{
    media_range out;
    std::size_t end = element.find(';');
    out.type = trim_ows(element.substr(0, end));
    while (end != std::string_view::npos) {
        element.remove_prefix(end + 1);
        end = element.find(';');
        const int quality = parse_quality(trim_ows(element.substr(0, end)));
        if (quality >= 0) out.quality = quality;
    }
    return out;
}

bool is_json(std::string_view type) noexcept
{
    constexpr std::string_view tree = "application/", suffix = "+json";
    if (equals_ignoring_case(type, "application/json")) return true;
    return type.size() > tree.size() + suffix.size() && equals_ignoring_case(type.substr(0, tree.size()), tree) &&
           equals_ignoring_case(type.substr(type.size() - suffix.size()), suffix);
}

} // namespace

media preferred_media(std::string_view accept) noexcept
{
    media best = media::text;
    int best_quality = 0;
    for (std::string_view element; next_element(accept, element);) {
        const auto [type, quality] = parse_range(element);
        if (quality <= best_quality) continue;
        if (is_json(type))
            best = media::json;
        else if (equals_ignoring_case(type, "text/html"))
            best = media::html;
        else if (equals_ignoring_case(type, "text/plain"))
            best = media::text;
        else
            continue;
        best_quality = quality;
    }
    return best;
}

std::string_view content_type(media kind) noexcept
{
    switch (kind) {
    case media::json: return "application/json";
    case media::html: return "text/html; charset=utf-8";
    case media::text: break;
    }
    return "text/plain; charset=utf-8";
}

unsigned status_for(reason why) noexcept
{
    switch (why) {
    case reason::malformed_request:
    case reason::ambiguous_request:
    case reason::malformed_name: return 400;
    case reason::host_mismatch: return 421;
    case reason::too_large: return 431;
    case reason::client_timed_out: return 408;
    case reason::upstream_timed_out: return 504;
    case reason::overload:
    case reason::audit_failed:
    case reason::shutting_down: return 503;
    case reason::internal_error: return 500;
    default: return is_refusal(why) ? 403 : 502;
    }
}

std::string render_refusal(const refusal& what, std::string_view accept)
{
    return render(what, preferred_media(accept), what.status != 0 ? what.status : status_for(what.why));
}

void write_refusal(std::string& out, const refusal& what, const refusal_options& options)
{
    const media kind = preferred_media(options.accept);
    forward_response head;
    head.status = what.status != 0 ? what.status : status_for(what.why);
    const auto body = render(what, kind, head.status);
    head.fields = {{"Content-Type", content_type(kind)},
                   {"Cache-Control", "no-store"},
                   {"X-Content-Type-Options", "nosniff"},
                   {"X-Cofferdam-Reason", to_string(what.why)}};
    head.body = options.head_only ? body_kind::none : body_kind::length;
    head.content_length = body.size();
    head.close = options.close;
    head.announce_keep_alive = !options.close && options.keep_alive_1_0;
    write_response_head(out, head);
    if (!options.head_only) out += body;
}

} // namespace cofferdam::http
