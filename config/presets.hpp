#pragma once

#include "config/document.hpp"
#include "config/settings.hpp"

#include <string>
#include <vector>

namespace cofferdam::config {

/// Throws a located config_error that lists the known presets if there is none of this name.
void check_preset_name(const node& n);
void check_preset_name(const std::string& name, const policy::location& where);

/// Names of all presets: the package ecosystems, then the YAML lists.
std::vector<std::string> preset_names();

/// Appends the allow entries of settings.presets to policy.allow. Ecosystems (npm, pip, cargo, go, maven, apt) are read from
/// the client's own configuration in the caller's home, working folder and environment; the others are YAML lists under
/// config/presets/. Throws config_error where a client's configuration can't be understood.
void expand_presets(settings& out);

} // namespace cofferdam::config
