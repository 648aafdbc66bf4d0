#pragma once

#include "core/io/coroutine.hpp"
#include "test_pki.hpp"
#include "tls/io/stream.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <csignal>
#include <exception>
#include <gtest/gtest.h>

namespace cofferdam::tls::test {

namespace asio = boost::asio;

/// Two connected sockets on 127.0.0.1 and the loop that drives both ends.
struct loopback {
    loopback()
    {
        std::signal(SIGPIPE, SIG_IGN); // as the gateway does
        asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
        near.connect(acceptor.local_endpoint());
        acceptor.accept(far);
    }

    /// Starts a coroutine; the callable must live until run() has returned.
    template <class Coroutine>
    void start(Coroutine& body)
    {
        asio::co_spawn(io, body(), [](std::exception_ptr e) {
            if (e) std::rethrow_exception(e);
        });
    }

    /// Until every coroutine has ended, which must be within a minute.
    void run()
    {
        io.run_for(std::chrono::minutes(1));
        EXPECT_TRUE(io.stopped()) << "a coroutine hangs";
    }

    asio::io_context io{1};
    asio::ip::tcp::socket near{io};
    asio::ip::tcp::socket far{io};
};

/// An origin's context with a fixture certificate.
inline ssl_ctx_ptr origin_context(const identity& who)
{
    ssl_ctx_ptr out(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(out.get(), who.certificate.get());
    SSL_CTX_use_PrivateKey(out.get(), who.key.get());
    return out;
}

inline ssl_ptr accepting(SSL_CTX& context)
{
    ssl_ptr out(SSL_new(&context));
    SSL_set_accept_state(out.get());
    return out;
}

} // namespace cofferdam::tls::test
