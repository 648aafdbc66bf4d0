#include "core/error.hpp"
#include "hello_samples.hpp"
#include "tls/client_hello.hpp"

#include <gtest/gtest.h>

namespace cofferdam::tls {
namespace {

using test::bytes;
using test::hello_message;
using test::in_records;
using test::sample;
using test::server_name;

constexpr std::size_t limit = 65536;

client_hello parsed(const bytes& wire, std::size_t max = limit)
{
    const auto hello = parse_client_hello(wire, max);
    EXPECT_TRUE(hello) << hello.error().message();
    return hello ? *hello : client_hello{};
}

error_code refused(const bytes& wire, std::size_t max = limit)
{
    const auto hello = parse_client_hello(wire, max);
    EXPECT_FALSE(hello);
    return hello ? error_code() : hello.error();
}

const std::vector<std::string> names = {"openssl_tls13", "openssl_tls12", "openssl_no_sni", "curl", "python_ssl", "node", "go",
                                        "java"};

TEST(client_hello, reads_real_clients)
{
    const std::vector<std::string> both{"h2", "http/1.1"};
    const auto openssl = parsed(sample("openssl_tls13"));
    EXPECT_EQ(openssl.sni, "openssl.example");
    EXPECT_EQ(openssl.alpn, both);
    EXPECT_EQ(openssl.supported_versions.front(), 0x0304);
    EXPECT_EQ(openssl.legacy_version, 0x0303);
    EXPECT_FALSE(openssl.has_early_data || openssl.has_ech || openssl.has_ticket || openssl.has_pre_shared_key);
    EXPECT_EQ(openssl.session_id_size, 32U);

    EXPECT_EQ(parsed(sample("openssl_tls12")).sni, "old.example");
    EXPECT_TRUE(parsed(sample("openssl_tls12")).supported_versions.empty());
    EXPECT_FALSE(parsed(sample("openssl_no_sni")).sni);
    EXPECT_EQ(parsed(sample("curl")).sni, "curl.example");
    EXPECT_EQ(parsed(sample("python_ssl")).sni, "python.example");
    EXPECT_TRUE(parsed(sample("python_ssl")).alpn.empty());
    EXPECT_EQ(parsed(sample("node")).sni, "node.example");
    EXPECT_EQ(parsed(sample("go")).alpn, both);
    EXPECT_EQ(parsed(sample("java")).sni, "java.example");
}

TEST(client_hello, every_cut_needs_more)
{
    for (const auto& name : names) {
        const auto wire = sample(name);
        for (std::size_t cut = 0; cut < wire.size(); ++cut) {
            const auto got = parse_client_hello(byte_view(wire).first(cut), wire.size());
            ASSERT_TRUE(!got && got.error() == errc::need_more) << name << " cut at " << cut;
            const auto wanted = client_hello_wants(byte_view(wire).first(cut));
            ASSERT_GT(wanted, cut);
            ASSERT_LE(wanted, wire.size());
        }
        EXPECT_EQ(parsed(wire).wire_size, wire.size());
    }
}

TEST(client_hello, records_of_every_size_say_the_same)
{
    for (const auto& name : names) {
        const auto wire = sample(name);
        const bytes message(wire.begin() + 5, wire.end());
        auto expected = parsed(wire);
        for (std::size_t size = 1; size <= message.size(); ++size) {
            const auto split = in_records(message, size);
            expected.wire_size = split.size();
            ASSERT_EQ(parsed(split), expected) << name << " in records of " << size;
        }
        const auto dripped = in_records(message, 1);
        for (std::size_t cut = 0; cut < dripped.size(); ++cut) {
            ASSERT_EQ(parse_client_hello(byte_view(dripped).first(cut), limit).error(), errc::need_more) << cut;
        }
    }
}

TEST(client_hello, larger_than_a_record)
{
    auto padding = test::raw_extension{21, bytes(20000)};
    const auto message = hello_message({server_name("big.example"), padding});
    const auto wire = in_records(message, max_record);
    EXPECT_EQ(parsed(wire).sni, "big.example");
    EXPECT_EQ(refused(wire, 20000), errc::too_large);
    EXPECT_EQ(refused(bytes(wire.begin(), wire.begin() + 9), 20000), errc::too_large) << "said before the bytes are there";
    EXPECT_EQ(parsed(wire, wire.size()).wire_size, wire.size());
    EXPECT_EQ(refused(wire, wire.size() - 1), errc::too_large);
    EXPECT_EQ(refused(in_records(message, 1), wire.size()), errc::too_large) << "records of one byte count by their wire";
}

TEST(client_hello, tells_other_protocols)
{
    const auto text = [](std::string_view s) { return bytes(s.begin(), s.end()); };
    EXPECT_EQ(refused(text("GET / HTTP/1.1\r\n")), errc::unsupported);
    EXPECT_EQ(refused(text("SSH-2.0-x\r\n")), errc::unsupported);
    EXPECT_EQ(refused({0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f}), errc::unsupported);
    EXPECT_EQ(refused({22, 9}), errc::unsupported);
    EXPECT_EQ(refused({0x80, 0x2e, 2}), errc::unsupported);
    EXPECT_EQ(refused({0x80, 0x2e}), errc::need_more);
    EXPECT_EQ(refused({0x80, 0x2e, 1, 3}), errc::malformed) << "a TLS hello in SSLv2 framing";
    EXPECT_EQ(refused({}), errc::need_more);
}

TEST(client_hello, refuses_bad_records)
{
    const auto message = hello_message({server_name("a.example")});
    const auto good = in_records(message, 40);
    auto wire = good;
    wire[45] = 21;
    EXPECT_EQ(refused(wire), errc::malformed) << "an alert between the fragments";
    wire = good;
    wire[46] = 2;
    EXPECT_EQ(refused(wire), errc::malformed) << "another major version";
    EXPECT_EQ(refused({22, 3, 1, 0, 0}), errc::malformed) << "an empty record";
    EXPECT_EQ(refused({22, 3, 1, 0x40, 1}), errc::malformed) << "a record above 2^14";
    EXPECT_EQ(refused({22, 3, 1, 0, 4, 2}), errc::malformed) << "another handshake message";
    auto two = message;
    two.insert(two.end(), message.begin(), message.end());
    EXPECT_EQ(refused(in_records(two, max_record)), errc::malformed) << "a second message in the record";
    EXPECT_EQ(refused({22, 3, 1, 0, 4, 1, 0, 0, 0}), errc::malformed) << "an empty message";
}

TEST(client_hello, leaves_early_data_alone)
{
    auto wire = in_records(hello_message({server_name("a.example"), {42, {}}, {41, {1, 2, 3}}}), max_record);
    const auto size = wire.size();
    wire.insert(wire.end(), {23, 3, 3, 0, 9, 1, 2});
    const auto hello = parsed(wire, size);
    EXPECT_EQ(hello.wire_size, size);
    EXPECT_TRUE(hello.has_early_data && hello.has_pre_shared_key);
}

TEST(client_hello, refuses_what_two_readers_could_take_differently)
{
    const auto with = [](const std::vector<test::raw_extension>& e) { return refused(in_records(hello_message(e), max_record)); };
    EXPECT_EQ(with({server_name("a.example"), server_name("b.example")}), errc::malformed);
    EXPECT_EQ(with({{16, {0, 3, 2, 'h', '2'}}, {16, {0, 3, 2, 'h', '2'}}}), errc::malformed);
    EXPECT_EQ(with({server_name("a.example", 1)}), errc::malformed);
    EXPECT_EQ(with({server_name(std::string("a\0b.example", 11))}), errc::malformed);
    EXPECT_EQ(with({server_name("")}), errc::malformed);
    EXPECT_EQ(with({server_name(std::string(256, 'a'))}), errc::malformed);
    EXPECT_EQ(with({{0, {}}}), errc::malformed);
    EXPECT_EQ(with({{0, {0, 0}}}), errc::malformed);
    EXPECT_EQ(with({{0, {0, 8, 0, 0, 1, 'a', 0, 0, 1, 'b'}}}), errc::malformed) << "two names in one list";
    EXPECT_EQ(with({{0, {0, 4, 0, 0, 2, 'a'}}}), errc::malformed) << "a name longer than its list";
    EXPECT_EQ(with({{0, {0, 4, 0, 0, 1, 'a', 'x'}}}), errc::malformed) << "bytes behind the list";
    EXPECT_EQ(with({{16, {0, 1, 0}}}), errc::malformed) << "an empty protocol";
    EXPECT_EQ(with({{43, {3, 3, 4, 3}}}), errc::malformed);
    EXPECT_EQ(with({{43, {0}}}), errc::malformed);
    EXPECT_EQ(with({{42, {0}}}), errc::malformed);
    EXPECT_EQ(with({{41, {1}}, {42, {}}}), errc::malformed) << "pre_shared_key not last";
    std::vector<test::raw_extension> many;
    for (std::size_t i = 0; i <= max_extensions; ++i) many.push_back({static_cast<std::uint16_t>(1000 + i), {}});
    EXPECT_EQ(with(many), errc::malformed);
}

TEST(client_hello, tolerates_grease_and_marks_ech)
{
    const auto message = hello_message(
        {{0x0a0a, {}}, server_name("A.example."), {0x1a1a, {0}}, {0xfe0d, {0, 1, 2}}, {35, {}}, {43, {4, 0x2a, 0x2a, 3, 4}}});
    const auto hello = parsed(in_records(message, max_record));
    EXPECT_EQ(hello.sni, "A.example.") << "as sent: policy makes it canonical";
    EXPECT_TRUE(hello.has_ech);
    EXPECT_FALSE(hello.has_ticket);
    EXPECT_EQ(hello.supported_versions, (std::vector<std::uint16_t>{0x2a2a, 0x0304}));
    EXPECT_TRUE(parsed(in_records(hello_message({{35, {1}}}), max_record)).has_ticket);
}

TEST(client_hello, every_lying_length_is_refused_or_read_the_same)
{
    // Flipping any byte of a hello never throws, and a value still accounts for exactly the same wire.
    for (const auto& name : names) {
        const auto wire = sample(name);
        for (std::size_t at = 0; at < wire.size(); ++at) {
            for (const int change : {1, 0x80, 0xff}) {
                auto bent = wire;
                bent[at] = static_cast<std::uint8_t>(bent[at] ^ change);
                const auto got = parse_client_hello(bent, limit);
                ASSERT_TRUE(!got || got->wire_size == wire.size()) << name << " at " << at;
            }
        }
    }
}

} // namespace
} // namespace cofferdam::tls
