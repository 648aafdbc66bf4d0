#include "nft/io/datagram.hpp"
#include "nft/io/descriptor.hpp"
#include "nft/io/socket_address.hpp"

#include <array>
#include <gtest/gtest.h>
#include <sys/socket.h>

using namespace cofferdam;
using namespace cofferdam::nft;

TEST(datagram, what_the_kernel_drops_is_counted)
{
    const descriptor receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const descriptor sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int little = 1; // the kernel's least
    ::setsockopt(receiver.number(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    socket_address at({ip_address::v4({127, 0, 0, 1}), 0});
    ASSERT_EQ(::bind(receiver.number(), at.raw(), at.size), 0);
    ASSERT_EQ(::getsockname(receiver.number(), at.raw(), &at.size), 0);
    EXPECT_EQ(dropped_datagrams(receiver.number()), 0U);

    constexpr unsigned sent = 200;
    std::array<std::uint8_t, 1000> bytes{};
    for (unsigned i = 0; i < sent; ++i)
        ASSERT_EQ(::sendto(sender.number(), bytes.data(), bytes.size(), 0, at.raw(), at.size), ssize_t{bytes.size()});
    unsigned arrived = 0;
    while (::recv(receiver.number(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) ++arrived;
    EXPECT_GT(arrived, 0U);
    EXPECT_LT(arrived, sent);
    EXPECT_EQ(arrived + dropped_datagrams(receiver.number()), sent);
    EXPECT_EQ(dropped_datagrams(-1), 0U);
}
