#include "config/presets.hpp"

#include "config/ecosystems.hpp"
#include "config/preset_texts.hpp"
#include "core/text.hpp"

#include <algorithm>

namespace cofferdam::config {
namespace {

void append_list(const preset_text& preset, std::vector<policy::entry_source>& out)
{
    const node document = parse_document(std::string(preset.yaml), "preset " + std::string(preset.name));
    document.mapping({
        {"version", [](const node& v) { v.one_of({"1"}); }},
        {"description", [](const node& v) { v.text(); }},
        {"allow", [&](const node& v) { v.each([&](const node& item) {
                                           out.push_back({item.text(), item.where()});
                                       }); }},
    });
}

} // namespace

std::vector<std::string> preset_names()
{
    std::vector<std::string> out;
    for (const auto& each : ecosystems()) out.emplace_back(each.name);
    for (const auto& each : preset_texts()) out.emplace_back(each.name);
    return out;
}

void check_preset_name(const std::string& name, const policy::location& where)
{
    const auto names = preset_names();
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    std::string known;
    for (const auto& each : names) known += (known.empty() ? "" : ", ") + each;
    throw config_error(where, "no preset '" + escape_line(name) + "' (there are: " + known + ")");
}

void check_preset_name(const node& n)
{
    check_preset_name(n.text(), n.where());
}

void expand_presets(settings& out)
{
    for (const auto& name : out.presets) {
        for (const auto& each : ecosystems()) {
            if (each.name != name) continue;
            auto entries = each.read(out.tls.extra_roots);
            std::move(entries.begin(), entries.end(), std::back_inserter(out.policy.allow));
        }
        for (const auto& each : preset_texts()) {
            if (each.name == name) append_list(each, out.policy.allow);
        }
    }
}

} // namespace cofferdam::config
