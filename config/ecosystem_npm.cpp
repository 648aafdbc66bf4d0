#include "config/document.hpp"
#include "config/ecosystem_readers.hpp"
#include "config/ini.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace cofferdam::config {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t max_lock_depth = 128; ///< of nested JSON values; old lock files nest their dependencies

/// "registry" is "", "@acme:registry" is "@acme"; nothing for other keys.
std::optional<std::string> scope_of(std::string_view key)
{
    if (key == "registry") return std::string();
    constexpr std::string_view suffix = ":registry";
    if (key.starts_with('@') && key.ends_with(suffix)) return std::string(key.substr(0, key.size() - suffix.size()));
    return std::nullopt;
}

/// npm_config_registry and the like; npm takes the prefix in any case.
std::map<std::string, std::string> npm_variables(const surroundings& here)
{
    constexpr std::string_view prefix = "npm_config_";
    std::map<std::string, std::string> out;
    for (const auto& [name, value] : here.environment) {
        const auto lower = to_lower(name);
        if (lower.starts_with(prefix) && !value.empty()) out.emplace(lower.substr(prefix.size()), value);
    }
    return out;
}

/// The project's folder: the nearest one with a package.json, and where that belongs to workspaces, their root too.
std::vector<fs::path> project_folders(const surroundings& here)
{
    std::vector<fs::path> out;
    std::error_code failed;
    for (const auto& folder : here.folders_upwards()) {
        const auto manifest = folder / "package.json";
        const bool project = fs::exists(manifest, failed) || fs::is_directory(folder / "node_modules", failed);
        if (!project) continue;
        const auto text = out.empty() ? std::string() : read_if_there(manifest).value_or("");
        if (out.empty() || text.find("\"workspaces\"") != std::string::npos) out.push_back(folder);
    }
    if (out.empty()) out.push_back(here.folder);
    return out;
}

class npm_reader {
public:
    explicit npm_reader(const surroundings& here) : here_(here), variables_(npm_variables(here)), folders_(project_folders(here))
    {
    }

    std::vector<policy::entry_source> read()
    {
        for (const auto& [name, value] : variables_) {
            if (const auto scope = scope_of(name)) registries_.emplace(*scope, found_text{value, "npm_config_" + name});
        }
        const auto user = variables_.contains("userconfig") ? here_.expand_home(variables_["userconfig"]) : here_.home / ".npmrc";
        for (const auto& folder : folders_) {
            if (folder != here_.home) add_file(folder / ".npmrc");
        }
        add_file(user);
        if (variables_.contains("globalconfig")) add_file(here_.expand_home(variables_["globalconfig"]));
        ask_npm();
        if (!registries_.contains("")) {
            out_.fail("", "npm is not installed (or did not answer), and no .npmrc or npm_config_registry names a registry; "
                          "write 'registry = URL' into .npmrc, or the registry's URL under 'allow'");
        }
        for (const auto& [scope, registry] : registries_) {
            if (!out_.add("", registry)) out_.fail(registry.source, "the registry is not an http or https URL");
        }
        for (const auto& folder : folders_) add_lock(folder);
        return out_.take();
    }

private:
    void add_file(const fs::path& file)
    {
        const auto text = read_if_there(file);
        if (!text) return;
        const auto lookup = [this](const std::string& name) { return here_.variable(name); };
        registries_.merge(npmrc_registries(*text, file.string(), lookup));
    }

    /// Everything that is not said in a file known here: the built-in default, global and built-in files.
    void ask_npm()
    {
        const auto said = ask_client(here_, "npm", {"config", "list", "--json"});
        if (!said || said->status != 0) return;
        boost::system::error_code failed;
        const auto config = json::parse(said->output, failed);
        if (failed || !config.is_object()) return;
        for (const auto& [key, value] : config.get_object()) {
            const auto scope = scope_of({key.data(), key.size()});
            if (scope && value.is_string()) {
                registries_.emplace(*scope, found_text{std::string(value.get_string()), "as npm reports it"});
            }
        }
    }

    void add_lock(const fs::path& folder)
    {
        for (const auto* name : {"npm-shrinkwrap.json", "package-lock.json"}) { // npm reads the first that is there
            const auto file = folder / name;
            const auto text = read_if_there(file, max_lock_file);
            if (!text) continue;
            const auto covered = [this](const std::string& url) { return out_.covers(url); };
            for (const auto& origin : lock_origins(*text, file.string(), covered)) out_.add("GET,HEAD", {origin, file.string()});
            return;
        }
    }

    const surroundings& here_;
    std::map<std::string, std::string> variables_;
    std::vector<fs::path> folders_;
    std::map<std::string, found_text> registries_;
    entry_list out_{"npm"};
};

void collect_resolved(const json::value& at, const std::function<bool(const std::string&)>& covered, std::set<std::string>& out)
{
    if (at.is_array()) {
        for (const auto& element : at.get_array()) collect_resolved(element, covered, out);
    }
    if (!at.is_object()) return;
    for (const auto& [key, value] : at.get_object()) {
        if (!value.is_string())
            collect_resolved(value, covered, out);
        else if (key == "resolved" && value.get_string().starts_with("https://")) {
            const std::string url(value.get_string());
            const auto origin = plain_url(url, reach::origin);
            if (origin && !out.contains(*origin) && !covered(url)) out.insert(*origin);
        }
    }
}

} // namespace

std::map<std::string, found_text> npmrc_registries(std::string_view text, const std::string& file, const variable_lookup& lookup)
{
    std::map<std::string, found_text> out;
    for (const auto& row : parse_ini(text, ini_dialect::npm)) {
        const auto scope = scope_of(expand_variables(row.key, lookup));
        if (!scope || !row.section.empty() || row.value.empty()) continue;
        out[*scope] = {expand_variables(row.value, lookup), file + ':' + std::to_string(row.line)};
    }
    return out;
}

std::set<std::string> lock_origins(std::string_view text, const std::string& file,
                                   const std::function<bool(const std::string&)>& covered)
{
    json::parse_options options;
    options.max_depth = max_lock_depth;
    json::stream_parser parser({}, options);
    boost::system::error_code failed;
    const auto read = parser.write_some(text.data(), text.size(), failed);
    const auto at = text.substr(0, read);
    if (!failed) parser.finish(failed);
    if (!failed && at.size() < text.size() && text.find_first_not_of(" \t\r\n", at.size()) != std::string_view::npos) {
        failed = json::error::extra_data;
    }
    if (failed) {
        const auto line = static_cast<int>(std::count(at.begin(), at.end(), '\n')) + 1;
        throw config_error({file, line, static_cast<int>(at.size() - (at.rfind('\n') + 1)) + 1},
                           "not a JSON lock file: " + failed.message());
    }
    std::set<std::string> out;
    collect_resolved(parser.release(), covered, out);
    return out;
}

std::vector<policy::entry_source> read_npm(const surroundings& here)
{
    return npm_reader(here).read();
}

} // namespace cofferdam::config
