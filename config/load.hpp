#pragma once

#include "config/document.hpp"
#include "config/serve.hpp"
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
/// The keys of `cofferdam serve` go to `serve`; without it they are errors.
settings load_text(const std::string& text, const std::string& file, serve_settings* serve = nullptr);
settings load_file(const std::string& path, serve_settings* serve = nullptr);

/// load_file (or the defaults, for an empty path), then the command line, then the presets.
settings load(const std::string& path, const overrides& extra, serve_settings* serve = nullptr);

/// The settings of a job that a running gateway is given: those of `base`, with the policy of `text` (`version`, `mode`, `allow`,
/// `rules`, `phases`, `tls.passthrough`, `capture`) in place of its own. What else a policy file may hold is the gateway's to
/// say: an error. Presets are named only. Throws config_error; `name` stands for the file.
settings load_job_text(const std::string& text, const std::string& name, const settings& base);

/// The files that were read and their SHA-256, for records.
std::string describe_files(const settings& what);

} // namespace cofferdam::config
