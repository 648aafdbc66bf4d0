#pragma once

#include "sandbox/unique_fd.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cofferdam::sandbox {

/// What the gateway and the job's PID 1 tell each other.
enum class frame_type : std::uint8_t {
    // from PID 1
    born,        ///< wants its id maps
    descriptors, ///< those that setup_network returned
    note,        ///< a line for the report
    done,        ///< the last request is fulfilled
    failed,      ///< it is not; the text says why
    stopped,     ///< the command was stopped: its signal
    ended,       ///< the command's exit_status
    // to PID 1
    mapped, ///< the id maps are written
    show,   ///< a shown_file
    start,  ///< variables
    signal, ///< number, to_group
    resume, ///< continue the stopped command; in the foreground or not
};

struct frame {
    frame_type type{};
    std::string body;
    std::vector<unique_fd> descriptors;
};

/// Frames over a Unix stream socket: u32 body size, u8 type, u8 reserved[3], body; descriptors travel with the header.
/// Both ends are the same program, so a frame that does not parse is a broken invariant: it throws launch_error.
class control_socket {
public:
    static constexpr std::size_t max_body = 256U << 20;
    static constexpr std::size_t max_descriptors = 64;

    control_socket() = default;
    explicit control_socket(unique_fd socket) : socket_(std::move(socket)) {}

    int fd() const noexcept { return socket_.get(); }
    void close() noexcept { socket_.reset(); }

    /// False if the other end is gone.
    bool send(frame_type type, std::string_view body = {}, std::span<const int> descriptors = {});
    /// Nothing if the other end is gone. Blocks.
    std::optional<frame> receive();

private:
    unique_fd socket_;
};

/// Strings and numbers one after the other, in a frame's body.
class field_writer {
public:
    field_writer& add(std::string_view text);
    field_writer& add(std::int64_t number);
    const std::string& body() const noexcept { return body_; }

private:
    std::string body_;
};

class field_reader {
public:
    explicit field_reader(std::string_view body) : rest_(body) {}
    bool empty() const noexcept { return rest_.empty(); }
    std::string text();
    std::int64_t number();

private:
    std::string_view take(std::size_t size);
    std::string_view rest_;
};

} // namespace cofferdam::sandbox
