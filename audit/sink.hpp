#pragma once

#include "audit/settings.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace cofferdam::audit {

/// A file descriptor that records go to. Owns it unless it is the standard output.
class sink {
public:
    /// Opens for appending: created with mode 0600, existing content kept, a symbolic link as last component refused,
    /// and the file locked (flock) so that no other log is woven into this one. Throws std::system_error that names
    /// the path.
    static sink open_file(const std::string& path);
    /// Takes a descriptor that is open for writing; it is closed with the sink. `name` is for messages.
    static sink adopt(int fd, std::string name);
    static sink standard_output();

    sink(sink&& other) noexcept;
    sink& operator=(sink&&) = delete;
    ~sink();

    /// Writes some of `text` and returns how much; 0 and no error: not writable within `patience`.
    /// Never raises SIGPIPE in a thread that blocks it.
    std::size_t write_some(std::string_view text, std::chrono::milliseconds patience, std::error_code& ec) noexcept;
    /// fdatasync for files; no effect elsewhere.
    void sync() noexcept;
    const std::string& name() const noexcept { return name_; }

private:
    sink(int fd, std::string name, bool owned);

    int fd_;
    std::string name_;
    bool owned_;
    bool regular_ = false;
};

/// The sinks of the settings, in order. Throws std::system_error.
std::vector<sink> open_sinks(const settings& how);

} // namespace cofferdam::audit
