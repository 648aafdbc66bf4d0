#pragma once

#include "config/surroundings.hpp"

#include <optional>
#include <string>

namespace cofferdam::config {

struct cargo_index {
    std::string url;    ///< "https://index.example/", without "sparse+"
    bool sparse = true; ///< HTTP; else a git repository
};

/// CARGO_HOME, else ~/.cargo.
std::filesystem::path cargo_home_of(const surroundings& here);

/// Which index cargo was built with, without going there: cargo is told to use a proxy that can't exist, and names in its
/// complaint what it could not fetch. `protocol` is "sparse", "git" or empty for cargo's default. No network traffic.
std::optional<cargo_index> ask_cargo_index(const surroundings& here, const std::string& protocol);

/// The text of the config.json of a sparse index ("https://index.example/"; empty: the built-in one). Cargo resolves a
/// dependency that doesn't exist in a temporary CARGO_HOME that has the user's configuration. Goes to the network, at most
/// client_timeout, with the system's roots and here.extra_roots; nothing is left behind.
std::optional<std::string> fetch_index_config(const surroundings& here, const std::filesystem::path& cargo_home,
                                              const std::string& index);

/// The first URL in backticks of cargo's complaint, without "config.json" and what is not of the index.
std::optional<cargo_index> index_in_complaint(std::string_view errors);

} // namespace cofferdam::config
