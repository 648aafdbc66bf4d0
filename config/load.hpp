#pragma once

#include "config/document.hpp"
#include "config/settings.hpp"

#include <string>
#include <vector>

namespace cofferdam::config {

/// What the command line adds to (or says instead of) a policy file.
struct overrides {
    std::vector<std::string> allow;   ///< --allow, appended
    std::vector<std::string> presets; ///< --preset, appended
    std::string mode;                 ///< --mode; empty: as the file says
    std::string audit;                ///< --audit: a file sink instead of those in the file
};

/// Reads one YAML configuration (version 1). Throws config_error at the first thing that is wrong: file, line, column, what
/// was expected. Certificate files (tls.extra_roots) are relative to the
/// file's folder; sinks to the working folder. Presets are named, not expanded (see expand_presets).
settings load_text(const std::string& text, const std::string& file);
settings load_file(const std::string& path);

/// load_file (or the defaults, for an empty path), then the command line, then the presets.
settings load(const std::string& path, const overrides& extra);

} // namespace cofferdam::config
