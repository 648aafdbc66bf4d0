#include "policy/endpoint.hpp"

#include "core/text.hpp"
#include "core/zone.hpp"
#include "policy/name.hpp"
#include "policy/url.hpp"

#include <algorithm>

namespace cofferdam::policy {
namespace {

constexpr std::string_view forms = "an entry is 'https://NAME/', 'NAME:PORT', 'udp://NAME:PORT' or 'dns:NAME'";

std::string quoted(std::string_view text)
{
    return std::string("'").append(escape_line(text)).append("'");
}

constexpr bool is_space(char c) noexcept
{
    return c == ' ' || c == '\t';
}

/// Parses one line; keeps what its errors need.
class entry_parser {
public:
    explicit entry_parser(const entry_source& source) : source_(source), text_(source.text)
    {
        while (!text_.empty() && is_space(text_.front())) text_.remove_prefix(1);
        while (!text_.empty() && is_space(text_.back())) text_.remove_suffix(1);
        if (text_.empty()) fail(text_, "the entry is empty; " + std::string(forms));
        if (text_.size() > max_entry_length) {
            fail(text_, "the entry is longer than " + std::to_string(max_entry_length) + " octets");
        }
    }

    endpoint parse()
    {
        endpoint out;
        out.text = text_;
        const auto rest = take_methods(out);
        const auto separator = rest.find("://");
        if (separator != std::string_view::npos) {
            scheme(rest.substr(0, separator), rest.substr(separator + 3), out);
        }
        else if (rest.starts_with("dns:") && !parse_port(rest.substr(4))) { // "dns:53" is a host of that name
            out.kind = endpoint_kind::dns;
            out.where = name_pattern(rest.substr(4));
        }
        else {
            host_and_port(rest, out);
        }
        const bool is_wildcard =
            out.where.how == host_pattern::match::one_label || out.where.how == host_pattern::match::many_labels;
        if (source_.dns_bits && !is_wildcard)
            fail(text_, "dns_bits is for wildcards: the name of this entry may be resolved freely");
        out.dns_bits = source_.dns_bits;
        if (!out.methods.empty() && out.kind != endpoint_kind::url) {
            fail(text_, "methods need an 'http://' or 'https://' URL; without one the request is not judged");
        }
        return out;
    }

    [[noreturn]] void fail(std::string_view at, const std::string& message) const
    {
        location where = source_.where;
        if (where.column > 0) where.column += static_cast<int>(at.data() - source_.text.data());
        throw policy_error(std::move(where), message);
    }

private:
    std::string_view take_methods(endpoint& out) const
    {
        const auto space = std::find_if(text_.begin(), text_.end(), is_space);
        if (space == text_.end()) return text_;
        auto list = text_.substr(0, static_cast<std::size_t>(space - text_.begin()));
        auto rest = text_.substr(list.size());
        while (is_space(rest.front())) rest.remove_prefix(1);
        if (std::any_of(rest.begin(), rest.end(), is_space)) {
            fail(rest, "unexpected space in " + quoted(rest) +
                           "; methods are separated by commas alone, as in 'GET,HEAD https://NAME/'");
        }
        while (true) {
            const auto comma = std::min(list.find(','), list.size());
            out.methods.push_back(method(list.substr(0, comma)));
            if (comma == list.size()) break;
            list.remove_prefix(comma + 1);
        }
        std::sort(out.methods.begin(), out.methods.end());
        out.methods.erase(std::unique(out.methods.begin(), out.methods.end()), out.methods.end());
        if (out.methods.size() > max_entry_methods) fail(text_, "more than " + std::to_string(max_entry_methods) + " methods");
        return rest;
    }

    std::string method(std::string_view token) const
    {
        const auto allowed = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
        if (token.empty() || token.size() > 32 || !std::all_of(token.begin(), token.end(), allowed)) {
            fail(token, quoted(token) + " is not a method; methods are upper case, as in 'GET,HEAD https://NAME/'");
        }
        return std::string(token);
    }

    void scheme(std::string_view name, std::string_view rest, endpoint& out) const
    {
        if (name == "http" || name == "https") {
            out.kind = endpoint_kind::url;
            out.scheme = name;
            url(rest, out);
        }
        else if (name == "udp") {
            host_and_port(rest, out);
            out.kind = endpoint_kind::udp;
        }
        else if (name == "ws" || name == "wss") {
            fail(name,
                 "write a WebSocket as the URL of its handshake, '" + std::string(name == "ws" ? "http" : "https") + "://...'");
        }
        else {
            fail(name, "unknown scheme " + quoted(name) +
                           "; use 'http://', 'https://' or 'udp://', or 'NAME:PORT' for other protocols");
        }
    }

    void url(std::string_view rest, endpoint& out) const
    {
        const auto slash = std::min(rest.find_first_of("/?#"), rest.size());
        const auto authority = rest.substr(0, slash);
        if (authority.find('@') != std::string_view::npos) fail(authority, "an entry has no user name or password");
        const auto [host_text, port_text] = split_port(authority);
        out.where = pattern(host_text);
        out.port = port_text.data() == nullptr ? default_port(out.scheme) : port(port_text);
        out.path = prefix(rest.substr(slash));
    }

    std::string prefix(std::string_view text) const
    {
        if (text.empty()) return "/";
        const auto mark = text.find_first_of("?#");
        if (mark != std::string_view::npos) {
            fail(text.substr(mark), "an entry is a path prefix: it has no query and no fragment");
        }
        const auto target = canonical_target(text);
        if (!target) {
            fail(text, "the path " + quoted(text) +
                           " could be read in two ways (dot segments, backslashes, bad escapes); write it plainly");
        }
        if (text.find("//") != std::string_view::npos) fail(text, "the path has an empty segment ('//')");
        if (text.find("/*") != std::string_view::npos) {
            fail(text, "a path is a prefix and has no wildcards; end it in '/' to allow all below");
        }
        return target->path;
    }

    /// "host", "port text" (its data() is null if there is no port). Brackets stay with the host.
    std::pair<std::string_view, std::string_view> split_port(std::string_view text) const
    {
        std::size_t from = 0;
        if (text.starts_with('[')) {
            from = text.find(']');
            if (from == std::string_view::npos) fail(text, "']' is missing after the IPv6 address");
            if (from + 1 < text.size() && text[from + 1] != ':') fail(text.substr(from + 1), "expected ':PORT' after ']'");
        }
        const auto colon = text.find(':', from);
        if (colon == std::string_view::npos) return {text, {}};
        if (text.find(':', colon + 1) != std::string_view::npos) {
            fail(text, quoted(text) + ": an IPv6 address is written in brackets, as in '[2001:db8::1]:443'");
        }
        return {text.substr(0, colon), text.substr(colon + 1)};
    }

    void host_and_port(std::string_view rest, endpoint& out) const
    {
        out.kind = endpoint_kind::any;
        const auto [host_text, port_text] = split_port(rest);
        if (port_text.data() == nullptr) fail(rest, "a port is missing" + suggestion(host_text));
        out.where = pattern(host_text);
        out.port = port(port_text);
    }

    /// The forms that a bare name may have meant.
    static std::string suggestion(std::string_view host_text)
    {
        const auto slash = host_text.find('/');
        if (slash != std::string_view::npos && !ip_prefix::parse(host_text)) {
            return ": write 'https://" + escape_line(host_text) + "' for a URL";
        }
        const auto name = escape_line(host_text);
        std::string out = ": write 'https://" + name + "/' for HTTPS, '" + name + ":PORT' for any protocol";
        if (!ip_prefix::parse(host_text) && !host_text.starts_with('[')) out += ", 'dns:" + name + "' to resolve the name only";
        return out;
    }

    std::uint16_t port(std::string_view text) const
    {
        if (text == "*") fail(text, "a port is a number from 1 to 65535; there is no wildcard for ports");
        const auto slash = text.find('/');
        if (slash != std::string_view::npos && parse_port(text.substr(0, slash))) {
            fail(text.substr(slash), "a path needs a URL: write 'https://' in front");
        }
        const auto value = parse_port(text);
        if (!value) fail(text, quoted(text) + " is not a port; expected a number from 1 to 65535");
        return *value;
    }

    host_pattern pattern(std::string_view text) const
    {
        if (text.empty()) fail(text, "the host is missing");
        if (text.starts_with('[')) {
            if (!text.ends_with(']')) fail(text, "']' is missing after the IPv6 address");
            const auto inner = text.substr(1, text.size() - 2);
            if (inner.find(':') == std::string_view::npos) fail(inner, "only IPv6 addresses are written in brackets");
            return address_pattern(inner);
        }
        if (text.find('/') != std::string_view::npos || ip_address::parse(text)) return address_pattern(text);
        return name_pattern(text);
    }

    host_pattern address_pattern(std::string_view text) const
    {
        const auto range = ip_prefix::parse(text);
        if (!range) {
            fail(text, quoted(text) +
                           " is not an address or a range; expected '192.0.2.1', '10.20.0.0/16' (no host bits), '[2001:db8::1]'");
        }
        // Destinations are judged as the IPv4 address inside them, so such an entry would match nothing or too much.
        const bool embeds_v4 = range->network().unmapped() != range->network();
        if (embeds_v4)
            fail(text,
                 quoted(text) + " holds an IPv4 address; write that one: '" + range->network().unmapped().to_string() + "'");
        return {host_pattern::match::address, {}, *range};
    }

    host_pattern name_pattern(std::string_view text) const
    {
        host_pattern out;
        auto base = text;
        if (text.starts_with("**.")) {
            out.how = host_pattern::match::many_labels;
            base.remove_prefix(3);
        }
        else if (text.starts_with("*.")) {
            out.how = host_pattern::match::one_label;
            base.remove_prefix(2);
        }
        if (base.find('*') != std::string_view::npos) {
            fail(text,
                 quoted(text) + ": a wildcard is the whole leftmost label, '*.NAME' (one label) or '**.NAME' (one or more)");
        }
        if (ip_address::parse(base)) fail(text, quoted(text) + " is an address where a name is expected");
        auto name = canonical_name(base);
        if (!name) {
            fail(text, quoted(text) + " is not a host name" +
                           (name.error() == errc::ambiguous ? ": its end could be read as an address" : ""));
        }
        out.name = std::move(*name);
        if (out.how != host_pattern::match::exact && is_shared_suffix(out.name)) {
            fail(text, quoted(text) + " would allow names that anybody can register ('" + out.name +
                           "' is a public suffix, or gives names away); name the domain, as in '" +
                           (out.how == host_pattern::match::one_label ? "*.NAME." : "**.NAME.") + out.name + "'");
        }
        return out;
    }

    const entry_source& source_;
    std::string_view text_;
};

} // namespace

bool host_pattern::matches_name(std::string_view canonical) const noexcept
{
    if (how == match::address) return false;
    if (how == match::exact) return canonical == name;
    if (canonical.size() < name.size() + 2 || !canonical.ends_with(name)) return false;
    const auto front = canonical.substr(0, canonical.size() - name.size());
    if (!front.ends_with('.')) return false;
    return how == match::many_labels || front.find('.') == front.size() - 1;
}

std::string host_pattern::to_string() const
{
    switch (how) {
    case match::exact: return name;
    case match::one_label: return "*." + name;
    case match::many_labels: return "**." + name;
    case match::address: break;
    }
    return range.to_string();
}

bool covers_path(std::string_view prefix, std::string_view path) noexcept
{
    if (path == "*") return prefix == "/";
    if (!path.starts_with(prefix)) return false;
    return prefix.ends_with('/') || path.size() == prefix.size() || path[prefix.size()] == '/';
}

bool endpoint::matches_path(std::string_view canonical_path) const noexcept
{
    return covers_path(path, canonical_path);
}

std::uint16_t default_port(std::string_view scheme) noexcept
{
    if (scheme == "https") return 443;
    return scheme == "http" ? std::uint16_t{80} : std::uint16_t{0};
}

endpoint parse_endpoint(const entry_source& source)
{
    return entry_parser(source).parse();
}

endpoint parse_passthrough(const entry_source& source)
{
    const entry_parser parser(source);
    auto out = entry_parser(source).parse();
    if (out.kind != endpoint_kind::any || out.where.how == host_pattern::match::address) {
        parser.fail(source.text, "expected 'NAME:PORT': what is passed through unopened is judged by its name alone");
    }
    return out;
}

} // namespace cofferdam::policy
