#pragma once

#include "http/head.hpp"

#include <string>
#include <utility>

namespace cofferdam::http {

enum class trailer_rule : std::uint8_t { keep, drop, refuse };

/// RFC 9110, 6.5.1: no framing, routing, request modifiers, authentication, response control or content format.
trailer_rule judge_trailer(std::string_view name) noexcept;

/// Takes the framing off one message body, piece by piece, without buffering payload: `data` of a step is a view into the
/// input. Only the trailer section is kept, within limits::max_trailer. A value; one per message.
class body_decoder {
public:
    struct step {
        std::size_t consumed = 0; ///< of the input; what follows `consumed` when done belongs to the next message
        std::string_view data;    ///< payload, possibly empty
        bool done = false;        ///< the body and its trailers are complete
    };

    /// `length` counts only for body_kind::length. Keeps a copy of what it needs of `bounds`.
    body_decoder(body_kind kind, std::uint64_t length, const limits& bounds) noexcept;

    /// Call until `done`, or until `consumed` is all of `input` and more must be read. Fails with malformed or too_large,
    /// then for ever after. Chunk extensions are checked and dropped; how the input is cut does not change the outcome.
    result<step> next(std::string_view input);

    /// The peer closed. Fine after `done` and for until_close (which is then done), errc::closed else.
    result<void> end_of_input() noexcept;

    bool done() const noexcept { return stage_ == stage::done; }
    /// For body_kind::length, and within a chunk: how much payload is still to come. For splice-like fast paths.
    std::uint64_t remaining() const noexcept { return remaining_; }
    const fault* why() const noexcept { return why_; }

    /// Valid once done. Fields that may not be trailers (RFC 9110, 6.5.1) were dropped; those that frame or route a message
    /// were refused.
    const std::vector<std::pair<std::string, std::string>>& trailers() const noexcept { return trailers_; }

private:
    enum class stage : std::uint8_t {
        length,
        until_close,
        size,
        extension_name_first,
        extension_name,
        extension_value_first,
        extension_value,
        quoted,
        quoted_pair,
        quoted_end,
        line_end,
        data,
        data_cr,
        data_lf,
        trailer,
        done,
    };

    step take_payload(std::string_view input) noexcept;
    const fault* consume(char c);
    const fault* on_size(char c) noexcept;
    const fault* on_extension(char c) noexcept;
    const fault* on_quoted(char c) noexcept;
    const fault* after_element(char c) noexcept;
    const fault* on_line_end(char c) noexcept;
    const fault* on_trailer(char c);
    const fault* finish_trailer();
    bool in_chunk_line() const noexcept { return stage_ >= stage::size && stage_ <= stage::line_end; }

    stage stage_;
    std::size_t max_line_, max_trailer_, max_fields_;
    std::uint64_t remaining_ = 0;  // payload of the body or chunk still to come; the chunk size while it is read
    std::size_t line_size_ = 0;    // of the chunk line so far
    std::size_t overhead_ = 0;     // framing not paid for by data
    std::size_t trailer_line_ = 0; // where the current line begins in trailer_
    std::string trailer_;
    std::vector<std::pair<std::string, std::string>> trailers_;
    const fault* why_ = nullptr;
};

} // namespace cofferdam::http
