#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::config {

inline constexpr std::chrono::milliseconds client_timeout{5000}; ///< for one question to a package client
inline constexpr std::size_t max_client_answer = 4U << 20;       ///< octets of each of its outputs
inline constexpr std::size_t max_client_config = 4U << 20;       ///< octets of one file of a client's configuration
inline constexpr std::size_t max_lock_file = 64U << 20;          ///< octets of a lock file

/// Where and as whom a package client would run: all that its configuration depends on. A value, so that tests make their own.
struct surroundings {
    std::filesystem::path folder;       ///< the caller's working folder, absolute
    std::filesystem::path home;         ///< empty if there is none
    std::filesystem::path system = "/"; ///< what stands for "/" in front of etc/
    std::map<std::string, std::string> environment;
    std::vector<std::string> extra_roots; ///< PEM files, as tls.extra_roots names them

    /// Of this process, now.
    static surroundings current();

    /// The variable's value; empty if it is unset, which clients take alike.
    std::string variable(const std::string& name) const;
    /// The working folder, its parent, and so on up to the root.
    std::vector<std::filesystem::path> folders_upwards() const;
    /// `path` with a leading "~/" replaced by the home.
    std::filesystem::path expand_home(const std::string& path) const;
};

/// A file's text, or nothing if it can't be opened (clients take that as "not configured").
/// Throws config_error if it is larger than `limit`.
std::optional<std::string> read_if_there(const std::filesystem::path& path, std::size_t limit = max_client_config);

/// What a client said.
struct answer {
    int status = 0;             ///< its exit code; -1 if it was killed, by us after client_timeout or by others
    std::string output, errors; ///< standard output and error, each cut at max_client_answer
};

/// The program that `name` is for the caller. Places that a job writes to are not looked at, since what is found runs outside
/// the sandbox: relative parts of PATH, node_modules, and folders below the working folder (unless that holds the home or the
/// system's programs as well).
std::optional<std::filesystem::path> find_program(const surroundings& here, const std::string& name);

/// Runs a client and waits for it, at most client_timeout. It runs outside the sandbox, so in "/" rather than in the caller's
/// folder: nothing that a repository contains (mvn extensions, toolchain files, Python modules) is executed by the question.
/// Nothing if there is no such program.
std::optional<answer> ask_client(const surroundings& here, const std::string& program, const std::vector<std::string>& arguments,
                                 const std::map<std::string, std::string>& extra_environment = {});

} // namespace cofferdam::config
