#pragma once

#include "dns/hosts.hpp"
#include "dns/name.hpp"

#include <chrono>
#include <string>
#include <sys/stat.h>

namespace cofferdam::dns {

/// A hosts file kept up to date: looked at again when it has changed, at most once a second.
class hosts_file {
public:
    explicit hosts_file(std::string path) : path_(std::move(path)) {}

    /// The addresses of a name; null if the file does not name it, or there is no file.
    const std::vector<ip_address>* find(const name& which, std::chrono::steady_clock::time_point now);

private:
    void reload_if_changed();

    std::string path_;
    struct stat seen_ {};
    std::chrono::steady_clock::time_point next_look_{};
    hosts_table table_;
};

} // namespace cofferdam::dns
