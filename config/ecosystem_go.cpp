#include "config/ecosystem_readers.hpp"
#include "config/ini.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace cofferdam::config {
namespace {

namespace json = boost::json;

/// GOPROXY and GOSUMDB. The client's word first: it knows its default and its own settings file.
std::map<std::string, found_text> go_settings(const surroundings& here)
{
    std::map<std::string, found_text> out;
    for (const auto* name : {"GOPROXY", "GOSUMDB"}) {
        if (const auto value = here.variable(name); !value.empty()) out.emplace(name, found_text{value, name});
    }
    // GOTOOLCHAIN: the question must not make go download another go.
    const auto said = ask_client(here, "go", {"env", "-json", "GOPROXY", "GOSUMDB"}, {{"GOTOOLCHAIN", "local"}});
    boost::system::error_code failed;
    const auto answer = said && said->status == 0 ? json::parse(said->output, failed) : json::value();
    if (!failed && answer.is_object()) {
        for (const auto& [key, value] : answer.get_object()) {
            if (!value.is_string()) continue;
            out.emplace(std::string(key), found_text{std::string(value.get_string()), std::string(key) + " as go reports it"});
        }
        return out;
    }
    const auto given = here.variable("GOENV");
    const auto file = given.empty() ? here.home / ".config/go/env" : std::filesystem::path(given);
    const auto text = given == "off" ? std::nullopt : read_if_there(file);
    for (const auto& row : parse_ini(text.value_or(""), ini_dialect::python)) {
        out.emplace(row.key, found_text{row.value, file.string() + ':' + std::to_string(row.line)});
    }
    return out;
}

} // namespace

bool add_go_proxies(std::string_view proxies, const std::string& source, entry_list& into)
{
    bool known = false;
    while (!proxies.empty()) {
        const auto end = std::min(proxies.find_first_of(",|"), proxies.size());
        const std::string proxy(proxies.substr(0, end));
        proxies.remove_prefix(std::min(end + 1, proxies.size()));
        if (proxy == "off") return true; // nothing behind it is tried
        if (proxy == "direct" || proxy.empty()) continue;
        if (proxy.starts_with("file://"))
            known = true;
        else if (into.add("GET,HEAD", {proxy, source}))
            known = true;
        else
            into.fail(source, "'" + proxy + "' is not a proxy's URL, 'direct' or 'off'");
    }
    return known;
}

void add_go_sumdb(std::string_view sumdb, const std::string& source, entry_list& into)
{
    const auto space = std::min(sumdb.find(' '), sumdb.size());
    const auto name = sumdb.substr(0, std::min(sumdb.find_first_of("+ "), sumdb.size()));
    const auto url = space < sumdb.size() ? sumdb.substr(sumdb.find_last_of(' ') + 1) : std::string_view();
    if (name.empty() || name == "off") return;
    into.add("GET,HEAD", {url.empty() ? "https://" + std::string(name) : std::string(url), source});
}

std::vector<policy::entry_source> read_go(const surroundings& here)
{
    entry_list out("go");
    const auto settings = go_settings(here);
    const auto proxies = settings.find("GOPROXY");
    if (proxies == settings.end()) {
        out.fail("", "go is not installed (or did not answer), and neither GOPROXY nor go's env file names a proxy; "
                     "set GOPROXY, or write the proxy's URL under 'allow'");
    }
    if (!add_go_proxies(proxies->second.value, proxies->second.source, out)) {
        out.fail(proxies->second.source,
                 "GOPROXY is '" + proxies->second.value +
                     "': modules come from their own hosts; write these under 'allow', as 'https://NAME/'");
    }
    const auto sumdb = settings.find("GOSUMDB");
    if (sumdb != settings.end()) add_go_sumdb(sumdb->second.value, sumdb->second.source, out);
    return out.take();
}

} // namespace cofferdam::config
