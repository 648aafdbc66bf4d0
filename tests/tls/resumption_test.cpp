// Sessions: resumed with the same name, port, leaf and job, and never anywhere else.
#include "loopback.hpp"
#include "temporary_file.hpp"
#include "tls/authority.hpp"
#include "tls/upstream.hpp"

#include <vector>

namespace cofferdam::tls {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

struct outcome {
    bool failed = true;
    bool resumed = false;
};

/// A handshake, one byte each way (TLS 1.3 sends its tickets behind the handshake), and the end.
outcome talk(ssl_ptr near, ssl_ptr far)
{
    test::loopback loop;
    tls_stream client(std::move(loop.near), std::move(near));
    tls_stream server(std::move(loop.far), std::move(far));
    outcome out;
    auto dialling = [&]() -> awaitable<void> {
        const auto failure = co_await client.async_handshake();
        std::vector<std::uint8_t> bytes(1);
        const std::span<std::uint8_t> into(bytes);
        transfer got;
        if (!failure) {
            co_await client.async_write(as_bytes("?"));
            got = co_await client.async_read_some(into);
        }
        out.failed = failure || got.transferred != 1;
        out.resumed = SSL_session_reused(&client.native()) == 1;
        client.close(); // without close_notify, as many do
    };
    auto answering = [&]() -> awaitable<void> {
        const auto failure = co_await server.async_handshake();
        std::vector<std::uint8_t> bytes(1);
        const std::span<std::uint8_t> into(bytes);
        if (!failure) {
            co_await server.async_read_some(into);
            co_await server.async_write(as_bytes("!"));
        }
    };
    loop.start(dialling);
    loop.start(answering);
    loop.run();
    return out;
}

class downstream_resumption : public testing::Test {
protected:
    ssl_ptr gateway(std::string_view host, leaf_kind kind = leaf_kind::origin)
    {
        auto out = test::accepting(*context_);
        EXPECT_FALSE(authority_.present(*out, leaves_.get(host, kind)->certificate));
        return out;
    }

    /// A client of this job that keeps its sessions by name and port, as clients do.
    outcome visit(upstream_context& client, std::string_view host, ssl_ptr gateway_side, int version = TLS1_3_VERSION)
    {
        auto near = std::move(*client.connection(host, 443));
        SSL_set_max_proto_version(near.get(), version);
        return talk(std::move(near), std::move(gateway_side));
    }

    upstream_context client() const { return upstream_context(settings{.extra_roots = {ca_file_.path()}}); }

    authority authority_{"0job1", settings{}, std::chrono::system_clock::now()};
    leaf_cache leaves_{authority_, 16};
    test::temporary_file ca_file_{authority_.pem()};
    ssl_ctx_ptr context_ = make_server_context(settings{});
};

TEST_F(downstream_resumption, works_under_the_same_name)
{
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        auto job = client();
        EXPECT_FALSE(visit(job, "a.example", gateway("a.example"), version).resumed);
        const auto second = visit(job, "a.example", gateway("a.example"), version);
        EXPECT_FALSE(second.failed);
        EXPECT_TRUE(second.resumed) << version;
    }
}

TEST_F(downstream_resumption, a_ticket_is_no_good_under_another_leaf_or_in_another_job)
{
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (int round = 0; round < 3; ++round) {
            auto job = client();
            EXPECT_FALSE(visit(job, "a.example", gateway("a.example"), version).failed);
            // The client offers its ticket for a.example; this is what the other side is now.
            ssl_ptr other = gateway("b.example");
            if (round == 1) other = gateway("a.example", leaf_kind::refusal);
            const auto other_context = make_server_context(settings{});
            if (round == 2) {
                other = test::accepting(*other_context);
                EXPECT_FALSE(authority_.present(*other, leaves_.get("a.example", leaf_kind::origin)->certificate));
            }
            const auto got = visit(job, "a.example", std::move(other), version);
            EXPECT_FALSE(got.resumed) << version << ' ' << round;
            EXPECT_EQ(got.failed, round == 0) << "b.example's leaf is not a.example's";
        }
    }
}

TEST_F(downstream_resumption, can_be_turned_off)
{
    context_ = make_server_context(settings{.session_lifetime = std::chrono::seconds(0)});
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        auto job = client();
        for (int i = 0; i < 2; ++i) EXPECT_FALSE(visit(job, "a.example", gateway("a.example"), version).resumed);
        EXPECT_EQ(job.sessions().size(), 0U);
    }
}

class upstream_resumption : public testing::Test {
protected:
    outcome dial(const upstream_context& gateway, std::string_view host, std::uint16_t port)
    {
        return talk(std::move(*gateway.connection(host, port)), test::accepting(*origin_));
    }

    test::identity root_ = test::make_root();
    test::temporary_file root_file_{root_.pem()};
    settings options_{.extra_roots = {root_file_.path()}};
    test::identity who_ = test::issue({.alternative_names = "DNS:a.example,DNS:b.example,IP:192.0.2.7"}, &root_);
    ssl_ctx_ptr origin_ = test::origin_context(who_);
};

TEST_F(upstream_resumption, keeps_to_host_and_port)
{
    const upstream_context gateway(options_);
    EXPECT_FALSE(dial(gateway, "a.example", 443).resumed);
    EXPECT_FALSE(dial(gateway, "b.example", 443).resumed);
    EXPECT_FALSE(dial(gateway, "a.example", 8443).resumed);
    EXPECT_FALSE(dial(gateway, "192.0.2.7", 443).resumed);
    EXPECT_TRUE(dial(gateway, "a.example", 443).resumed);
    EXPECT_TRUE(dial(gateway, "192.0.2.7", 443).resumed);
    const upstream_context other_job(options_);
    EXPECT_FALSE(dial(other_job, "a.example", 443).resumed);
}

TEST_F(upstream_resumption, a_server_that_was_not_verified_leaves_no_session)
{
    const upstream_context gateway(settings{});
    EXPECT_TRUE(dial(gateway, "a.example", 443).failed);
    EXPECT_EQ(gateway.sessions().size(), 0U);
}

TEST_F(upstream_resumption, is_bounded_in_number_and_time)
{
    options_.session_cache = 3;
    const upstream_context gateway(options_);
    for (std::uint16_t port = 1; port <= 5; ++port) EXPECT_FALSE(dial(gateway, "a.example", port).failed);
    EXPECT_EQ(gateway.sessions().size(), 3U);
    EXPECT_FALSE(dial(gateway, "a.example", 1).resumed) << "thrown away for newer ones";
    EXPECT_TRUE(dial(gateway, "a.example", 5).resumed);
}

TEST_F(upstream_resumption, an_old_session_is_not_offered)
{
    const upstream_context made(options_);
    auto near = std::move(*made.connection("a.example", 443));
    SSL* const kept = near.get();
    SSL_up_ref(kept);
    const ssl_ptr holder(kept);
    ASSERT_FALSE(talk(std::move(near), test::accepting(*origin_)).failed);
    const auto aged = [&](long seconds) {
        ssl_session_ptr copy(SSL_SESSION_dup(SSL_get0_session(kept)));
        SSL_SESSION_set_time(copy.get(), SSL_SESSION_get_time(copy.get()) - seconds);
        return copy;
    };
    session_cache cache(4, std::chrono::seconds(100));
    cache.put("a", aged(101));
    EXPECT_EQ(cache.take("a"), nullptr);
    EXPECT_EQ(cache.size(), 0U);
    cache.put("a", aged(50));
    EXPECT_NE(cache.take("a"), nullptr);
    EXPECT_EQ(cache.take("a"), nullptr) << "given out once";
}

} // namespace
} // namespace cofferdam::tls
