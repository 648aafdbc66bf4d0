#include "packets.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;

namespace {

query_fault fault_of(const packet& p)
{
    const auto parsed = parse_query(p);
    EXPECT_FALSE(parsed) << "was taken for a good query";
    return parsed ? query_fault::not_a_query : parsed.error().fault;
}

packet with_name(const packet& qname)
{
    return header() + question_octets(qname, rr::a);
}

} // namespace

TEST(parse_query, reads_name_type_and_edns)
{
    const auto q = parse_query(make_query("WwW.Registry.Example", rr::https));
    ASSERT_TRUE(q);
    EXPECT_EQ(q->id, 0x1234);
    EXPECT_EQ(q->text.view(), "www.registry.example");
    EXPECT_EQ(q->qtype, rr::https);
    EXPECT_EQ(q->qclass, class_in);
    EXPECT_TRUE(q->recursion_desired);
    ASSERT_TRUE(q->opt);
    EXPECT_EQ(q->opt->udp_size, 1232);
    EXPECT_EQ(as_text(q->question()).substr(0, 4), "\x03WwW"); // the case of the question survives for the answer
}

TEST(parse_query, names_up_to_the_limits)
{
    const std::string label(63, 'a');
    const auto longest = label + '.' + label + '.' + label + '.' + std::string(61, 'b');
    const auto q = parse_query(make_query(longest));
    ASSERT_TRUE(q);
    EXPECT_EQ(q->text.size(), 253U);
    EXPECT_EQ(fault_of(make_query(longest + 'b')), query_fault::formerr);
    EXPECT_EQ(parse_query(with_name({0}))->text.view(), ".");
}

TEST(parse_query, every_prefix_of_a_query_is_refused)
{
    const auto whole = make_query("www.registry.example");
    for (std::size_t n = 0; n < whole.size(); ++n) {
        const auto parsed = parse_query(byte_view(whole).first(n));
        ASSERT_FALSE(parsed) << n;
        EXPECT_EQ(parsed.error().fault, n < 12 ? query_fault::not_a_query : query_fault::formerr) << n;
    }
}

TEST(parse_query, a_response_is_not_a_query)
{
    auto p = make_query("www.registry.example");
    p[2] |= 0x80;
    EXPECT_EQ(fault_of(p), query_fault::not_a_query);
}

TEST(parse_query, other_opcodes_are_not_implemented)
{
    for (unsigned opcode = 1; opcode < 16; ++opcode) {
        auto p = make_query("www.registry.example");
        p[2] = static_cast<std::uint8_t>(opcode << 3);
        EXPECT_EQ(fault_of(p), query_fault::notimp) << opcode;
    }
}

TEST(parse_query, covert_sections_are_format_errors)
{
    const auto q = question_octets(labels("a.example"), rr::a);
    const auto rec = record_octets(labels("secret.example"), rr::a, 1, {1, 2, 3, 4});
    EXPECT_EQ(fault_of(header({.qd = 2}) + q + q), query_fault::formerr);
    EXPECT_EQ(fault_of(header({.qd = 0})), query_fault::formerr);
    EXPECT_EQ(fault_of(header({.an = 1}) + q + rec), query_fault::formerr);
    EXPECT_EQ(fault_of(header({.ns = 1}) + q + rec), query_fault::formerr);
    EXPECT_EQ(fault_of(header({.ar = 1}) + q + rec), query_fault::formerr);
    EXPECT_EQ(fault_of(header({.ar = 2}) + q + opt_record() + opt_record()), query_fault::formerr);
    EXPECT_EQ(fault_of(header({.ar = 0xFFFF}) + q), query_fault::formerr);
    EXPECT_EQ(fault_of(header() + q + packet{'s', 'e', 'c', 'r', 'e', 't'}), query_fault::formerr);
    EXPECT_EQ(fault_of(header({.flags = 0x0300}) + q), query_fault::formerr); // TC in a query
    auto named_opt = labels("secret.example");
    const auto opt = opt_record();
    named_opt.insert(named_opt.end(), opt.begin() + 1, opt.end());
    EXPECT_EQ(fault_of(header({.ar = 1}) + q + named_opt), query_fault::formerr);
}

TEST(parse_query, signed_queries_are_not_implemented)
{
    const auto q = question_octets(labels("a.example"), rr::a);
    for (const auto type : {rr::tsig, rr::sig})
        EXPECT_EQ(fault_of(header({.ar = 1}) + q + record_octets({0}, type, 0, {})), query_fault::notimp);
}

TEST(parse_query, compression_and_extended_labels_in_the_question_are_refused)
{
    EXPECT_EQ(fault_of(with_name({0xC0, 0x0C})), query_fault::formerr);
    EXPECT_EQ(fault_of(with_name({1, 'a', 0xC0, 0x0C})), query_fault::formerr);
    EXPECT_EQ(fault_of(with_name({0x41, 'a', 0})), query_fault::formerr);
    EXPECT_EQ(fault_of(with_name({0x80, 'a', 0})), query_fault::formerr);
}

TEST(parse_query, odd_octets_inside_a_label_are_refused_but_can_be_answered)
{
    for (const char odd : {'.', '\0', '\n', ' ', '\x7f', '\x80', '\xff', '\\', '"', '/', '*', '@', '%'}) {
        const packet qname{3, 'a', static_cast<std::uint8_t>(odd), 'b', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0};
        const auto parsed = parse_query(with_name(qname));
        ASSERT_FALSE(parsed);
        EXPECT_EQ(parsed.error().fault, query_fault::odd_name);
        const auto reply_bytes = build_reply(parsed.error().head, {rcode::refused, {}, {}}, transport::udp);
        EXPECT_EQ(rcode_of(reply_bytes), 5U);
        EXPECT_EQ(packet(reply_bytes.begin() + 12, reply_bytes.end()), question_octets(qname, rr::a));
        const auto shown = parsed.error().head.qname.text();
        EXPECT_EQ(shown.find('\n'), std::string::npos);
        EXPECT_TRUE(shown.ends_with(".example"));
    }
}

TEST(parse_query, edns_options_are_read_for_shape_only)
{
    const auto q = question_octets(labels("a.example"), rr::a);
    const std::string cookie("\x00\x0a\x00\x08"
                             "12345678",
                             12),
        subnet("\x00\x08\x00\x07\x00\x01\x18\x00\xc0\x00\x02", 11);
    const auto good = parse_query(header({.ar = 1}) + q + opt_record(4096, 0x8000, cookie + subnet));
    ASSERT_TRUE(good);
    EXPECT_TRUE(good->opt->dnssec_ok);
    EXPECT_EQ(fault_of(header({.ar = 1}) + q + opt_record(4096, 0, cookie.substr(0, 11))), query_fault::formerr);
    EXPECT_EQ(fault_of(header({.ar = 1}) + q + opt_record(4096, 0, std::string("\x00", 1))), query_fault::formerr);
    EXPECT_EQ(fault_of(header({.ar = 1}) + q + opt_record(4096, 0x00010000)), query_fault::badvers);
}

TEST(parse_query, badvers_goes_into_the_extended_rcode)
{
    const auto parsed =
        parse_query(header({.ar = 1}) + question_octets(labels("a.example"), rr::a) + opt_record(4096, 0x00010000));
    const auto bytes = build_reply(parsed.error().head, {rcode::badvers, {}, {}}, transport::udp);
    EXPECT_EQ(rcode_of(bytes), 0U);
    const auto opt = packet(bytes.end() - 11, bytes.end());
    EXPECT_EQ(opt[5], 1); // upper bits of 16
    EXPECT_EQ(opt[6], 0); // the version we speak
}
