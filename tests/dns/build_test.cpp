#include "core/text.hpp"
#include "packets.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;

namespace {

name named(std::string_view text)
{
    return name::parse(text).value();
}

query parsed(const packet& p)
{
    return parse_query(p).value();
}

// What a response parser reads back from a built reply.
std::string round_trip(std::uint16_t type, rdata data)
{
    const auto q = parsed(make_query("www.registry.example", type));
    const reply r{rcode::noerror, {{q.qname, type, 60, std::move(data)}}, {}};
    const auto back = parse_response(build_reply(q, r, transport::udp), {q.qname, type});
    if (!back || back->answers.size() != 1) return "lost";
    EXPECT_EQ(back->answers[0].ttl, 60U);
    return to_text(back->answers[0]);
}

} // namespace

namespace cofferdam::dns {
// So that a bad fault in a test throws and names it.
[[noreturn]] void throw_exception_from_error(const bad_query& bad, const boost::source_location&)
{
    throw std::runtime_error("bad query, fault " + std::to_string(static_cast<int>(bad.fault)));
}
} // namespace cofferdam::dns

TEST(build_reply, every_carried_type_comes_back_as_it_went)
{
    EXPECT_EQ(round_trip(rr::a, ip_address::parse("198.18.0.5").value()), "198.18.0.5");
    EXPECT_EQ(round_trip(rr::aaaa, ip_address::parse("2001:db8::5").value()), "2001:db8::5");
    EXPECT_EQ(round_trip(rr::cname, named("b.registry.example")), "b.registry.example");
    EXPECT_EQ(round_trip(rr::ns, named("ns.example")), "ns.example");
    EXPECT_EQ(round_trip(rr::mx, mx_rdata{10, named("mail.registry.example")}), "10 mail.registry.example");
    EXPECT_EQ(round_trip(rr::srv, srv_rdata{1, 2, 443, named("s.registry.example")}), "1 2 443 s.registry.example");
    EXPECT_EQ(round_trip(rr::txt, txt_rdata{{"one", "two\n"}}), R"("one" "two\x0a")");
    EXPECT_EQ(round_trip(rr::soa, soa_rdata{named("ns.example"), named("mail.example"), 7, 1, 2, 3, 4}),
              "ns.example mail.example 7");
    EXPECT_EQ(round_trip(rr::caa, caa_rdata{0, "issue", "ca.example"}), "0 issue \"ca.example\"");
    EXPECT_EQ(round_trip(rr::https, svcb_rdata{1, {}, {{1, "\x02h2"}}}), "1 .");
}

TEST(build_reply, echoes_id_case_and_flags)
{
    const auto bytes = build_reply(parsed(make_query("WwW.rEgistry.example")), {rcode::nxdomain, {}, {}}, transport::udp);
    EXPECT_EQ(bytes[0], 0x12);
    EXPECT_EQ(bytes[1], 0x34);
    EXPECT_EQ(bytes[2], 0x81); // QR, RD
    EXPECT_EQ(bytes[3], 0x83); // RA, NXDOMAIN
    EXPECT_NE(text_of(bytes).find("\x03WwW\x08rEgistry"), std::string::npos);
}

TEST(build_reply, owner_names_become_a_pointer_to_the_question)
{
    const auto q = parsed(make_query("www.registry.example", rr::a, false));
    const record a{q.qname, rr::a, 60, ip_address::parse("198.18.0.5").value()};
    const auto bytes = build_reply(q, {rcode::noerror, {a, a}, {}}, transport::udp);
    EXPECT_EQ(bytes.size(), 12U + 22 + 4 + 2 * 16);
    EXPECT_EQ(count_of(bytes, 1), 2U);
    EXPECT_EQ(count_of(bytes, 3), 0U); // no OPT to a client without EDNS
}

TEST(build_reply, truncates_to_the_client_over_udp_and_not_over_tcp)
{
    const auto many = [](const query& q) {
        reply r;
        for (int i = 0; i < 60; ++i) r.answers.push_back({q.qname, rr::txt, 60, txt_rdata{{std::string(60, 'x')}}});
        return r;
    };
    const auto plain = parsed(make_query("www.registry.example", rr::txt, false));
    const auto small = build_reply(plain, many(plain), transport::udp);
    EXPECT_LE(small.size(), 512U);
    EXPECT_TRUE(truncated(small));
    EXPECT_EQ(count_of(small, 1), 0U);
    const auto greedy = parsed(header({.ar = 1}) + question_octets(labels("www.registry.example"), rr::txt) + opt_record(65535));
    const auto capped = build_reply(greedy, many(greedy), transport::udp);
    EXPECT_LE(capped.size(), 1232U);
    EXPECT_TRUE(truncated(capped));
    const auto stream = build_reply(greedy, many(greedy), transport::tcp);
    EXPECT_FALSE(truncated(stream));
    EXPECT_EQ(count_of(stream, 1), 60U);
    const auto tiny = parsed(header({.ar = 1}) + question_octets(labels("www.registry.example"), rr::txt) + opt_record(0));
    EXPECT_GE(build_reply(tiny, {}, transport::udp).size(), 12U); // sizes under 512 count as 512, RFC 6891, 6.2.3
}

TEST(build_reply, extended_error_only_with_edns_and_always_one_line_of_utf8)
{
    const reply r{
        rcode::refused, {}, extended_error{ede_code::blocked, "cofferdam: evil\n\xff.example " + std::string(1000, 'x')}};
    const auto plain = build_reply(parsed(make_query("a.example", rr::a, false)), r, transport::udp);
    EXPECT_EQ(text_of(plain).find("cofferdam"), std::string::npos);
    const auto with = build_reply(parsed(make_query("a.example")), r, transport::udp);
    const auto text = text_of(with);
    const auto at = text.find("cofferdam");
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(text.substr(at - 2, 2), std::string("\x00\x0f", 2)); // Blocked
    EXPECT_TRUE(is_utf8(text.substr(at)));
    EXPECT_EQ(text.substr(at).find('\n'), std::string::npos);
    EXPECT_EQ(text.size() - at, max_ede_text);
}

TEST(build_reply, the_longest_question_and_error_fit_the_smallest_datagram)
{
    const std::string label(63, 'a');
    auto p = header({.ar = 1}) + question_octets(labels(label + '.' + label + '.' + label + '.' + std::string(61, 'b')), rr::a) +
             opt_record(512);
    const auto bytes =
        build_reply(parsed(p), {rcode::refused, {}, extended_error{ede_code::blocked, std::string(900, 'y')}}, transport::udp);
    EXPECT_LE(bytes.size(), 512U);
    EXPECT_FALSE(truncated(bytes));
    EXPECT_EQ(rcode_of(bytes), 5U);
}

TEST(bounded_text, cuts_at_a_character)
{
    EXPECT_EQ(bounded_text("short"), "short");
    const auto cut = bounded_text(std::string(300, 'a') + "ä", 10);
    EXPECT_EQ(cut, "aaaaaaa...");
    EXPECT_TRUE(is_utf8(bounded_text("aaaaaaäääää", 10)));
}

TEST(build_query, is_made_of_name_and_type_alone)
{
    const auto bytes = build_query(0xABCD, {named("Www.Registry.Example"), rr::a});
    EXPECT_EQ(bytes, header({.id = 0xABCD, .ar = 1}) + question_octets(labels("www.registry.example"), rr::a) + opt_record(1232));
    EXPECT_EQ(build_query(1, {named("a.example"), rr::a}, false),
              header({.id = 1}) + question_octets(labels("a.example"), rr::a));
}
