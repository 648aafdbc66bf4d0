#include "config/ecosystem_readers.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <sstream>

namespace cofferdam::config {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_source_files = 1000; ///< of sources.list.d

/// Where apt looks, and whether it would use a proxy.
struct apt_places {
    fs::path list, parts;
    bool proxied = false;
};

/// The value of NAME='...' in apt-config's output; it quotes for a shell, and none of these has a quote in it.
std::string shell_value(const std::string& text, const std::string& name)
{
    const auto start = text.find(name + "='");
    if (start == std::string::npos) return {};
    const auto from = start + name.size() + 2;
    return text.substr(from, text.find('\'', from) - from);
}

apt_places places_of(const surroundings& here)
{
    apt_places out{here.system / "etc/apt/sources.list", here.system / "etc/apt/sources.list.d", false};
    const std::vector<std::string> question{"shell",
                                            "LIST",
                                            "Dir::Etc::sourcelist/f",
                                            "PARTS",
                                            "Dir::Etc::sourceparts/d",
                                            "PLAIN",
                                            "Acquire::http::Proxy",
                                            "TLS",
                                            "Acquire::https::Proxy"};
    const auto said = ask_client(here, "apt-config", question);
    if (said && said->status == 0) {
        const auto list = shell_value(said->output, "LIST");
        const auto parts = shell_value(said->output, "PARTS");
        if (!list.empty()) out.list = list;
        if (!parts.empty()) out.parts = parts;
        out.proxied = !shell_value(said->output, "PLAIN").empty() || !shell_value(said->output, "TLS").empty();
    }
    return out;
}

std::vector<fs::path> source_files(const apt_places& places)
{
    std::vector<fs::path> out;
    std::error_code failed;
    for (fs::directory_iterator at(places.parts, failed), end; !failed && at != end; at.increment(failed)) {
        const auto extension = at->path().extension();
        if ((extension == ".list" || extension == ".sources") && out.size() < max_source_files) out.push_back(at->path());
    }
    std::sort(out.begin(), out.end());
    out.insert(out.begin(), places.list);
    return out;
}

/// "mirror+https://..." and "mirror://..." fetch a list first; "mirror+file:" reads one, whose mirrors are returned.
void add_uri(const found_text& uri, const std::string& note, entry_list& out)
{
    auto url = uri.value;
    url.resize(std::min(url.find("$("), url.size())); // "$(ARCH)" and the like
    if (url.size() < uri.value.size()) url.resize(url.rfind('/') + 1);
    const std::string source = uri.source + note;
    if (url.starts_with("mirror+file:")) {
        auto file = url.substr(std::string("mirror+file:").size());
        if (file.starts_with("//")) file.erase(0, 2);
        const auto text = read_if_there(file);
        std::istringstream lines(text.value_or(""));
        int number = 0;
        for (std::string line; std::getline(lines, line);) {
            ++number;
            const auto mirror = line.substr(0, line.find_first_of(" \t#"));
            out.add("GET,HEAD", {mirror, file + ':' + std::to_string(number) + note});
        }
        return;
    }
    const bool mirror_list = url.starts_with("mirror");
    if (url.starts_with("mirror://"))
        url = "http://" + url.substr(9);
    else if (url.starts_with("mirror+"))
        url = url.substr(7);
    if (mirror_list) {
        auto list = plain_url(url, reach::prefix).value_or("");
        if (!list.empty()) list.pop_back(); // the list itself rather than what is below it
        if (!list.empty()) out.add_entry("GET,HEAD " + list, source + ", the list alone: write its mirrors under 'allow'");
        return;
    }
    out.add("GET,HEAD", {url, source}); // false for cdrom:, file:, copy:, ssh:
}

/// As apt's StringToBool reads it.
bool is_no(const std::string& lower)
{
    return lower == "no" || lower == "false" || lower == "off" || lower == "without" || lower == "disable" || lower == "0";
}

std::vector<std::string> words(const std::string& text)
{
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string word; in >> word;) out.push_back(word);
    return out;
}

} // namespace

std::vector<found_text> apt_list_uris(std::string_view text, const std::string& file)
{
    std::vector<found_text> out;
    std::istringstream lines{std::string(text)};
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        line.resize(std::min(line.find('#'), line.size()));
        const auto parts = words(line);
        if (parts.empty() || (parts[0] != "deb" && parts[0] != "deb-src")) continue;
        std::size_t at = 1;
        if (at < parts.size() && parts[at].starts_with('[')) {
            while (at < parts.size() && !parts[at].ends_with(']')) ++at;
            ++at;
        }
        if (at < parts.size()) out.push_back({parts[at], file + ':' + std::to_string(number)});
    }
    return out;
}

std::vector<found_text> apt_deb822_uris(std::string_view text, const std::string& file)
{
    std::vector<found_text> out, stanza;
    bool enabled = true, in_uris = false;
    const auto end_stanza = [&] {
        if (enabled) std::move(stanza.begin(), stanza.end(), std::back_inserter(out));
        stanza.clear();
        enabled = true;
        in_uris = false;
    };
    std::istringstream lines{std::string(text)};
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        if (line.starts_with('#')) continue;
        if (line.find_first_not_of(" \t\r") == std::string::npos) {
            end_stanza();
            continue;
        }
        std::string value = line;
        if (line.front() != ' ' && line.front() != '\t') {
            const auto colon = std::min(line.find(':'), line.size());
            const auto field = to_lower(line.substr(0, colon));
            value = colon < line.size() ? line.substr(colon + 1) : std::string();
            in_uris = field == "uris";
            const auto flag = field == "enabled" ? words(to_lower(value)) : std::vector<std::string>();
            if (!flag.empty()) enabled = !is_no(flag[0]);
        }
        if (!in_uris) continue;
        for (auto& word : words(value)) stanza.push_back({std::move(word), file + ':' + std::to_string(number)});
    }
    end_stanza();
    return out;
}

std::vector<policy::entry_source> read_apt(const surroundings& here)
{
    entry_list out("apt");
    const auto places = places_of(here);
    const std::string note = places.proxied ? ", Acquire::*::Proxy not followed" : "";
    std::size_t sources = 0;
    for (const auto& file : source_files(places)) {
        const auto text = read_if_there(file);
        if (!text) continue;
        const bool stanzas = file.extension() == ".sources";
        for (const auto& uri : stanzas ? apt_deb822_uris(*text, file.string()) : apt_list_uris(*text, file.string())) {
            add_uri(uri, note, out);
            ++sources;
        }
    }
    if (sources == 0) out.fail(places.list.string(), "no package source is configured there nor in " + places.parts.string());
    return out.take();
}

} // namespace cofferdam::config
