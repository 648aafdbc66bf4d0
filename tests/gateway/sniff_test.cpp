#include "core/io/coroutine.hpp"
#include "gateway/sniff.hpp"
#include "tests/tls/hello_samples.hpp"
#include "tests/tls/loopback.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>
#include <optional>

namespace cofferdam::gateway {
namespace {

namespace asio = boost::asio;
namespace test = tls::test;
using asio::awaitable;
using std::chrono::milliseconds;

constexpr milliseconds long_enough{20'000};

struct behaviour {
    std::size_t piece = 10'000; // bytes of a segment
    bool ends = false;
    milliseconds patience = long_enough;
    milliseconds limit = long_enough;
};

/// What is made of a client that sends `wire`.
sniffed sniffed_from(test::loopback& loop, const test::bytes& wire, behaviour how = {})
{
    std::optional<sniffed> out;
    auto client = [&]() -> awaitable<void> {
        for (std::size_t at = 0; at < wire.size() && !out; at += how.piece) {
            const auto piece = asio::buffer(wire.data() + at, std::min(how.piece, wire.size() - at));
            co_await asio::async_write(loop.near, piece, asio::use_awaitable);
            asio::steady_timer pause(loop.io, milliseconds(1));
            co_await pause.async_wait(asio::use_awaitable);
        }
        if (how.ends) loop.near.shutdown(asio::socket_base::shutdown_send);
    };
    auto gateway = [&]() -> awaitable<void> {
        sniffed got = co_await sniff(loop.far, 65536, how.patience, how.limit);
        out = std::move(got);
    };
    loop.near.set_option(asio::ip::tcp::no_delay(true));
    loop.start(client);
    loop.start(gateway);
    loop.run();
    return out.value_or(sniffed{});
}

test::bytes bytes_of(std::string_view text)
{
    return {text.begin(), text.end()};
}

} // namespace

TEST(sniff, a_hello_in_segments_of_any_size_and_nothing_is_taken)
{
    for (const std::size_t size : {1U, 7U, 100U, 10'000U}) {
        test::loopback loop;
        const auto wire = test::sample("curl");
        const auto got = sniffed_from(loop, wire, {.piece = size});
        ASSERT_EQ(got.what, first_bytes::tls);
        EXPECT_EQ(got.hello.sni, "curl.example");
        test::bytes left(wire.size());
        EXPECT_EQ(loop.far.receive(asio::buffer(left)), wire.size());
        EXPECT_EQ(left, wire);
        asio::socket_base::receive_low_watermark mark;
        loop.far.get_option(mark);
        EXPECT_EQ(mark.value(), 1);
    }
}

TEST(sniff, a_hello_larger_than_the_first_look_and_in_small_records)
{
    const auto message = test::hello_message({test::server_name("big.example"), {21, test::bytes(20'000)}});
    for (const std::size_t record : {100U, 16384U}) {
        test::loopback loop;
        const auto got = sniffed_from(loop, test::in_records(message, record), {.piece = 1400});
        ASSERT_EQ(got.what, first_bytes::tls);
        EXPECT_EQ(got.hello.sni, "big.example");
    }
}

TEST(sniff, clients_that_end_early)
{
    auto wire = test::sample("curl");
    wire.resize(200);
    test::loopback cut, empty, line;
    EXPECT_EQ(sniffed_from(cut, wire, {.piece = 50, .ends = true}).what, first_bytes::bad_tls);
    EXPECT_EQ(sniffed_from(empty, {}, {.ends = true}).what, first_bytes::closed);
    EXPECT_EQ(sniffed_from(line, bytes_of("GET /"), {.ends = true}).what, first_bytes::opaque);
}

TEST(sniff, clients_that_stop)
{
    auto wire = test::sample("curl");
    wire.resize(200);
    test::loopback cut, silent, line;
    const behaviour impatient{.patience = milliseconds(50), .limit = milliseconds(50)};
    EXPECT_EQ(sniffed_from(cut, wire, impatient).what, first_bytes::bad_tls);
    EXPECT_EQ(sniffed_from(silent, {}, impatient).what, first_bytes::silent);
    EXPECT_EQ(sniffed_from(line, bytes_of("GET /"), impatient).what, first_bytes::http) << "for the strict parser";
}

TEST(sniff, a_request_byte_by_byte)
{
    test::loopback loop;
    EXPECT_EQ(sniffed_from(loop, bytes_of("GET / HTTP/1.1\r\n"), {.piece = 1}).what, first_bytes::http);
}

} // namespace cofferdam::gateway
