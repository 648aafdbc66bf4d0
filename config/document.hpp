#pragma once

#include "policy/policy.hpp"

#include <chrono>
#include <functional>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <yaml-cpp/yaml.h>

namespace cofferdam::config {

/// A configuration that can't be used. what() is "file:line:column: message" and ends the start (or the reload).
class config_error : public std::runtime_error {
public:
    config_error(const policy::location& where, const std::string& message);
    policy::location where;
};

/// A YAML node that knows its file, so that every complaint is located. A value; cheap to copy.
class node {
public:
    node(YAML::Node yaml, std::string file, std::string path)
        : yaml_(std::move(yaml)), file_(std::move(file)), path_(std::move(path))
    {
    }

    policy::location where() const;
    const std::string& path() const noexcept { return path_; } ///< "dns.upstream_timeout", for messages
    [[noreturn]] void fail(const std::string& message) const;

    bool is_null() const { return !yaml_.IsDefined() || yaml_.IsNull(); }
    bool is_scalar() const { return yaml_.IsScalar(); }
    bool is_map() const { return yaml_.IsMap(); }
    bool is_sequence() const { return yaml_.IsSequence(); }

    /// Each throws config_error that says what was expected.
    std::string text() const;
    bool boolean() const;
    std::size_t count(std::size_t min, std::size_t max) const;
    std::size_t bytes(std::size_t min, std::size_t max) const; ///< 65536, "64KiB", "1MB"
    /// "1500ms", "10s", "5m", "24h"; a bare number is seconds.
    std::chrono::milliseconds duration(std::chrono::milliseconds min, std::chrono::milliseconds max) const;
    /// One of `words`; its index.
    std::size_t one_of(std::initializer_list<std::string_view> words) const;
    /// Every element of a sequence; a single scalar counts as a sequence of one; null as none.
    void each(const std::function<void(const node&)>& visit) const;

    struct key {
        std::string_view name;
        std::function<void(const node&)> read;
    };
    /// Every key of a mapping, read by its entry in `known`. Unknown and repeated keys are errors (with the nearest known key).
    void mapping(std::initializer_list<key> known) const;
    /// Every key of a mapping whose keys are free.
    void each_key(const std::function<void(const std::string&, const node&)>& visit) const;

private:
    node at(const YAML::Node& child, std::string path) const;
    std::string below(const std::string& name) const;

    YAML::Node yaml_;
    std::string file_;
    std::string path_;
};

/// Parses YAML text, within the bounds of yaml_bounds.hpp. Throws config_error at the place of a syntax error. `file` is for
/// messages.
node parse_document(const std::string& text, const std::string& file);

} // namespace cofferdam::config
