#include "packets.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;

namespace {

question asked(std::string_view qname, std::uint16_t qtype)
{
    return {name::parse(qname).value(), qtype};
}

packet answer_to(std::string_view qname, std::uint16_t qtype, unsigned an, const packet& records, unsigned ns = 0,
                 unsigned flags = 0x8180)
{
    return header({.flags = flags, .an = an, .ns = ns}) + question_octets(labels(qname), qtype) + records;
}

const packet four_octets{93, 184, 216, 34};

} // namespace

TEST(parse_response, reads_addresses_through_a_chain_in_any_order)
{
    const auto records = record_octets(labels("edge.cdn.example"), rr::a, 60, four_octets) +
                         record_octets(labels("www.cdn.example"), rr::cname, 20, labels("edge.cdn.example")) +
                         record_octets(to_question, rr::cname, 300, labels("www.cdn.example")) +
                         record_octets(labels("planted.example"), rr::a, 60, four_octets);
    const auto r = parse_response(answer_to("www.example", rr::a, 4, records), asked("www.example", rr::a));
    ASSERT_TRUE(r);
    ASSERT_EQ(r->chain.size(), 2U);
    EXPECT_EQ(to_text(r->chain[0]), "www.cdn.example");
    EXPECT_EQ(to_text(r->chain[1]), "edge.cdn.example");
    ASSERT_EQ(r->answers.size(), 1U);
    EXPECT_EQ(to_text(r->answers[0]), "93.184.216.34");
}

TEST(parse_response, every_prefix_and_every_extra_octet_is_refused)
{
    const auto whole = answer_to("www.example", rr::a, 1, record_octets(to_question, rr::a, 60, four_octets));
    const auto expected = asked("www.example", rr::a);
    ASSERT_TRUE(parse_response(whole, expected));
    for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(parse_response(byte_view(whole).first(n), expected)) << n;
    EXPECT_EQ(parse_response(whole + packet{0}, expected).error(), errc::malformed);
}

TEST(parse_response, must_answer_the_question_asked)
{
    const auto p = answer_to("www.example", rr::a, 1, record_octets(to_question, rr::a, 60, four_octets));
    EXPECT_EQ(parse_response(p, asked("www2.example", rr::a)).error(), errc::malformed);
    EXPECT_EQ(parse_response(p, asked("www.example", rr::aaaa)).error(), errc::malformed);
    EXPECT_TRUE(parse_response(answer_to("WWW.example", rr::a, 0, {}), asked("www.example", rr::a)));
    auto query_bit = p;
    query_bit[2] = 0x01;
    EXPECT_EQ(parse_response(query_bit, asked("www.example", rr::a)).error(), errc::malformed);
    EXPECT_EQ(parse_response(answer_to("www.example", rr::a, 0, {}, 0, 0x8380), asked("www.example", rr::a)).error(),
              errc::unsupported);
}

TEST(parse_response, pointer_loops_and_forward_pointers_end_it)
{
    const std::size_t here = 12 + labels("www.example").size() + 4;
    const auto pointer = [](std::size_t to) {
        return packet{static_cast<std::uint8_t>(0xC0 | (to >> 8)), static_cast<std::uint8_t>(to)};
    };
    const packet owners[] = {
        pointer(here),                  // itself
        packet{1, 'a'} + pointer(here), // the run it ends
        pointer(here + 2),              // forward
        pointer(0),
        pointer(11),  // into the header
        packet{0xC0}, // cut
        packet{0x40, 'a', 0},
        packet{0x80, 'a', 0},
    };
    for (const auto& owner : owners) {
        const auto p = answer_to("www.example", rr::a, 1, record_octets(owner, rr::a, 60, four_octets));
        EXPECT_EQ(parse_response(p, asked("www.example", rr::a)).error(), errc::malformed);
    }
    // Two records whose names point to each other's pointer: RFC 9267's loop, a step longer.
    const auto data = pointer(here + 12);
    const auto p = answer_to("www.example", rr::cname, 1, record_octets(to_question, rr::cname, 60, data));
    EXPECT_EQ(parse_response(p, asked("www.example", rr::cname)).error(), errc::malformed);
}

TEST(parse_response, a_name_grown_by_pointers_is_bounded)
{
    packet qname;
    for (int i = 0; i < 3; ++i) {
        qname.push_back(63);
        qname.insert(qname.end(), 63, 'a');
    }
    qname.push_back(0);
    packet owner{63};
    owner.insert(owner.end(), 63, 'b');
    const auto p = header({.flags = 0x8180, .an = 1}) + question_octets(qname, rr::a) +
                   record_octets(owner + to_question, rr::a, 60, four_octets);
    const std::string label(63, 'a');
    EXPECT_FALSE(parse_response(p, asked(label + '.' + label + '.' + label, rr::a)));
}

TEST(parse_response, cname_loops_and_long_chains_end_it)
{
    const auto loop = record_octets(to_question, rr::cname, 60, labels("b.example")) +
                      record_octets(labels("b.example"), rr::cname, 60, labels("a.example"));
    EXPECT_EQ(parse_response(answer_to("a.example", rr::a, 2, loop), asked("a.example", rr::a)).error(), errc::malformed);
    const auto self = record_octets(to_question, rr::cname, 60, labels("a.example"));
    EXPECT_EQ(parse_response(answer_to("a.example", rr::a, 1, self), asked("a.example", rr::a)).error(), errc::malformed);
    packet chain;
    for (int i = 0; i < 20; ++i)
        chain = chain + record_octets(labels("n" + std::to_string(i) + ".example"), rr::cname, 60,
                                      labels("n" + std::to_string(i + 1) + ".example"));
    EXPECT_EQ(parse_response(answer_to("n0.example", rr::a, 20, chain), asked("n0.example", rr::a)).error(), errc::too_large);
}

TEST(parse_response, record_counts_are_bounded)
{
    packet records;
    for (int i = 0; i < 257; ++i) records = records + record_octets(to_question, rr::a, 60, four_octets);
    EXPECT_EQ(parse_response(answer_to("a.example", rr::a, 257, records), asked("a.example", rr::a)).error(), errc::too_large);
    EXPECT_FALSE(parse_response(answer_to("a.example", rr::a, 0xFFFF, records), asked("a.example", rr::a)));
}

TEST(parse_response, odd_names_never_reach_a_client)
{
    const packet odd{5, 'a', '.', 'b', 0, 'c', 0};
    const auto cname = answer_to("a.example", rr::a, 1, record_octets(to_question, rr::cname, 60, odd));
    EXPECT_EQ(parse_response(cname, asked("a.example", rr::a)).error(), errc::malformed);
    const auto mx = answer_to("a.example", rr::mx, 2,
                              record_octets(to_question, rr::mx, 60, packet{0, 10} + odd) +
                                  record_octets(to_question, rr::mx, 60, packet{0, 20} + labels("mail.example")));
    const auto r = parse_response(mx, asked("a.example", rr::mx));
    ASSERT_TRUE(r);
    ASSERT_EQ(r->answers.size(), 1U);
    EXPECT_EQ(to_text(r->answers[0]), "20 mail.example");
}

TEST(parse_response, rdata_must_have_its_exact_length)
{
    const auto check = [](std::uint16_t type, const packet& data) {
        return parse_response(answer_to("a.example", type, 1, record_octets(to_question, type, 60, data)),
                              asked("a.example", type));
    };
    EXPECT_TRUE(check(rr::a, four_octets));
    EXPECT_FALSE(check(rr::a, {1, 2, 3}));
    EXPECT_FALSE(check(rr::a, {1, 2, 3, 4, 5}));
    EXPECT_FALSE(check(rr::aaaa, four_octets));
    EXPECT_FALSE(check(rr::txt, {}));
    EXPECT_FALSE(check(rr::txt, {5, 'a'}));
    EXPECT_TRUE(check(rr::txt, {0}));
    EXPECT_FALSE(check(rr::mx, {0}));
    EXPECT_FALSE(check(rr::cname, labels("b.example") + packet{0}));
    EXPECT_FALSE(check(rr::caa, {0, 0}));
    EXPECT_FALSE(check(rr::caa, {0, 3, 'a', '\n', 'b', 'x'}));
    EXPECT_FALSE(check(rr::svcb, packet{0, 1} + labels("b.example") + packet{0, 3, 0, 2, 1, 187, 0, 1, 0, 0})); // keys descend
}

TEST(parse_response, negative_answers_carry_the_smaller_of_the_soa_times)
{
    packet soa = labels("ns.example") + labels("mail.example");
    for (const std::uint32_t v : {1U, 2U, 3U, 4U, 77U}) put32(soa, v);
    const auto p = answer_to("no.example", rr::a, 0, record_octets(labels("example"), rr::soa, 900, soa), 1, 0x8183);
    const auto r = parse_response(p, asked("no.example", rr::a));
    ASSERT_TRUE(r);
    EXPECT_EQ(r->code, rcode::nxdomain);
    EXPECT_EQ(r->negative_ttl, 77U);
}

TEST(service_parameters, ech_http3_and_hints_go)
{
    svcb_rdata data{1,
                    {},
                    {{0, std::string("\0\1\0\5", 4)},
                     {1, "\x02h2\x02h3\x05h3-29\x08http/1.1"},
                     {3, std::string("\x01\xbb", 2)},
                     {4, "1234"},
                     {5, "echconfig"},
                     {6, "0123456789abcdef"},
                     {7, "/dns-query"}}};
    ASSERT_TRUE(strip_service_parameters(data));
    ASSERT_EQ(data.params.size(), 3U);
    EXPECT_EQ(data.params[0].value, std::string("\0\1", 2));
    EXPECT_EQ(data.params[1].value, "\x02h2\x08http/1.1");
    EXPECT_EQ(data.params[2].key, 3);
}

TEST(service_parameters, an_empty_alpn_goes_and_an_endpoint_of_http3_alone_too)
{
    svcb_rdata only_h3{1, {}, {{1, "\x02h3"}}};
    EXPECT_TRUE(strip_service_parameters(only_h3));
    EXPECT_TRUE(only_h3.params.empty());
    svcb_rdata no_default{1, {}, {{1, "\x02h3"}, {2, ""}}};
    EXPECT_FALSE(strip_service_parameters(no_default));
    svcb_rdata lying{1, {}, {{1, "\x09h3"}}};
    EXPECT_FALSE(strip_service_parameters(lying));
}
