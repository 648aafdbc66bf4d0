#include "core/error.hpp"
#include "core/io/coroutine.hpp"
#include "loopback.hpp"
#include "temporary_file.hpp"
#include "tls/authority.hpp"
#include "tls/openssl_error.hpp"
#include "tls/upstream.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <vector>

namespace cofferdam::tls {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using std::chrono::milliseconds;

/// A job's client and the gateway in front of it.
class downstream : public testing::Test {
protected:
    /// A client in connect state for a.example which trusts the job's CA, or only the system's roots.
    ssl_ptr client_connection(bool trusting) const
    {
        settings options;
        if (trusting) options.extra_roots = {ca_file_.path()};
        const upstream_context context(options);
        return std::move(*context.connection("a.example", 443));
    }

    ssl_ptr gateway_connection() const
    {
        auto out = test::accepting(*context_);
        EXPECT_FALSE(authority_.present(*out, *authority_.mint("a.example", leaf_kind::origin)));
        return out;
    }

    void connect(bool trusting = true)
    {
        client_ = std::make_unique<tls_stream>(std::move(loop_.near), client_connection(trusting));
        gateway_ = std::make_unique<tls_stream>(std::move(loop_.far), gateway_connection());
    }

    authority authority_{"0job1", settings{}, std::chrono::system_clock::now()};
    test::temporary_file ca_file_{authority_.pem()};
    ssl_ctx_ptr context_ = make_server_context(settings{});
    test::loopback loop_;
    std::unique_ptr<tls_stream> client_;
    std::unique_ptr<tls_stream> gateway_;
};

TEST_F(downstream, a_client_that_trusts_the_ca_is_served)
{
    connect();
    auto client = [&]() -> awaitable<void> {
        const auto failure = co_await client_->async_handshake();
        EXPECT_FALSE(failure) << failure.message();
        const auto sent = co_await client_->async_write(as_bytes("ping"));
        EXPECT_EQ(sent.transferred, 4U);
        std::vector<std::uint8_t> bytes(16);
        const std::span<std::uint8_t> into(bytes);
        const auto got = co_await client_->async_read_some(into);
        EXPECT_EQ(as_text(byte_view(bytes).first(got.transferred)), "pong");
        const auto end = co_await client_->async_read_some(into);
        EXPECT_EQ(end.error, errc::closed) << "close_notify";
        const auto bye = co_await client_->async_shutdown(milliseconds(1000));
        EXPECT_FALSE(bye) << bye.message();
    };
    auto gateway = [&]() -> awaitable<void> {
        const auto failure = co_await gateway_->async_handshake();
        EXPECT_FALSE(failure) << failure.message();
        std::vector<std::uint8_t> bytes(16);
        const std::span<std::uint8_t> into(bytes);
        const auto got = co_await gateway_->async_read_some(into);
        EXPECT_EQ(as_text(byte_view(bytes).first(got.transferred)), "ping");
        co_await gateway_->async_write(as_bytes("pong"));
        const auto bye = co_await gateway_->async_shutdown(milliseconds(1000));
        EXPECT_FALSE(bye) << bye.message();
        EXPECT_FALSE(gateway_->is_open());
    };
    loop_.start(client);
    loop_.start(gateway);
    loop_.run();
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(&client_->native(), &protocol, &size);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(protocol), size), "http/1.1");
}

TEST_F(downstream, a_client_that_does_not_trust_the_ca_is_reported)
{
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        test::loopback loop;
        auto distrusting = client_connection(false);
        SSL_set_max_proto_version(distrusting.get(), version);
        tls_stream client(std::move(loop.near), std::move(distrusting));
        tls_stream gateway(std::move(loop.far), gateway_connection());
        auto dialling = [&]() -> awaitable<void> {
            const auto failure = co_await client.async_handshake();
            EXPECT_TRUE(failure);
            client.close();
        };
        error_code seen;
        auto serving = [&]() -> awaitable<void> { seen = co_await gateway.async_handshake(); };
        loop.start(dialling);
        loop.start(serving);
        loop.run();
        EXPECT_EQ(seen, stream_errc::client_rejected_leaf) << seen.message();
    }
}

TEST_F(downstream, a_client_that_leaves_without_a_word_is_reported)
{
    for (const bool reset : {false, true}) {
        test::loopback loop;
        tls_stream client(std::move(loop.near), client_connection(true));
        tls_stream gateway(std::move(loop.far), gateway_connection());
        auto dialling = [&]() -> awaitable<void> { // as Node does: checks the certificate when the handshake is over
            co_await client.async_handshake();
            if (reset) client.socket().set_option(asio::socket_base::linger(true, 0));
            client.close();
        };
        transfer seen;
        auto serving = [&]() -> awaitable<void> {
            co_await gateway.async_handshake();
            std::vector<std::uint8_t> bytes(16);
            const std::span<std::uint8_t> into(bytes);
            seen = co_await gateway.async_read_some(into);
        };
        loop.start(dialling);
        loop.start(serving);
        loop.run();
        EXPECT_EQ(seen.error, stream_errc::closed_after_leaf) << seen.error.message();
    }
}

TEST_F(downstream, leaving_in_the_handshake)
{
    // The client's first flight, then FIN: it has seen (or could have seen) the leaf. FIN before the hello: it has not.
    for (const bool hello : {false, true}) {
        test::loopback loop;
        plain_stream client(std::move(loop.near));
        tls_stream gateway(std::move(loop.far), gateway_connection());
        auto scratch = client_connection(true);
        SSL_set_bio(scratch.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_do_handshake(scratch.get());
        char* flight = nullptr;
        const long size = BIO_get_mem_data(SSL_get_wbio(scratch.get()), &flight);
        const std::string first(flight, static_cast<std::size_t>(size));
        auto dialling = [&]() -> awaitable<void> {
            if (hello) co_await client.async_write(as_bytes(first));
            co_await client.async_shutdown_write();
        };
        error_code seen;
        auto serving = [&]() -> awaitable<void> { seen = co_await gateway.async_handshake(); };
        loop.start(dialling);
        loop.start(serving);
        loop.run();
        EXPECT_EQ(seen, hello ? stream_errc::closed_after_leaf : stream_errc::truncated) << seen.message();
    }
}

TEST_F(downstream, h2_only_clients_get_an_alert)
{
    auto connection = client_connection(true);
    const unsigned char h2[] = {2, 'h', '2'};
    SSL_set_alpn_protos(connection.get(), h2, sizeof h2);
    client_ = std::make_unique<tls_stream>(std::move(loop_.near), std::move(connection));
    gateway_ = std::make_unique<tls_stream>(std::move(loop_.far), gateway_connection());
    int alert = 0;
    auto client = [&]() -> awaitable<void> {
        const auto failure = co_await client_->async_handshake();
        EXPECT_TRUE(is_received_alert(failure, &alert)) << failure.message();
    };
    auto gateway = [&]() -> awaitable<void> {
        const auto failure = co_await gateway_->async_handshake();
        EXPECT_TRUE(failure);
        gateway_->close();
    };
    loop_.start(client);
    loop_.start(gateway);
    loop_.run();
    EXPECT_EQ(alert, SSL_AD_NO_APPLICATION_PROTOCOL);
}

TEST_F(downstream, fin_without_close_notify_is_truncation)
{
    connect();
    auto client = [&]() -> awaitable<void> {
        co_await client_->async_handshake();
        co_await client_->async_write(as_bytes("half a request"));
        client_->close();
    };
    transfer first;
    transfer second;
    auto gateway = [&]() -> awaitable<void> {
        co_await gateway_->async_handshake();
        std::vector<std::uint8_t> bytes(64);
        const std::span<std::uint8_t> into(bytes);
        first = co_await gateway_->async_read_some(into);
        second = co_await gateway_->async_read_some(into);
        const auto bye = co_await gateway_->async_shutdown(milliseconds(200));
        EXPECT_FALSE(gateway_->is_open()) << bye.message();
    };
    loop_.start(client);
    loop_.start(gateway);
    loop_.run();
    EXPECT_EQ(first.transferred, 14U);
    EXPECT_EQ(second.error, stream_errc::truncated);
}

TEST_F(downstream, closing_from_outside_ends_what_is_under_way)
{
    connect();
    error_code handshake;
    auto gateway = [&]() -> awaitable<void> { handshake = co_await gateway_->async_handshake(); }; // no client ever speaks
    auto reaper = [&]() -> awaitable<void> {
        asio::steady_timer soon(loop_.io, milliseconds(20));
        co_await soon.async_wait(asio::use_awaitable);
        gateway_->close();
    };
    loop_.start(gateway);
    loop_.start(reaper);
    loop_.run();
    EXPECT_EQ(handshake, asio::error::operation_aborted);
    transfer later;
    auto again = [&]() -> awaitable<void> { later = co_await gateway_->async_write(as_bytes("x")); };
    loop_.io.restart();
    loop_.start(again);
    loop_.run();
    EXPECT_EQ(later.error, asio::error::operation_aborted) << "a closed stream touches no descriptor";
}

TEST_F(downstream, shutdown_does_not_wait_for_ever)
{
    connect();
    error_code seen;
    auto client = [&]() -> awaitable<void> { co_await client_->async_handshake(); }; // and never closes
    auto gateway = [&]() -> awaitable<void> {
        co_await gateway_->async_handshake();
        seen = co_await gateway_->async_shutdown(milliseconds(30));
    };
    loop_.start(client);
    loop_.start(gateway);
    loop_.run();
    EXPECT_EQ(seen, errc::timed_out);
    EXPECT_FALSE(gateway_->is_open());
}

TEST_F(downstream, gives_way_while_bytes_never_run_out)
{
    test::loopback loop;
    plain_stream from(std::move(loop.near));
    plain_stream to(std::move(loop.far));
    int others = 0;
    bool done = false;
    auto busy = [&]() -> awaitable<void> {
        std::vector<std::uint8_t> byte(1);
        for (int i = 0; i < 3200; ++i) co_await from.async_write(byte); // never has to wait
        done = true;
    };
    auto other = [&]() -> awaitable<void> {
        while (!done) {
            ++others;
            co_await asio::post(loop.io, asio::use_awaitable);
        }
    };
    loop.start(busy);
    loop.start(other);
    loop.run();
    EXPECT_GE(others, 90);
}

/// Sends `total` bytes of a pattern over `out`, and reads as many from `in` and compares, in both directions at once.
struct duplex {
    static constexpr std::size_t block = 61'003; // no divisor of anything

    static std::uint8_t pattern(std::size_t at, std::uint8_t seed)
    {
        return static_cast<std::uint8_t>(at * 31 + (at >> 13) + seed);
    }

    static awaitable<void> send(stream& out, std::size_t total, std::uint8_t seed)
    {
        std::vector<std::uint8_t> bytes(block);
        for (std::size_t at = 0; at < total;) {
            const auto n = std::min(block, total - at);
            for (std::size_t i = 0; i < n; ++i) bytes[i] = pattern(at + i, seed);
            const auto from = byte_view(bytes).first(n);
            const auto sent = co_await out.async_write(from);
            EXPECT_FALSE(sent.error) << sent.error.message();
            if (sent.error) co_return;
            at += n;
        }
        const auto ended = co_await out.async_shutdown_write();
        EXPECT_FALSE(ended) << ended.message();
    }

    static awaitable<void> receive(stream& in, std::size_t total, std::uint8_t seed)
    {
        std::vector<std::uint8_t> bytes(block);
        std::size_t at = 0;
        std::size_t wrong = 0;
        for (;;) {
            const std::span<std::uint8_t> into(bytes);
            const auto got = co_await in.async_read_some(into);
            if (got.error) {
                EXPECT_EQ(got.error, errc::closed) << got.error.message();
                break;
            }
            for (std::size_t i = 0; i < got.transferred; ++i) wrong += bytes[i] != pattern(at + i, seed);
            at += got.transferred;
        }
        EXPECT_EQ(at, total);
        EXPECT_EQ(wrong, 0U);
    }

    static void run(test::loopback& loop, stream& a, stream& b, std::size_t total)
    {
        auto a_sends = [&]() { return send(a, total, 1); };
        auto b_sends = [&]() { return send(b, total, 2); };
        auto a_receives = [&]() { return receive(a, total, 2); };
        auto b_receives = [&]() { return receive(b, total, 1); };
        loop.start(a_sends);
        loop.start(b_sends);
        loop.start(a_receives);
        loop.start(b_receives);
        loop.run();
    }
};

constexpr std::size_t big = 100'000'000;

/// Small enough that every write has to wait. (A receive buffer below the loopback's 64 KB segments would leave the
/// transfer to TCP's persist timer.)
void shrink_buffers(asio::ip::tcp::socket& socket)
{
    socket.set_option(asio::socket_base::send_buffer_size(16 * 1024));
    socket.set_option(asio::socket_base::receive_buffer_size(128 * 1024));
}

TEST_F(downstream, a_hundred_megabytes_both_ways_at_once)
{
    shrink_buffers(loop_.near);
    shrink_buffers(loop_.far);
    connect();
    auto client = [&]() -> awaitable<void> { co_await client_->async_handshake(); };
    auto gateway = [&]() -> awaitable<void> { co_await gateway_->async_handshake(); };
    loop_.start(client);
    loop_.start(gateway);
    loop_.run();
    loop_.io.restart();
    duplex::run(loop_, *client_, *gateway_, big);
}

TEST(plain, a_hundred_megabytes_both_ways_at_once)
{
    test::loopback loop;
    shrink_buffers(loop.near);
    shrink_buffers(loop.far);
    plain_stream a(std::move(loop.near));
    plain_stream b(std::move(loop.far));
    duplex::run(loop, a, b, big);
}

} // namespace
} // namespace cofferdam::tls
