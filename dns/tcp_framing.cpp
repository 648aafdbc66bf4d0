#include "dns/tcp_framing.hpp"

#include <algorithm>

namespace cofferdam::dns {

void tcp_framing::push(byte_view bytes)
{
    if (failed_) return;
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(consumed_));
    consumed_ = 0;
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

result<byte_view> tcp_framing::next() noexcept
{
    if (failed_) return failed_;
    byte_reader in(byte_view(buffer_).subspan(consumed_));
    const auto length = in.u16();
    if (!length) return errc::need_more;
    if (*length < header_size) return failed_ = errc::malformed;
    if (*length > max_message_) return failed_ = errc::too_large;
    const auto message = in.take(*length);
    if (message) consumed_ += in.position();
    return message;
}

std::vector<std::uint8_t> frame(byte_view message)
{
    std::vector<std::uint8_t> out(message.size() + 2);
    out[0] = static_cast<std::uint8_t>(message.size() >> 8);
    out[1] = static_cast<std::uint8_t>(message.size());
    std::copy(message.begin(), message.end(), out.begin() + 2);
    return out;
}

} // namespace cofferdam::dns
