#include "config/cargo_client.hpp"
#include "config/document.hpp"
#include "config/ecosystem_readers.hpp"
#include "core/error.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <boost/json.hpp>

namespace cofferdam::config {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::string_view built_in = "crates-io"; ///< cargo's name for the registry that it comes with
constexpr unsigned max_replacements = 16;          ///< "replace-with" in a row
constexpr std::size_t index_hash_digits = 16;      ///< behind the host in the name of a cached index
constexpr unsigned max_fetches = 8;                ///< of config.json files that are not cached
constexpr std::string_view own_downloads = ", downloads expected on the same origin";

using index_configs = std::vector<std::pair<cargo_index_config, std::string>>; ///< each with where it stands

/// config.json of every cached index of that host.
index_configs cached_configs(const fs::path& cargo_home, const std::string& host)
{
    index_configs out;
    std::error_code failed;
    for (fs::directory_iterator at(cargo_home / "registry/index", failed), end; !failed && at != end; at.increment(failed)) {
        const auto name = at->path().filename().string();
        if (name.size() != host.size() + 1 + index_hash_digits || !name.starts_with(host + '-')) continue;
        const auto file = at->path() / "config.json";
        const auto text = read_if_there(file);
        if (!text) continue;
        if (auto config = parse_index_config(*text)) out.emplace_back(std::move(*config), file.string());
    }
    return out;
}

/// The host in a URL from plain_url.
std::string host_of(const std::string& url)
{
    const auto start = url.find("://") + 3;
    const auto authority = url.substr(start, url.find('/', start) - start);
    return authority.substr(0, authority.rfind(':') == std::string::npos ? authority.size() : authority.rfind(':'));
}

class cargo_reader {
public:
    explicit cargo_reader(const surroundings& here) : here_(here), cargo_home_(cargo_home_of(here)) {}

    std::vector<policy::entry_source> read()
    {
        for (const auto& folder : here_.folders_upwards()) add_folder(folder / ".cargo");
        add_folder(cargo_home_);
        for (const auto& [name, index] : registries()) {
            if (name != fold_registry_name(built_in)) add_index(index);
        }
        add_default_source();
        return out_.take();
    }

private:
    void add_folder(const fs::path& folder)
    {
        for (const auto* name : {"config", "config.toml"}) { // cargo reads the first that is there
            const auto file = folder / name;
            if (const auto text = read_if_there(file)) return merge_cargo_config(*text, file.string(), settings_);
        }
    }

    /// Of the files, and of CARGO_REGISTRIES_<NAME>_INDEX, which comes first.
    std::map<std::string, found_text> registries() const
    {
        constexpr std::string_view prefix = "CARGO_REGISTRIES_", suffix = "_INDEX";
        std::map<std::string, found_text> out;
        for (const auto& [name, value] : here_.environment) {
            const bool framed = name.starts_with(prefix) && name.ends_with(suffix);
            if (!framed || name.size() <= prefix.size() + suffix.size()) continue;
            const auto registry = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
            if (!value.empty()) out.emplace(fold_registry_name(registry), found_text{value, name});
        }
        out.insert(settings_.registries.begin(), settings_.registries.end());
        return out;
    }

    /// What stands for the built-in registry after all replacements.
    void add_default_source()
    {
        std::string name(built_in);
        found_text replaced;
        for (unsigned hops = 0;; ++hops) {
            const auto source = settings_.sources.find(name);
            if (source == settings_.sources.end() || source->second.replace_with.value.empty()) break;
            replaced = source->second.replace_with;
            if (hops == max_replacements) out_.fail(replaced.source, "sources replace each other in a circle");
            name = replaced.value;
        }
        const auto source = settings_.sources.find(name);
        if (source != settings_.sources.end()) {
            if (source->second.local) return;
            if (!source->second.registry.value.empty()) return add_index(source->second.registry);
            if (!source->second.git.value.empty()) return add_git(source->second.git);
        }
        const auto known = registries();
        const auto registry = known.find(fold_registry_name(name));
        if (name == built_in)
            add_built_in();
        else if (registry != known.end())
            add_index(registry->second);
        else
            out_.fail(replaced.source, "'" + escape_line(name) + "' is neither a source nor a registry that cargo knows");
    }

    void add_git(const found_text& repository)
    {
        const auto& url = repository.value;
        if (out_.add("GET,HEAD,POST", repository) || !url.starts_with("ssh://")) return; // else file:, git:
        auto authority = url.substr(6, url.find('/', 6) - 6);
        authority.erase(0, authority.rfind('@') + 1);
        out_.add_entry(authority.find(':') == std::string::npos ? authority + ":22" : authority, repository.source);
    }

    void add_index(const found_text& index)
    {
        constexpr std::string_view sparse = "sparse+";
        auto url = index;
        const bool is_sparse = url.value.starts_with(sparse);
        if (is_sparse) url.value.erase(0, sparse.size());
        if (!is_sparse) add_git(url);
        const auto plain = plain_url(url.value, reach::origin);
        if (!plain) return;
        auto configs = cached_configs(cargo_home_, host_of(*plain));
        if (configs.empty() && is_sparse && by_user(index)) configs = fetched_config(url.value);
        if (configs.empty()) {
            out_.add("GET,HEAD", {url.value, index.source + std::string(own_downloads)}, reach::origin);
            return;
        }
        if (is_sparse) out_.add("GET,HEAD", url);
        for (const auto& [config, source] : configs) add_config(config, source);
    }

    /// Said by the user, not by a repository: that one can't make the start of the gateway go to a place of its choice.
    bool by_user(const found_text& said) const
    {
        return !said.source.starts_with('/') || said.source.starts_with((cargo_home_ / "").string());
    }

    index_configs fetched_config(const std::string& index)
    {
        if (++fetches_ > max_fetches) return {};
        const auto text = fetch_index_config(here_, cargo_home_, index);
        const auto config = text ? parse_index_config(*text) : std::nullopt;
        if (!config) return {};
        return {{*config, "the index's config.json, fetched by cargo"}};
    }

    void add_config(const cargo_index_config& config, const std::string& source)
    {
        out_.add("GET,HEAD", {config.downloads, source});
        if (!config.api.empty()) out_.add("GET,HEAD", {config.api, source}); // search and info; publishing is not allowed
    }

    void add_built_in()
    {
        const auto protocol = here_.variable("CARGO_REGISTRIES_CRATES_IO_PROTOCOL");
        const auto index = ask_cargo_index(here_, protocol.empty() ? settings_.protocol.value : protocol);
        if (!index) {
            out_.fail("", "cargo is not installed (or did not say where its index is), and no config.toml replaces its source; "
                          "write a [source] with 'replace-with' into cargo's config.toml, or the URLs of index and downloads "
                          "under 'allow'");
        }
        const std::string source = "as cargo reports it";
        const bool alone = out_.empty(); // else a job may do with the other registries
        if (index->sparse)
            out_.add("GET,HEAD", {index->url, source});
        else
            add_git({index->url, source});
        auto configs = cached_configs(cargo_home_, host_of(*plain_url(index->url, reach::origin)));
        if (configs.empty() && index->sparse) configs = fetched_config({});
        if (configs.empty() && alone) {
            out_.fail(source, "cargo did not get the index's config.json, which says where crates are downloaded; run 'cargo "
                              "fetch' once, or write the URLs of index and downloads under 'allow' instead of this preset");
        }
        for (const auto& [config, origin] : configs) add_config(config, origin);
    }

    const surroundings& here_;
    fs::path cargo_home_;
    cargo_settings settings_;
    unsigned fetches_ = 0;
    entry_list out_{"cargo"};
};

} // namespace

std::string fold_registry_name(std::string_view name)
{
    auto out = to_lower(name);
    std::replace(out.begin(), out.end(), '-', '_');
    return out;
}

void merge_cargo_config(std::string_view text, const std::string& file, cargo_settings& into)
{
    int line = 0;
    const auto rows = parse_toml(text, line);
    if (!rows) {
        throw config_error({file, line, 1}, rows.error() == errc::too_large ? "not read: nested too deeply" : "not valid TOML");
    }
    for (const auto& row : *rows) {
        const found_text said{row.value, file + ':' + std::to_string(row.line)};
        if (row.path.size() != 3 || row.value.empty()) continue;
        const auto& [table, name, key] = std::tie(row.path[0], row.path[1], row.path[2]);
        if (table == "registries") {
            if (key == "index") into.registries.emplace(fold_registry_name(name), said);
            if (key == "protocol" && name == built_in && into.protocol.value.empty()) into.protocol = said;
        }
        if (table != "source") continue;
        auto& source = into.sources[name];
        const auto once = [&](found_text& to) {
            if (to.value.empty()) to = said;
        };
        if (key == "registry") once(source.registry);
        if (key == "git") once(source.git);
        if (key == "replace-with") once(source.replace_with);
        if (key == "directory" || key == "local-registry") source.local = true;
    }
}

std::optional<cargo_index_config> parse_index_config(std::string_view text)
{
    boost::system::error_code failed;
    const auto config = json::parse({text.data(), text.size()}, failed);
    if (failed || !config.is_object()) return std::nullopt;
    const auto url = [&](std::string_view key) -> std::string {
        const auto* value = config.get_object().if_contains({key.data(), key.size()});
        if (value == nullptr || !value->is_string()) return {};
        std::string out(value->get_string());
        const auto marker = out.find('{');
        if (marker != std::string::npos) out.resize(out.rfind('/', marker) + 1);
        return plain_url(out, reach::prefix).value_or("");
    };
    cargo_index_config out{url("dl"), url("api")};
    if (out.downloads.empty()) return std::nullopt;
    return out;
}

std::vector<policy::entry_source> read_cargo(const surroundings& here)
{
    return cargo_reader(here).read();
}

} // namespace cofferdam::config
