#include "core/error.hpp"
#include "hello_samples.hpp"
#include "loopback.hpp"
#include "tls/io/peek.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <optional>

namespace cofferdam::tls {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using std::chrono::milliseconds;

/// What peeking says of a client that sends `wire` in pieces of `size` and then, if asked, ends.
result<client_hello> peeked(test::loopback& loop, const test::bytes& wire, std::size_t size, bool ends = false)
{
    std::optional<result<client_hello>> out;
    auto client = [&]() -> awaitable<void> {
        for (std::size_t at = 0; at < wire.size() && !out; at += size) {
            const auto piece = asio::buffer(wire.data() + at, std::min(size, wire.size() - at));
            co_await asio::async_write(loop.near, piece, asio::use_awaitable);
            asio::steady_timer pause(loop.io, milliseconds(1));
            co_await pause.async_wait(asio::use_awaitable);
        }
        if (ends) loop.near.shutdown(asio::socket_base::shutdown_send);
    };
    auto gateway = [&]() -> awaitable<void> { out = co_await async_peek_client_hello(loop.far, 65536); };
    loop.near.set_option(asio::ip::tcp::no_delay(true));
    loop.start(client);
    loop.start(gateway);
    loop.run();
    return out.value_or(make_error_code(errc::timed_out));
}

TEST(peek, segments_of_any_size)
{
    for (const std::size_t size : {1U, 7U, 100U, 10'000U}) {
        test::loopback loop;
        const auto wire = test::sample("curl");
        const auto hello = peeked(loop, wire, size);
        ASSERT_TRUE(hello) << hello.error().message();
        EXPECT_EQ(hello->sni, "curl.example");
        test::bytes left(wire.size());
        EXPECT_EQ(loop.far.receive(asio::buffer(left)), wire.size());
        EXPECT_EQ(left, wire) << "nothing was taken";
        asio::socket_base::receive_low_watermark mark;
        loop.far.get_option(mark);
        EXPECT_EQ(mark.value(), 1);
    }
}

TEST(peek, larger_than_the_first_look_and_in_small_records)
{
    const auto message = test::hello_message({test::server_name("big.example"), {21, test::bytes(20'000)}});
    for (const std::size_t record : {100U, 16384U}) {
        test::loopback loop;
        const auto hello = peeked(loop, test::in_records(message, record), 1400);
        ASSERT_TRUE(hello) << hello.error().message();
        EXPECT_EQ(hello->sni, "big.example");
    }
}

TEST(peek, clients_that_end_or_speak_something_else)
{
    auto wire = test::sample("curl");
    wire.resize(200);
    {
        test::loopback loop;
        EXPECT_EQ(peeked(loop, wire, 50, true).error(), errc::closed);
    }
    {
        test::loopback loop;
        EXPECT_EQ(peeked(loop, {}, 50, true).error(), errc::closed);
    }
    {
        test::loopback loop;
        const std::string text = "GET / HTTP/1.1\r\n";
        EXPECT_EQ(peeked(loop, test::bytes(text.begin(), text.end()), 1).error(), errc::unsupported);
    }
}

TEST(peek, ends_when_cancelled)
{
    test::loopback loop;
    error_code seen;
    auto gateway = [&]() -> awaitable<void> {
        const auto got = co_await async_peek_client_hello(loop.far, 65536);
        seen = got ? error_code() : got.error();
    };
    auto reaper = [&]() -> awaitable<void> {
        asio::steady_timer soon(loop.io, milliseconds(20));
        co_await soon.async_wait(asio::use_awaitable);
        loop.far.cancel();
    };
    loop.start(gateway);
    loop.start(reaper);
    loop.run();
    EXPECT_EQ(seen, asio::error::operation_aborted);
    EXPECT_TRUE(loop.far.is_open());
}

} // namespace
} // namespace cofferdam::tls
