#pragma once

#include "core/bytes.hpp"

#include <algorithm>
#include <cstring>
#include <linux/netlink.h>

namespace cofferdam::nft {

/// netlink(7) framing, read with every length checked. Lengths and types are in host order; bytes need not be aligned.

/// A copy of the structure at the front of `bytes`. errc::need_more if there are fewer bytes than it has.
template <class T>
result<T> read_structure(byte_view bytes) noexcept
{
    if (bytes.size() < sizeof(T)) return errc::need_more;
    T out;
    std::memcpy(&out, bytes.data(), sizeof out);
    return out;
}

constexpr std::size_t netlink_aligned(std::size_t size) noexcept
{
    return (size + 3U) & ~std::size_t{3};
}

struct netlink_message {
    nlmsghdr header{};
    byte_view payload;
};

/// Takes the first message off `rest`. errc::malformed if its length is impossible.
inline result<netlink_message> next_message(byte_view& rest) noexcept
{
    const auto header = read_structure<nlmsghdr>(rest);
    if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > rest.size()) return errc::malformed;
    const netlink_message out{*header, rest.subspan(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr))};
    rest = rest.subspan(std::min(netlink_aligned(header->nlmsg_len), rest.size()));
    return out;
}

/// How far the answer to a request with NLM_F_DUMP has been read.
enum class dump_state : std::uint8_t { more, ended };

struct netlink_attribute {
    std::uint16_t type = 0; ///< without NLA_F_NESTED and NLA_F_NET_BYTEORDER
    byte_view value;
};

/// Takes the first attribute off `rest`. errc::malformed if its length is impossible.
inline result<netlink_attribute> next_attribute(byte_view& rest) noexcept
{
    const auto header = read_structure<nlattr>(rest);
    if (!header || header->nla_len < sizeof(nlattr) || header->nla_len > rest.size()) return errc::malformed;
    const netlink_attribute out{static_cast<std::uint16_t>(header->nla_type & NLA_TYPE_MASK),
                                rest.subspan(sizeof(nlattr), header->nla_len - sizeof(nlattr))};
    rest = rest.subspan(std::min(netlink_aligned(header->nla_len), rest.size()));
    return out;
}

/// What an NLMSG_ERROR payload (struct nlmsgerr) says: no error for an acknowledgement, the system's error for a refusal;
/// errc::malformed if it is too short or its number is no -errno.
inline error_code acknowledged_error(byte_view payload) noexcept
{
    constexpr int max_errno = 4095; // MAX_ERRNO, include/linux/err.h
    const auto answer = read_structure<nlmsgerr>(payload);
    if (!answer || answer->error > 0 || answer->error < -max_errno) return errc::malformed;
    if (answer->error == 0) return {};
    return {-answer->error, boost::system::system_category()};
}

} // namespace cofferdam::nft
