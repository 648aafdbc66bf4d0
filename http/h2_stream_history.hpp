#pragma once

#include "http/stream_id.hpp"

#include <deque>
#include <optional>
#include <utility>

namespace cofferdam::http {

/// Which streams that are not open any more a peer may still send on (RFC 9113, 5.1). A frame that was on its way when we
/// reset its stream is harmless; one on a stream that the peer itself ended, or passed over, is an error. What is long ago
/// is forgotten, and then held to be harmless.
class h2_stream_history {
public:
    enum class fault : std::uint8_t {
        ended,       ///< the peer had sent END_STREAM or RST_STREAM
        passed_over, ///< never opened, and now below one that was: RFC 9113, 5.1.1
    };

    /// HEADERS with an identifier of the peer's, larger than all before.
    void open(stream_id id);
    /// A stream is gone on which the peer had nothing more to send.
    void end(stream_id id);
    /// What is wrong with HEADERS or DATA on a stream that is not open; nothing for a new one.
    std::optional<fault> check(stream_id id) const noexcept;
    bool is_new(stream_id id) const noexcept { return id > last_; }

private:
    std::deque<std::pair<stream_id, stream_id>> gaps_; // first and last passed over
    std::deque<stream_id> ended_;
    stream_id last_ = -1;
};

} // namespace cofferdam::http
