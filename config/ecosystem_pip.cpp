#include "config/ecosystem_readers.hpp"
#include "config/ini.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace cofferdam::config {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view own_files = ", its files expected on the same origin";

/// What pip uses where nothing is configured.
struct pip_default {
    std::string index;
    std::string files_host; ///< empty if pip doesn't say
};

std::vector<std::string> words(const std::string& text)
{
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string word; in >> word;) out.push_back(word);
    return out;
}

/// pip's own spelling of an option: "--Index_URL" is "index-url".
std::string option_name(std::string_view key)
{
    auto out = to_lower(key);
    std::replace(out.begin(), out.end(), '_', '-');
    return out.starts_with("--") ? out.substr(2) : out;
}

bool is_true(const std::string& text)
{
    const auto lower = to_lower(text);
    return lower == "1" || lower == "true" || lower == "yes" || lower == "on" || lower == "y" || lower == "t";
}

void merge_option(const std::string& section, const std::string& option, const found_text& said, pip_settings& into)
{
    if (option == "index-url" || option == "pypi-url") into.index[section] = said;
    if (option == "no-index") into.no_index = is_true(said.value);
    auto* list = option == "extra-index-url" ? &into.extra_index : option == "find-links" ? &into.find_links : nullptr;
    if (list == nullptr) return;
    for (auto& word : words(said.value)) list->push_back({std::move(word), said.source});
}

void merge_file(const fs::path& file, pip_settings& into)
{
    if (const auto text = read_if_there(file)) merge_pip_conf(*text, file.string(), into);
}

/// The files that pip reads, the weakest first (pip's `Configuration`): global, the user's, the environment's, PIP_CONFIG_FILE.
void merge_files(const surroundings& here, pip_settings& into)
{
    const auto given = here.variable("PIP_CONFIG_FILE");
    if (given == "/dev/null") return; // pip: no files at all
    auto folders = here.variable("XDG_CONFIG_DIRS");
    if (folders.empty()) folders = (here.system / "etc/xdg").string();
    std::replace(folders.begin(), folders.end(), ':', ' ');
    for (const auto& folder : words(folders)) merge_file(fs::path(folder) / "pip/pip.conf", into);
    merge_file(here.system / "etc/pip.conf", into);
    if (!here.home.empty()) {
        const auto configured = here.variable("XDG_CONFIG_HOME");
        merge_file(here.home / ".pip/pip.conf", into);
        merge_file((configured.empty() ? here.home / ".config" : fs::path(configured)) / "pip/pip.conf", into);
    }
    const auto environment = here.variable("VIRTUAL_ENV");
    if (!environment.empty()) merge_file(fs::path(environment) / "pip.conf", into);
    if (!given.empty()) merge_file(here.expand_home(given), into);
}

void merge_variables(const surroundings& here, pip_settings& into)
{
    for (const auto& [name, value] : here.environment) {
        if (!name.starts_with("PIP_") || value.empty()) continue;
        const auto option = option_name(name.substr(4));
        if (option == "index-url") into.index.clear(); // a variable overrides every section
        merge_option("global", option, {value, name}, into);
    }
}

/// First from pip's own model, which knows the host of the files too, then from its help text.
std::optional<pip_default> ask_pip(const surroundings& here)
{
    constexpr auto question = "from pip._internal.models.index import PyPI as index\n"
                              "print(index.simple_url, index.file_storage_domain)";
    const auto said = ask_client(here, "python3", {"-I", "-c", question}); // -I: no module of the job's shadows pip
    if (said && said->status == 0) {
        const auto lines = words(said->output);
        if (lines.size() == 2 && plain_url(lines[0], reach::prefix)) return pip_default{lines[0], lines[1]};
    }
    const auto help = ask_client(here, "pip", {"install", "--help"});
    if (!help || help->status != 0) return std::nullopt;
    const auto option = help->output.find("--index-url");
    const auto start = option == std::string::npos ? option : help->output.find("http", option);
    if (start == std::string::npos) return std::nullopt;
    const auto url = help->output.substr(start, help->output.find_first_of(") \r\n", start) - start);
    return plain_url(url, reach::prefix) ? std::optional(pip_default{url, {}}) : std::nullopt;
}

void add_index(const found_text& index, const std::optional<pip_default>& usual, entry_list& out)
{
    const bool is_usual =
        usual && !usual->files_host.empty() && plain_url(usual->index, reach::prefix) == plain_url(index.value, reach::prefix);
    if (is_usual) {
        out.add("GET,HEAD", index);
        out.add("GET,HEAD", {"https://" + usual->files_host + '/', index.source + ", its files as pip reports them"});
        return;
    }
    out.add("GET,HEAD", {index.value, index.source + std::string(own_files)}, reach::origin); // false: a local folder
}

/// A page of links, or a folder.
void add_links(const found_text& links, entry_list& out)
{
    auto url = links.value;
    const auto slash = url.rfind('/');
    if (url.ends_with(".html") || url.ends_with(".htm")) url.resize(slash + 1);
    out.add("GET,HEAD", {url, links.source});
}

} // namespace

void merge_pip_conf(std::string_view text, const std::string& file, pip_settings& into)
{
    constexpr std::array<std::string_view, 4> sections{"global", "install", "download", "wheel"};
    for (const auto& row : parse_ini(text, ini_dialect::python)) {
        const auto section = to_lower(row.section);
        if (row.value.empty() || std::find(sections.begin(), sections.end(), section) == sections.end()) continue;
        merge_option(section, option_name(row.key), {row.value, file + ':' + std::to_string(row.line)}, into);
    }
}

std::vector<policy::entry_source> read_pip(const surroundings& here)
{
    pip_settings settings;
    merge_files(here, settings);
    merge_variables(here, settings);
    entry_list out("pip");
    if (!settings.no_index) {
        const auto usual = ask_pip(here);
        if (!settings.index.contains("global") && !settings.index.contains("install")) {
            if (!usual) {
                out.fail("", "pip is not installed (or did not answer), and no pip.conf or PIP_INDEX_URL names an index; "
                             "write 'index-url = URL' below '[global]' into pip.conf, or the index's URL under 'allow'");
            }
            settings.index["global"] = {usual->index, "as pip reports it"};
        }
        for (const auto& [section, index] : settings.index) add_index(index, usual, out);
        for (const auto& index : settings.extra_index) add_index(index, usual, out);
    }
    for (const auto& links : settings.find_links) add_links(links, out);
    return out.take();
}

} // namespace cofferdam::config
