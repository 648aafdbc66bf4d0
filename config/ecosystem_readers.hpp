#pragma once

#include "config/entry_list.hpp"
#include "config/surroundings.hpp"
#include "config/toml.hpp"
#include "config/xml.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

/// The readers behind ecosystems.hpp. Each is a thin part that opens files and asks the client (read_*), over pure parts that
/// take text (the rest). All throw config_error for text that the client would not understand either.
namespace cofferdam::config {

/// npm's registries, with all methods (`npm audit` posts), scoped ones too, by npm's own order: environment, the project's
/// .npmrc, the user's, the global one, else what npm reports. Also the origins that the project's lock file names, for GET
/// and HEAD: that is what `npm ci` downloads from. Whoever writes the project's .npmrc or lock file widens the list with it.
std::vector<policy::entry_source> read_npm(const surroundings& here);

/// pip's index and extra indices, find-links, and where the index is pip's own default, the host that pip says its files are
/// on. Files of another index are expected on the index's own origin, since only the index could tell.
std::vector<policy::entry_source> read_pip(const surroundings& here);

/// The index that cargo would use, source replacement followed, every other registry, and the downloads that their
/// config.json files name: from cargo's cache, else cargo itself fetches that one file, unless only the project's own
/// configuration names the index. Where it can't be had, downloads are expected on the index's own origin.
std::vector<policy::entry_source> read_cargo(const surroundings& here);

/// GOPROXY and GOSUMDB as `go env` reports them. Modules fetched directly from their own hosts are not covered.
std::vector<policy::entry_source> read_go(const surroundings& here);

/// Repositories and mirrors of Maven's settings, of the project's pom.xml and of the super POM inside the installed Maven;
/// of profiles too, whether active or not. For GET and HEAD: nothing is deployed.
std::vector<policy::entry_source> read_maven(const surroundings& here);

/// The archives of sources.list and sources.list.d (one-line and deb822). Proxies are not followed, and of a mirror list
/// only the list itself is known.
std::vector<policy::entry_source> read_apt(const surroundings& here);

using variable_lookup = std::function<std::string(const std::string&)>;

/// Registries by scope ("@acme"; "" is the default one). Sources are "FILE:LINE".
std::map<std::string, found_text> npmrc_registries(std::string_view text, const std::string& file, const variable_lookup& lookup);

/// The https origins of a package-lock.json's `resolved` URLs that `covered` doesn't know. Throws config_error.
std::set<std::string> lock_origins(std::string_view text, const std::string& file,
                                   const std::function<bool(const std::string&)>& covered);

/// What pip's files and variables say, the last one winning.
struct pip_settings {
    std::map<std::string, found_text> index; ///< by section: "global", "install", ...
    std::vector<found_text> extra_index, find_links;
    bool no_index = false;
};
void merge_pip_conf(std::string_view text, const std::string& file, pip_settings& into);

/// What cargo's files say, the first one winning.
struct cargo_settings {
    struct package_source {
        found_text registry, git, replace_with;
        bool local = false; ///< directory or local-registry
    };
    std::map<std::string, package_source> sources;
    std::map<std::string, found_text> registries; ///< index, by folded name
    found_text protocol;                          ///< of the built-in registry
};
/// Throws config_error.
void merge_cargo_config(std::string_view text, const std::string& file, cargo_settings& into);
/// Lower case, '-' as '_': how names stand in variables.
std::string fold_registry_name(std::string_view name);

/// "dl" and "api" of an index's config.json as URL prefixes, without the markers ("{crate}") and what follows them.
struct cargo_index_config {
    std::string downloads, api;
};
std::optional<cargo_index_config> parse_index_config(std::string_view json);

/// Adds the proxies of a GOPROXY list; true if the list has one that is contacted or is "off".
bool add_go_proxies(std::string_view proxies, const std::string& source, entry_list& into);
/// Adds the checksum database of a GOSUMDB: "name", "name+key" or "name+key URL"; "off" adds nothing.
void add_go_sumdb(std::string_view sumdb, const std::string& source, entry_list& into);

struct maven_repository {
    std::string id;
    found_text url;
};
struct maven_settings {
    struct mirror {
        std::string of;
        found_text url;
        bool blocked = false;
    };
    std::vector<maven_repository> repositories;
    std::vector<mirror> mirrors;
};
/// Reads settings.xml or a POM. Properties ("${x}") come from the POM's own and `lookup`. Throws config_error.
void merge_maven_file(std::string_view text, const std::string& file, const variable_lookup& lookup, maven_settings& into);
/// True if a mirror's `mirrorOf` covers the repository: ids, "*", "external:*", "external:http:*", "!id".
bool mirror_covers(std::string_view mirror_of, const std::string& id, std::string_view url);

/// The URIs of enabled lines of a sources.list, or stanzas of a .sources file.
std::vector<found_text> apt_list_uris(std::string_view text, const std::string& file);
std::vector<found_text> apt_deb822_uris(std::string_view text, const std::string& file);

} // namespace cofferdam::config
