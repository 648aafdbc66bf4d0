#include "http/h2_session.hpp"
#include "tests/http/h2_peer.hpp"

#include <gtest/gtest.h>

namespace cofferdam::http {
namespace {

using role = h2_session::role;
using std::chrono::seconds;

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload)
{
    std::string out;
    for (const int shift : {16, 8, 0}) out += static_cast<char>(payload.size() >> shift);
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift);
    out += payload;
    return out;
}

// Literal header fields without indexing, names and values below 128 octets.
std::string literal(const field_list& fields)
{
    std::string out;
    for (const auto& [name, value] : fields) {
        out += '\0';
        out += static_cast<char>(name.size());
        out += name;
        out += static_cast<char>(value.size());
        out += value;
    }
    return out;
}

const field_list get{{":method", "GET"}, {":scheme", "https"}, {":authority", "a.example"}, {":path", "/"}};

/// A server and a client with nothing but memory between them.
class h2_session_test : public testing::Test {
protected:
    void exchange_bytes()
    {
        for (bool moved = true; moved;) {
            moved = false;
            std::string up, down;
            client.send(up, 1U << 20);
            if (!up.empty()) server.receive(as_bytes(up), now);
            server.send(down, 1U << 20);
            if (!down.empty()) client.receive(as_bytes(down), now);
            moved = !up.empty() || !down.empty();
        }
    }
    bool raw(const std::string& bytes) { return server.receive(as_bytes(bytes), now); }
    void start_raw() { raw(std::string(preface) + frame(4, 0, 0, "")); }

    limits bounds;
    h2_peer at_server, at_client;
    h2_session::time_point now{seconds(1000)};
    h2_session server{role::server, bounds, at_server};
    h2_session client{role::client, bounds, at_client};
};

TEST_F(h2_session_test, carries_a_request_and_its_answer_with_trailers_both_ways)
{
    auto post = get;
    post[0].second = "POST";
    const auto id = client.request(post, false);
    at_client.streams[id].to_send = std::string(1000, 'q');
    at_client.streams[id].trailers_to_send = {{"x-sum", "1"}};
    exchange_bytes();
    auto& seen = at_server.streams[id];
    ASSERT_EQ(seen.heads.size(), 1U);
    EXPECT_EQ(seen.heads[0], post);
    EXPECT_FALSE(seen.headed_end);
    EXPECT_EQ(seen.data.size(), 1000U);
    EXPECT_TRUE(seen.ended);
    EXPECT_EQ(seen.trailers, (field_list{{"x-sum", "1"}}));

    seen.to_send = std::string(500, 'a');
    seen.trailers_to_send = {{"grpc-status", "0"}};
    server.interim(id, {{":status", "103"}});
    server.answer(id, {{":status", "200"}}, false);
    exchange_bytes();
    const auto& got = at_client.streams[id];
    ASSERT_EQ(got.heads.size(), 2U);
    EXPECT_EQ(got.heads[0][0].second, "103");
    EXPECT_EQ(got.data.size(), 500U);
    EXPECT_EQ(got.trailers, (field_list{{"grpc-status", "0"}}));
    EXPECT_TRUE(got.closed && got.code == 0 && at_server.streams[id].closed && at_server.streams[id].sent_end);
}

TEST_F(h2_session_test, a_body_waits_for_its_window)
{
    const auto id = client.request(get, false);
    at_client.streams[id].to_send = std::string(1U << 20, 'x');
    exchange_bytes();
    EXPECT_EQ(at_server.streams[id].data.size(), bounds.http2.stream_window);
    server.consume(id, 200'000);
    exchange_bytes();
    EXPECT_EQ(at_server.streams[id].data.size(), bounds.http2.stream_window + 200'000);
}

TEST_F(h2_session_test, the_connection_window_comes_back_when_a_stream_goes)
{
    for (int i = 0; i < 40; ++i) { // 40 times 256 KiB is more than the window of the connection
        const auto id = client.request(get, false);
        at_client.streams[id].to_send = std::string(bounds.http2.stream_window, 'x');
        at_client.streams[id].ends = false;
        exchange_bytes();
        ASSERT_EQ(at_server.streams[id].data.size(), bounds.http2.stream_window) << i;
        server.reset(id, h2_code::cancel);
        exchange_bytes();
        ASSERT_EQ(at_client.streams[id].code, static_cast<std::uint32_t>(h2_code::cancel));
    }
}

TEST_F(h2_session_test, a_body_that_is_not_there_yet_is_asked_for_again)
{
    const auto id = client.request(get, true);
    exchange_bytes();
    at_server.streams[id].ends = false;
    server.answer(id, {{":status", "200"}}, false);
    exchange_bytes();
    EXPECT_TRUE(at_client.streams[id].data.empty());
    at_server.streams[id].to_send = "late";
    at_server.streams[id].ends = true;
    server.resume(id);
    exchange_bytes();
    EXPECT_EQ(at_client.streams[id].data, "late");
    EXPECT_TRUE(at_client.streams[id].ended);
}

TEST_F(h2_session_test, resets_and_goaway_arrive_with_their_codes)
{
    const auto id = client.request(get, true);
    exchange_bytes();
    client.reset(id, 8);
    exchange_bytes();
    EXPECT_EQ(at_server.streams[id].code, 8U);
    server.goaway(0);
    exchange_bytes();
    EXPECT_EQ(at_client.goaways, std::vector<std::uint32_t>{0});
    EXPECT_TRUE(client.finished());
}

TEST_F(h2_session_test, extended_connect_is_announced_and_taken)
{
    exchange_bytes();
    EXPECT_FALSE(at_client.connect);
    server.enable_connect();
    exchange_bytes();
    EXPECT_TRUE(at_client.connect);
    auto connect = get;
    connect[0].second = "CONNECT";
    connect.insert(connect.begin() + 1, {":protocol", "websocket"});
    const auto id = client.request(connect, false);
    at_client.streams[id].ends = false;
    exchange_bytes();
    ASSERT_EQ(at_server.streams[id].heads.size(), 1U);
    EXPECT_EQ(at_server.streams[id].heads[0][1].second, "websocket");
}

TEST_F(h2_session_test, what_breaks_the_rules_is_malformed_once_and_never_a_head)
{
    const std::vector<field_list> bad{
        {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}, {"x", "a\r\nb"}},
        {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}, {"X", "a"}},
        {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}, {"connection", "close"}},
        {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}, {"te", "gzip"}},
        {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}},
        {{":method", "GET"}, {":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}},
        {{"x", "y"}, {":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}},
    };
    start_raw();
    std::uint32_t id = 1;
    for (const auto& fields : bad) {
        EXPECT_TRUE(raw(frame(1, 5, id, literal(fields))));
        const auto& seen = at_server.streams[static_cast<stream_id>(id)];
        EXPECT_TRUE(seen.malformed && seen.heads.empty()) << id;
        id += 2;
    }
    std::string out;
    server.send(out, 1U << 20);
    EXPECT_TRUE(at_server.streams[1].closed);
    EXPECT_EQ(at_server.streams[1].code, 1U) << "PROTOCOL_ERROR";
    EXPECT_TRUE(raw(frame(1, 5, id, literal(get)))) << "the connection goes on";
    EXPECT_EQ(at_server.streams[static_cast<stream_id>(id)].heads.size(), 1U);
}

TEST_F(h2_session_test, a_content_length_that_lies_is_malformed)
{
    start_raw();
    auto fields = get;
    fields.emplace_back("content-length", "5");
    raw(frame(1, 4, 1, literal(fields)));
    raw(frame(0, 1, 1, "abc"));
    EXPECT_FALSE(at_server.streams[1].ended);
    std::string out;
    server.send(out, 1U << 20);
    EXPECT_EQ(at_server.streams[1].code, 1U);
}

TEST_F(h2_session_test, resets_are_paid_for_and_the_budget_fills_again)
{
    start_raw();
    std::uint32_t id = 1;
    const auto reset_once = [&] {
        const bool goes_on = raw(frame(1, 5, id, literal(get)) + frame(3, 0, id, std::string("\0\0\0\x08", 4)));
        id += 2;
        return goes_on;
    };
    for (std::size_t i = 0; i < bounds.http2.max_resets; ++i) ASSERT_TRUE(reset_once()) << i;
    now += seconds(10);
    for (std::size_t i = 0; i < bounds.http2.max_resets; ++i) ASSERT_TRUE(reset_once()) << i;
    EXPECT_FALSE(reset_once());
    EXPECT_TRUE(server.abused());
    EXPECT_EQ(server.error(), "too many stream resets");
    std::string out;
    server.send(out, 1U << 20);
    EXPECT_NE(out.find(std::string("\0\0\0\x0b", 4)), std::string::npos) << "ENHANCE_YOUR_CALM";
}

TEST_F(h2_session_test, resets_that_the_peer_causes_are_paid_for_too)
{
    start_raw();
    auto bad = get;
    bad.emplace_back("te", "gzip");
    std::uint32_t id = 1;
    std::size_t count = 0;
    std::string out;
    while (raw(frame(1, 5, id, literal(bad)))) { // CVE-2025-8671
        server.send(out, out.size() + 100000);
        id += 2;
        ASSERT_LE(++count, bounds.http2.max_resets);
    }
    EXPECT_EQ(count, bounds.http2.max_resets);
    EXPECT_TRUE(server.abused());
}

TEST_F(h2_session_test, our_own_resets_cost_the_peer_nothing)
{
    exchange_bytes();
    for (std::size_t i = 0; i < 2 * bounds.http2.max_resets; ++i) {
        const auto id = client.request(get, true);
        exchange_bytes();
        server.reset(id, h2_code::refused_stream);
        exchange_bytes();
    }
    EXPECT_FALSE(server.abused());
    EXPECT_TRUE(client.abused()) << "an origin that resets without end is cut off";
}

TEST_F(h2_session_test, frames_that_carry_nothing_are_counted)
{
    const std::vector<std::string> floods{frame(6, 0, 0, "12345678"), frame(4, 0, 0, "")};
    for (const auto& each : floods) {
        h2_peer peer;
        h2_session target(role::server, bounds, peer);
        target.receive(as_bytes(std::string(preface) + frame(4, 0, 0, "")), now);
        std::size_t count = 0;
        std::string out;
        while (target.receive(as_bytes(each), now)) {
            target.send(out, out.size() + 1000);
            ASSERT_LE(++count, bounds.http2.max_idle_frames);
        }
        EXPECT_TRUE(target.abused());
    }
}

TEST_F(h2_session_test, a_ping_for_each_frame_of_a_long_answer_is_no_flood)
{
    bounds.http2.max_idle_frames = 10;
    h2_peer peer;
    h2_session target(role::server, bounds, peer);
    target.receive(as_bytes(std::string(preface) + frame(4, 0, 0, "") + frame(1, 5, 1, literal(get))), now);
    peer.streams[1].ends = false;
    target.answer(1, {{":status", "200"}}, false);
    std::string out;
    target.send(out, 1U << 20);
    const auto answer_with_ping = [&](const std::string& content) {
        peer.streams[1].to_send = content;
        target.resume(1);
        target.send(out, out.size() + 1000);
        return target.receive(as_bytes(frame(6, 0, 0, "12345678")), now);
    };
    for (std::size_t i = 0; i < 20 * bounds.http2.max_idle_frames; ++i) ASSERT_TRUE(answer_with_ping("some")) << i;
    std::size_t count = 0;
    while (answer_with_ping("")) ASSERT_LE(++count, bounds.http2.max_idle_frames);
    EXPECT_TRUE(target.abused());
}

TEST_F(h2_session_test, large_head_is_told_and_a_bomb_ends_the_connection)
{
    bounds.max_head = 4096;
    h2_peer peer;
    h2_session target(role::server, bounds, peer);
    target.receive(as_bytes(std::string(preface) + frame(4, 0, 0, "")), now);
    auto large = get;
    for (int i = 0; i < 60; ++i) large.emplace_back("x-" + std::to_string(i), std::string(60, 'y'));
    EXPECT_TRUE(target.receive(as_bytes(frame(1, 5, 1, literal(large))), now));
    EXPECT_TRUE(peer.streams[1].too_large);
    for (int i = 0; i < 100; ++i) large.emplace_back("y-" + std::to_string(i), std::string(100, 'y'));
    EXPECT_FALSE(target.receive(as_bytes(frame(1, 5, 3, literal(large))), now));
    EXPECT_TRUE(target.abused());
    EXPECT_TRUE(peer.streams[3].heads.empty());
}

TEST_F(h2_session_test, streams_beyond_the_bound_are_refused_and_told)
{
    bounds.http2.max_streams = 2;
    h2_peer peer;
    h2_session target(role::server, bounds, peer);
    target.receive(as_bytes(std::string(preface) + frame(4, 0, 0, "")), now);
    std::string out;
    target.send(out, 1U << 20);
    for (const std::uint32_t id : {1U, 3U, 5U}) target.receive(as_bytes(frame(1, 5, id, literal(get))), now);
    EXPECT_EQ(peer.streams.size(), 2U);
    EXPECT_EQ(peer.refused, std::vector<stream_id>{5});
    target.receive(as_bytes(frame(4, 1, 0, "")), now); // now the peer knows the bound
    target.receive(as_bytes(frame(1, 5, 7, literal(get))), now);
    target.send(out, out.size() + 1000);
    EXPECT_TRUE(target.finished());
    EXPECT_FALSE(target.error().empty());
}

// What the last GOAWAY says; -1: there was none.
int goaway_code(h2_session& session)
{
    std::string out;
    session.send(out, 1U << 20);
    int code = -1;
    for (std::size_t at = 0; at + 9 <= out.size();) {
        const auto byte = [&](std::size_t i) -> std::size_t { return static_cast<unsigned char>(out[at + i]); };
        if (byte(3) == 7) code = static_cast<int>(byte(9 + 7));
        at += 9 + (byte(0) << 16U) + (byte(1) << 8U) + byte(2);
    }
    return code;
}

TEST_F(h2_session_test, a_frame_on_a_stream_that_the_peer_ended_ends_the_connection)
{
    const std::string reset = frame(3, 0, 1, std::string("\0\0\0\x08", 4));
    const std::vector<std::pair<std::string, std::string>> cases{
        {frame(1, 4, 1, literal(get)) + reset, frame(0, 1, 1, "late")},
        {frame(1, 4, 1, literal(get)) + reset, frame(1, 5, 1, literal(get))},
        {frame(1, 5, 1, literal(get)), frame(0, 1, 1, "late")},
        {frame(1, 5, 1, literal(get)), frame(1, 5, 1, literal(get))},
    };
    for (const auto& [before, late] : cases) {
        h2_peer peer;
        h2_session target(role::server, bounds, peer);
        target.receive(as_bytes(std::string(preface) + frame(4, 0, 0, "") + before), now);
        target.answer(1, {{":status", "204"}}, true);
        EXPECT_EQ(goaway_code(target), -1);
        EXPECT_TRUE(peer.streams[1].closed);
        EXPECT_FALSE(target.receive(as_bytes(late), now));
        EXPECT_EQ(goaway_code(target), 5) << "STREAM_CLOSED";
        EXPECT_FALSE(target.abused());
        EXPECT_FALSE(target.error().empty());
        EXPECT_EQ(peer.streams[1].heads.size(), 1U);
    }
}

TEST_F(h2_session_test, a_frame_that_was_on_its_way_when_we_reset_its_stream_is_harmless)
{
    start_raw();
    raw(frame(1, 4, 1, literal(get)));
    server.reset(1, h2_code::cancel);
    EXPECT_EQ(goaway_code(server), -1);
    EXPECT_TRUE(raw(frame(0, 0, 1, "on its way") + frame(1, 5, 1, literal({{"x-trailer", "1"}}))));
    EXPECT_TRUE(raw(frame(8, 0, 1, std::string("\0\0\0\x08", 4)) + frame(3, 0, 1, std::string("\0\0\0\x08", 4))));
    EXPECT_TRUE(raw(frame(1, 5, 3, literal(get))));
    EXPECT_EQ(at_server.streams[3].heads.size(), 1U);
}

TEST_F(h2_session_test, a_stream_that_was_refused_may_go_on_sending)
{
    bounds.http2.max_streams = 1;
    h2_peer peer;
    h2_session target(role::server, bounds, peer);
    target.receive(as_bytes(std::string(preface) + frame(4, 0, 0, "")), now);
    EXPECT_EQ(goaway_code(target), -1);
    for (const std::uint32_t id : {1U, 3U}) target.receive(as_bytes(frame(1, 4, id, literal(get))), now);
    EXPECT_EQ(peer.refused, std::vector<stream_id>{3});
    EXPECT_TRUE(target.receive(as_bytes(frame(0, 0, 3, "body") + frame(1, 5, 3, literal({{"x-trailer", "1"}}))), now));
}

TEST_F(h2_session_test, a_stream_below_an_earlier_one_ends_the_connection)
{
    start_raw();
    EXPECT_TRUE(raw(frame(1, 5, 5, literal(get))));
    EXPECT_FALSE(raw(frame(1, 5, 3, literal(get))));
    EXPECT_EQ(goaway_code(server), 1);
    EXPECT_FALSE(at_server.streams.contains(3));
}

TEST_F(h2_session_test, priority_is_ignored_but_for_what_it_can_not_mean)
{
    start_raw();
    EXPECT_TRUE(raw(frame(2, 0, 1, std::string(5, '\0')) + frame(1, 5, 1, literal(get))));
    EXPECT_FALSE(raw(frame(2, 0, 0, std::string(5, '\0'))));
    EXPECT_EQ(goaway_code(server), 1);
    h2_peer peer;
    h2_session target(role::server, bounds, peer);
    EXPECT_FALSE(target.receive(
        as_bytes(std::string(preface) + frame(4, 0, 0, "") + frame(2, 0, 3, std::string("\0\0\0\x03\0", 5))), now));
    EXPECT_EQ(goaway_code(target), 1) << "a stream that depends on itself";
}

TEST_F(h2_session_test, an_exception_of_the_listener_comes_out)
{
    struct thrower : h2_peer {
        void on_head(stream_id, field_list, bool, bool) override { throw std::runtime_error("defect"); }
    } peer;
    h2_session target(role::server, bounds, peer);
    EXPECT_THROW(target.receive(as_bytes(std::string(preface) + frame(4, 0, 0, "") + frame(1, 5, 1, literal(get))), now),
                 std::runtime_error);
}

TEST_F(h2_session_test, nonsense_is_an_error_with_words)
{
    EXPECT_FALSE(raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_FALSE(server.error().empty());
}

} // namespace
} // namespace cofferdam::http
