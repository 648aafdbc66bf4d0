#pragma once

#include "config/surroundings.hpp"
#include "policy/policy.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::config {

/// A value of a client's configuration and where it stands: "/home/u/.npmrc:3", "PIP_INDEX_URL", "as npm reports it".
struct found_text {
    std::string value;
    std::string source;
};

/// How much of a URL an entry covers.
enum class reach {
    prefix, ///< what is below the URL's path
    origin, ///< the whole of scheme, host and port
};

/// The allow entries that one preset collects, each once.
class entry_list {
public:
    explicit entry_list(std::string preset) : preset_(std::move(preset)) {}

    /// Adds "METHODS URL" (all methods if empty). User name, password, query, fragment and empty path segments are left away.
    /// Returns false, and adds nothing, for what no HTTP client fetches (file:, ssh:, relative paths).
    /// Throws config_error if the URL can't be an entry.
    bool add(std::string_view methods, const found_text& url, reach how = reach::prefix);
    /// Adds an entry that is written already.
    void add_entry(std::string entry, const std::string& source);
    /// True if a URL entry that is listed already covers `url`, for whatever methods.
    bool covers(const std::string& url) const;

    bool empty() const noexcept { return entries_.empty(); }
    policy::location where(const std::string& source) const;
    /// Throws config_error: "preset npm (source): message"; without a source "preset npm: message".
    [[noreturn]] void fail(const std::string& source, const std::string& message) const;
    std::vector<policy::entry_source> take() { return std::move(entries_); }

private:
    std::string preset_;
    std::vector<policy::entry_source> entries_;
};

/// The URL as an entry writes it, or nothing if it is neither http nor https: "HTTPS://u:p@Host/a//b?c" is "https://Host/a/b/"
/// (prefix) or "https://Host/" (origin). Not checked any further.
std::optional<std::string> plain_url(std::string_view url, reach how);

} // namespace cofferdam::config
