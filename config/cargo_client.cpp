#include "config/cargo_client.hpp"

#include "config/entry_list.hpp"

#include <fstream>
#include <stdlib.h>

namespace cofferdam::config {
namespace {

namespace fs = std::filesystem;

/// An empty package whose one dependency is looked up and not found, and a CARGO_HOME. Removed at the end.
class probe_package {
public:
    /// `registry` is the dependency's, empty for the built-in one.
    explicit probe_package(const std::string& registry = {})
    {
        auto pattern = (fs::temp_directory_path() / "cofferdam-cargo-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) return;
        folder_ = pattern;
        std::error_code failed;
        fs::create_directories(folder_ / "src", failed);
        std::ofstream(folder_ / "src/lib.rs") << "";
        std::ofstream(folder_ / "Cargo.toml") << "[package]\nname = \"probe\"\nversion = \"0.0.0\"\n"
                                                 "[dependencies.cofferdam-probe]\nversion = \"*\"\n"
                                              << (registry.empty() ? "" : "registry = \"" + registry + "\"\n");
        fs::create_directories(home(), failed);
    }
    ~probe_package()
    {
        std::error_code failed;
        if (!folder_.empty()) fs::remove_all(folder_, failed);
    }
    probe_package(const probe_package&) = delete;
    probe_package& operator=(const probe_package&) = delete;

    explicit operator bool() const { return !folder_.empty(); }
    fs::path home() const { return folder_ / "home"; }

    std::optional<answer> resolve(const surroundings& here, std::map<std::string, std::string> variables) const
    {
        variables["CARGO_HOME"] = home().string();
        variables["CARGO_NET_RETRY"] = "0";
        variables["CARGO_NET_OFFLINE"] = "false";
        return ask_client(here, "cargo", {"generate-lockfile", "--manifest-path", (folder_ / "Cargo.toml").string()}, variables);
    }

private:
    fs::path folder_;
};

/// What stands between the quotes: `mark` is the opening one, with what is before it, and "http". Empty: nothing does.
std::string_view quoted(std::string_view text, std::string_view mark, char close)
{
    const auto start = text.find(mark);
    if (start == std::string_view::npos) return {};
    const auto rest = text.substr(start + mark.size() - std::string_view("http").size());
    return rest.substr(0, rest.find(close) == std::string_view::npos ? 0 : rest.find(close));
}

/// One PEM file of what cargo would trust by itself and the extra roots.
std::string write_roots(const surroundings& here, const fs::path& file)
{
    const std::vector<std::string> bundles{here.variable("CARGO_HTTP_CAINFO"), here.variable("SSL_CERT_FILE"),
                                           "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                           "/etc/ssl/cert.pem"};
    std::ofstream out(file);
    for (const auto& bundle : bundles) {
        const auto text = read_if_there(bundle);
        if (!text) continue;
        out << *text << '\n';
        break;
    }
    for (const auto& root : here.extra_roots) out << read_if_there(root).value_or("") << '\n';
    return file.string();
}

} // namespace

fs::path cargo_home_of(const surroundings& here)
{
    const auto given = here.variable("CARGO_HOME");
    return given.empty() ? here.home / ".cargo" : here.folder / given; // an absolute path replaces the folder
}

std::optional<cargo_index> index_in_complaint(std::string_view errors)
{
    constexpr std::string_view file = "config.json";
    auto url = quoted(errors, "`http", '`');
    if (url.empty()) url = quoted(errors, "url=\"http", '"'); // cargo 1.96 and later, where it logs
    const bool sparse = url.ends_with(file);
    if (sparse) url.remove_suffix(file.size());
    if (!plain_url(url, reach::prefix) || url.find_first_of(" \t\r\n'\"") != std::string_view::npos) return std::nullopt;
    return cargo_index{std::string(url), sparse};
}

std::optional<cargo_index> ask_cargo_index(const surroundings& here, const std::string& protocol)
{
    const probe_package probe;
    if (!probe) return std::nullopt;
    const std::string nowhere = "http://127.0.0.1:9"; // discard: refused, and if not, no proxy
    std::map<std::string, std::string> variables{{"CARGO_HTTP_PROXY", nowhere}, {"NO_PROXY", ""}, {"no_proxy", ""}};
    if (!protocol.empty()) variables["CARGO_REGISTRIES_CRATES_IO_PROTOCOL"] = protocol;
    for (const auto* log : {"", "debug"}) { // from 1.96 on, cargo's error alone does not tell
        if (*log != '\0') variables["CARGO_LOG"] = log;
        const auto said = probe.resolve(here, variables);
        if (!said) return std::nullopt;
        if (auto index = index_in_complaint(said->errors)) return index;
    }
    return std::nullopt;
}

std::optional<std::string> fetch_index_config(const surroundings& here, const fs::path& cargo_home, const std::string& index)
{
    const probe_package probe(index.empty() ? "" : "probe");
    if (!probe) return std::nullopt;
    std::error_code failed;
    for (const auto* name : {"config", "config.toml"}) { // proxies and certificates
        if (fs::exists(cargo_home / name, failed)) fs::create_symlink(cargo_home / name, probe.home() / name, failed);
    }
    std::map<std::string, std::string> variables;
    if (!index.empty()) variables["CARGO_REGISTRIES_PROBE_INDEX"] = "sparse+" + index;
    if (!here.extra_roots.empty()) variables["CARGO_HTTP_CAINFO"] = write_roots(here, probe.home() / "roots.pem");
    if (!probe.resolve(here, std::move(variables))) return std::nullopt;
    for (fs::directory_iterator at(probe.home() / "registry/index", failed), end; !failed && at != end; at.increment(failed)) {
        if (auto text = read_if_there(at->path() / "config.json")) return text;
    }
    return std::nullopt;
}

} // namespace cofferdam::config
