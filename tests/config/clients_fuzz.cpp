// The files of package clients: the first octet chooses the parser. None throws anything but config_error.
#include "config/cargo_client.hpp"
#include "config/document.hpp"
#include "config/ecosystem_readers.hpp"
#include "config/ini.hpp"

#include <cstdlib>

using namespace cofferdam::config;

namespace {

std::string lookup(const std::string& name)
{
    return name == "X" ? "https://x.example/" : "";
}

void check_toml(std::string_view text)
{
    int line = 0;
    const auto rows = parse_toml(text, line);
    if (!rows && line < 1) std::abort();
    if (!rows) return;
    int last = 1;
    for (const auto& row : *rows) {
        if (row.path.empty() || row.line < last) std::abort();
        last = row.line;
    }
}

void check_lock(std::string_view text)
{
    for (const auto& origin : lock_origins(text, "lock", [](const std::string&) { return false; })) {
        if (!origin.starts_with("https://") || !origin.ends_with('/')) std::abort();
    }
}

void check_url(std::string_view text)
{
    entry_list list("fuzz");
    list.add("GET,HEAD", {std::string(text), "source"});
    list.add("", {std::string(text), "source"}, reach::origin);
    list.covers(std::string(text));
    cofferdam::policy::policy_source source;
    source.allow = list.take();
    cofferdam::policy::policy::compile(source); // throws policy_error, a finding, if an entry of ours is none
    add_go_proxies(text, "source", list);
    add_go_sumdb(text, "source", list);
    index_in_complaint(text);
    mirror_covers(text, "central", "https://repo.example/");
}

void run(std::uint8_t which, std::string_view text)
{
    pip_settings pip;
    cargo_settings cargo;
    maven_settings maven;
    switch (which % 10) {
    case 0: npmrc_registries(text, "npmrc", lookup); break;
    case 1: check_lock(text); break;
    case 2: merge_pip_conf(text, "pip.conf", pip); break;
    case 3: check_toml(text); break;
    case 4: merge_cargo_config(text, "config.toml", cargo); break;
    case 5: parse_index_config(text); break;
    case 6: merge_maven_file(text, "settings.xml", lookup, maven); break;
    case 7: apt_list_uris(text, "sources.list"); break;
    case 8: apt_deb822_uris(text, "x.sources"); break;
    default: check_url(text); break;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    if (size == 0) return 0;
    try {
        run(bytes[0], {reinterpret_cast<const char*>(bytes) + 1, size - 1});
    }
    catch (const config_error& wrong) {
        if (std::string_view(wrong.what()).empty()) std::abort();
    }
    return 0;
}
