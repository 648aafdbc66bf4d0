#include "playbook.hpp"

using namespace cofferdam;
using namespace cofferdam::dns;
using namespace cofferdam::dns::test;
using namespace std::chrono_literals;

using answers_t = std::vector<std::string>;

namespace {

const packet public_v6{0x26, 0x06, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

std::string ede(unsigned code)
{
    return {'\0', static_cast<char>(code)};
}

} // namespace

TEST(resolver_denied, is_refused_at_once_says_why_and_asks_nobody)
{
    playbook p;
    const auto got = p.answered(p.ask("Evil.Example"));
    EXPECT_EQ(got.code, 5U);
    EXPECT_NE(got.text.find(ede(15) + "cofferdam: not_in_allow_list: evil.example: no allow-list entry names this destination; "
                                      "to allow it: dns:evil.example"),
              std::string::npos);
    EXPECT_EQ(got.facts.qname, "evil.example");
    EXPECT_EQ(got.facts.qtype, "A");
    EXPECT_EQ(got.facts.rcode, "REFUSED");
    EXPECT_FALSE(got.facts.decision.allowed);
    EXPECT_EQ(got.facts.decision.why, reason::not_in_allow_list);
    EXPECT_EQ(got.facts.decision.hint, "dns:evil.example");
    EXPECT_EQ(p.core.in_flight(), 0U);
    EXPECT_EQ(p.names.size(), 0U);
}

TEST(resolver_denied, is_no_such_name_for_a_client_without_edns)
{
    playbook p; // musl waits for its time-out after REFUSED
    const auto got = p.answered(p.send(make_query("evil.example", rr::a, false)));
    EXPECT_EQ(got.code, 3U);
    EXPECT_EQ(got.facts.rcode, "NXDOMAIN");
    EXPECT_EQ(got.facts.decision.why, reason::not_in_allow_list);
    EXPECT_FALSE(got.facts.decision.allowed);
}

TEST(resolver_denied, is_the_same_over_tcp_and_for_every_type)
{
    playbook p;
    for (const auto type :
         {rr::a, rr::aaaa, rr::txt, rr::https, rr::mx, rr::srv, rr::ns, rr::cname, rr::ptr, rr::soa, rr::caa, rr::svcb}) {
        for (const auto how : {transport::udp, transport::tcp}) {
            const auto got = p.answered(p.send(make_query("evil.example", type), how));
            EXPECT_EQ(got.code, 5U) << type_text(type);
            EXPECT_EQ(got.facts.how, how);
        }
    }
}

TEST(resolver_services, srv_of_an_allowed_web_server_is_answered_here_and_of_another_refused)
{
    playbook p;
    p.allowed = {"deb.example"};
    for (const char* qname : {"_https._tcp.deb.example", "_http._tcp.deb.example"}) {
        const auto got = p.answered(p.ask(qname, rr::srv));
        EXPECT_EQ(got.code, 3U) << qname;
        EXPECT_TRUE(got.facts.decision.allowed);
    }
    EXPECT_EQ(p.answered(p.ask("_https._tcp.evil.example", rr::srv)).code, 5U);
    EXPECT_EQ(p.answered(p.ask("_ldap._tcp.deb.example", rr::srv)).code, 5U) << "judged as it stands";
    EXPECT_EQ(p.core.in_flight(), 0U);
}

TEST(resolver_denied, without_a_policy_everything_is)
{
    bindings names(settings{}.virtual_range, 10);
    budget spent({});
    const inspector gate({}, names, spent, {});
    resolver core({}, names, gate, {});
    EXPECT_EQ(playbook::answered(core.on_query(make_query("a.example"), transport::udp, {}, 1, {})).code, 5U);
}

TEST(resolver_denied, because_the_gateway_cannot_record_is_servfail)
{
    bindings names(settings{}.virtual_range, 10);
    budget spent({});
    const auto judge = [](std::string_view, std::uint16_t) { return policy_answer{false, true, reason::audit_failed, {}, {}}; };
    const inspector gate({}, names, spent, {judge});
    resolver core({}, names, gate, {});
    const auto got = playbook::answered(core.on_query(make_query("a.example"), transport::udp, {}, 1, {}));
    EXPECT_EQ(got.code, 2U);
    EXPECT_FALSE(got.facts.decision.allowed);
}

TEST(resolver_virtual, gives_one_address_once_upstream_knows_the_name)
{
    playbook p;
    p.allowed = {"registry.example"};
    const auto f = p.forwarded(p.ask("Registry.Example"));
    EXPECT_EQ(f.name, "registry.example");
    EXPECT_EQ(f.qtype, rr::a);
    p.pass(1s);
    const auto got = only(p.reply_address(f));
    EXPECT_EQ(got.code, 0U);
    EXPECT_EQ(got.answers, answers_t{"198.18.0.1"});
    EXPECT_EQ(got.facts.duration, 1s);
    EXPECT_EQ(got.facts.decision.rule, "dns:registry.example");
    EXPECT_EQ(p.names.name_of(ip_address::parse("198.18.0.1").value()), "registry.example");
    EXPECT_EQ(p.answered(p.ask("registry.example")).answers, answers_t{"198.18.0.1"}); // from the cache
}

TEST(resolver_virtual, aaaa_is_empty_and_asks_nobody)
{
    playbook p;
    p.allowed = {"registry.example"};
    const auto got = p.answered(p.ask("registry.example", rr::aaaa));
    EXPECT_EQ(got.code, 0U);
    EXPECT_TRUE(got.answers.empty());
    EXPECT_TRUE(got.facts.decision.allowed);
}

TEST(resolver_virtual, a_name_with_ipv6_alone_gets_an_ipv4_address)
{
    for (const std::size_t cache : {0U, 10U}) {
        settings s;
        s.max_cache = cache;
        playbook p(s);
        p.allowed = {"six.example"};
        const auto a = p.forwarded(p.ask("six.example"));
        const auto none = p.reply(a, 0, {});
        EXPECT_TRUE(none.answers.empty());
        ASSERT_TRUE(none.next);
        EXPECT_EQ(none.next->qtype, rr::aaaa);
        EXPECT_EQ(only(p.reply_address(*none.next, public_v6)).answers, answers_t{"198.18.0.1"});
        EXPECT_EQ(p.core.in_flight(), 0U);
    }
}

TEST(resolver_virtual, a_name_without_addresses_is_nodata)
{
    playbook p;
    p.allowed = {"mail.example"};
    const auto none = p.reply(p.forwarded(p.ask("mail.example")), 0, {});
    const auto got = only(p.reply(none.next.value(), 0, {}));
    EXPECT_EQ(got.code, 0U);
    EXPECT_TRUE(got.answers.empty());
    EXPECT_EQ(p.names.size(), 0U);
}

TEST(resolver_virtual, nxdomain_and_failure_stay_honest)
{
    playbook p;
    p.allowed = {"typo.example", "slow.example", "broken.example", "lame.example"};
    const auto typo = only(p.reply(p.forwarded(p.ask("typo.example")), 0, {}, 3));
    EXPECT_EQ(typo.code, 3U);
    EXPECT_EQ(typo.facts.decision.why, reason::name_not_found);
    EXPECT_TRUE(typo.facts.decision.allowed);
    const auto slow = only(p.fail(p.forwarded(p.ask("slow.example")), errc::timed_out));
    EXPECT_EQ(slow.code, 2U);
    EXPECT_EQ(slow.facts.decision.why, reason::upstream_timed_out);
    EXPECT_NE(slow.text.find("upstream_timed_out"), std::string::npos);
    EXPECT_EQ(only(p.fail(p.forwarded(p.ask("broken.example")), errc::malformed)).facts.decision.why, reason::upstream_malformed);
    EXPECT_EQ(only(p.reply(p.forwarded(p.ask("lame.example")), 0, {}, 5)).code, 2U); // our upstream's REFUSED is not ours
}

TEST(resolver_virtual, the_chain_stays_hidden)
{
    playbook p;
    p.allowed = {"www.example"};
    const auto records = record_octets(to_question, rr::cname, 300, labels("edge.cdn.example")) +
                         record_octets(labels("edge.cdn.example"), rr::a, 300, {93, 184, 216, 34});
    const auto got = only(p.reply(p.forwarded(p.ask("www.example")), 2, records));
    EXPECT_EQ(got.answers, answers_t{"198.18.0.1"});
    EXPECT_EQ(got.text.find("edge"), std::string::npos);
    const auto text_records = record_octets(to_question, rr::cname, 300, labels("edge.cdn.example")) +
                              record_octets(labels("edge.cdn.example"), rr::txt, 300, {2, 'o', 'k'});
    EXPECT_EQ(only(p.reply(p.forwarded(p.ask("www.example", rr::txt)), 2, text_records)).answers, answers_t{"\"ok\""});
}

TEST(resolver_virtual, a_full_table_refuses_and_keeps_what_it_has)
{
    settings s;
    s.max_names = 1;
    playbook p(s);
    p.allowed = {"one.example", "two.example"};
    EXPECT_EQ(only(p.reply_address(p.forwarded(p.ask("one.example")))).code, 0U);
    const auto full = only(p.reply_address(p.forwarded(p.ask("two.example"))));
    EXPECT_EQ(full.code, 2U);
    EXPECT_EQ(full.facts.decision.why, reason::overload);
    EXPECT_EQ(p.answered(p.ask("one.example")).code, 0U);
}

TEST(resolver_real, carries_the_chain_and_the_remaining_time)
{
    playbook p(real_answers());
    p.allowed = {"www.example"};
    const auto records = record_octets(to_question, rr::cname, 300, labels("edge.cdn.example")) +
                         record_octets(labels("edge.cdn.example"), rr::a, 60, {93, 184, 216, 34});
    EXPECT_EQ(only(p.reply(p.forwarded(p.ask("www.example")), 2, records)).answers,
              (answers_t{"edge.cdn.example", "93.184.216.34"}));
    p.pass(20s);
    const auto later = p.ask("www.example");
    const auto back = parse_response(std::get<answer>(later).bytes, {name::parse("www.example").value(), rr::a});
    ASSERT_TRUE(back);
    EXPECT_EQ(back->chain[0].ttl, 280U);
    EXPECT_EQ(back->answers[0].ttl, 40U);
    p.pass(40s);
    p.forwarded(p.ask("www.example")); // the shortest time is over
}

TEST(resolver_chain, a_target_that_a_rule_denies_refuses_the_name)
{
    for (const auto& how : {settings{}, real_answers()}) {
        playbook p(how);
        p.allowed = {"www.example"};
        p.denied_by_rule = {"tracker.example"};
        const auto records = record_octets(to_question, rr::cname, 300, labels("tracker.example")) +
                             record_octets(labels("tracker.example"), rr::a, 60, {93, 184, 216, 34});
        const auto got = only(p.reply(p.forwarded(p.ask("www.example")), 2, records));
        EXPECT_EQ(got.code, 5U);
        EXPECT_EQ(got.facts.decision.why, reason::denied_by_rule);
        EXPECT_EQ(got.facts.decision.rule, "no tracker.example");
        EXPECT_EQ(p.answered(p.ask("www.example")).code, 5U); // the cache is judged like the wire
    }
}

TEST(resolver_chain, targets_of_services_and_mail_are_judged_too)
{
    const std::pair<std::uint16_t, packet> services[] = {
        {rr::mx, {0, 10}}, {rr::srv, {0, 1, 0, 1, 1, 187}}, {rr::https, {0, 0}}, {rr::svcb, {0, 1}}, {rr::ns, {}}, {rr::ptr, {}},
        {rr::cname, {}}};
    for (const auto& [type, before] : services) {
        playbook p;
        p.allowed = {"www.example"};
        p.denied_by_rule = {"tracker.example"};
        const auto bad = record_octets(to_question, type, 300, before + labels("tracker.example"));
        const auto good = record_octets(to_question, type, 300, before + labels("other.example"));
        const auto both = only(p.reply(p.forwarded(p.ask("www.example", type)), 2, bad + good));
        EXPECT_EQ(both.code, 0U) << type;
        EXPECT_EQ(both.answers.size(), 1U) << type;
        p.pass(3600s);
        const auto none = only(p.reply(p.forwarded(p.ask("www.example", type)), 1, bad));
        EXPECT_EQ(none.code, 5U) << type;
        EXPECT_EQ(none.facts.decision.why, reason::denied_by_rule);
        EXPECT_NE(none.text.find("leads to tracker.example"), std::string::npos);
    }
}

TEST(resolver_services, an_alias_keeps_its_target_and_no_parameters)
{
    playbook p;
    p.allowed = {"www.example"};
    const packet data = packet{0, 0} + labels("cdn.example") + packet{0, 4, 0, 4, 10, 0, 0, 1};
    const auto o = p.reply(p.forwarded(p.ask("www.example", rr::https)), 1, record_octets(to_question, rr::https, 300, data));
    const auto back = parse_response(o.answers.at(0).bytes, {name::parse("www.example").value(), rr::https});
    ASSERT_TRUE(back);
    const auto& service = std::get<svcb_rdata>(back->answers.at(0).data);
    EXPECT_EQ(service.target, name::parse("cdn.example").value());
    EXPECT_TRUE(service.params.empty());
}

TEST(resolver_bailiwick, what_was_not_asked_is_neither_given_nor_kept)
{
    playbook p(real_answers());
    p.allowed = {"www.example", "bank.example"};
    const auto stray = record_octets(labels("bank.example"), rr::a, 300, {203, 0, 113, 66});
    const auto own = record_octets(to_question, rr::a, 300, {93, 184, 216, 34});
    EXPECT_EQ(only(p.reply(p.forwarded(p.ask("www.example")), 2, own + stray)).answers, answers_t{"93.184.216.34"});
    EXPECT_EQ(p.forwarded(p.ask("bank.example")).name, "bank.example") << "asked, not answered from the stray record";
}

TEST(resolver_rebinding, addresses_that_are_not_public_are_dropped)
{
    const packet private_addresses[] = {{10, 0, 0, 1}, {127, 0, 0, 1},  {169, 254, 169, 254}, {100, 64, 0, 1},
                                        {0, 0, 0, 0},  {198, 18, 0, 1}, {224, 0, 0, 1}};
    for (const auto& address : private_addresses) {
        for (const auto& how : {settings{}, real_answers()}) {
            playbook p(how);
            p.allowed = {"rebind.example"};
            const auto got = only(p.reply_address(p.forwarded(p.ask("rebind.example")), address));
            EXPECT_EQ(got.code, 5U);
            EXPECT_TRUE(got.answers.empty());
            EXPECT_EQ(got.facts.decision.why, reason::private_address);
            EXPECT_FALSE(got.facts.decision.allowed);
        }
    }
}

TEST(resolver_rebinding, embedded_private_addresses_are_dropped_from_aaaa)
{
    const packet mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 1},
        nat64{0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0, 127, 0, 0, 1};
    for (const auto& address : {mapped, nat64}) {
        playbook p(real_answers());
        p.allowed = {"rebind.example"};
        EXPECT_EQ(only(p.reply_address(p.forwarded(p.ask("rebind.example", rr::aaaa)), address)).facts.decision.why,
                  reason::private_address);
    }
}

TEST(resolver_rebinding, public_ones_remain_and_allowed_ranges_too)
{
    playbook p(real_answers());
    p.allowed = {"mixed.example", "db.example"};
    p.permitted_addresses = {"10.20.0.5"};
    const auto records =
        record_octets(to_question, rr::a, 60, {10, 0, 0, 1}) + record_octets(to_question, rr::a, 60, {93, 184, 216, 34});
    EXPECT_EQ(only(p.reply(p.forwarded(p.ask("mixed.example")), 2, records)).answers, answers_t{"93.184.216.34"});
    EXPECT_EQ(only(p.reply_address(p.forwarded(p.ask("db.example")), {10, 20, 0, 5})).answers, answers_t{"10.20.0.5"});
}

TEST(resolver_services, https_comes_without_what_leads_around)
{
    playbook p;
    p.allowed = {"www.example"};
    const packet data = packet{0, 1, 0} + packet{0, 1, 0, 6, 2, 'h', '2', 2, 'h', '3'} + packet{0, 4, 0, 4, 93, 184, 216, 34} +
                        packet{0, 5, 0, 2, 'e', 'c'};
    const auto f = p.forwarded(p.ask("www.example", rr::https));
    EXPECT_EQ(f.qtype, rr::https);
    const auto o = p.reply(f, 1, record_octets(to_question, rr::https, 300, data));
    const auto back = parse_response(o.answers.at(0).bytes, {name::parse("www.example").value(), rr::https});
    ASSERT_TRUE(back);
    const auto& service = std::get<svcb_rdata>(back->answers.at(0).data);
    ASSERT_EQ(service.params.size(), 1U);
    EXPECT_EQ(service.params[0].value, "\x02h2");
}

TEST(resolver_special, localhost_and_reverse_names_are_answered_here)
{
    playbook p;
    EXPECT_EQ(p.answered(p.ask("localhost")).answers, answers_t{"127.0.0.1"});
    EXPECT_EQ(p.answered(p.ask("app.localhost", rr::aaaa)).answers, answers_t{"::1"});
    EXPECT_TRUE(p.answered(p.ask("localhost", rr::txt)).answers.empty());
    (void)p.names.bind("registry.example");
    EXPECT_EQ(p.answered(p.ask("1.0.18.198.in-addr.arpa", rr::ptr)).answers, answers_t{"registry.example"});
    EXPECT_EQ(p.answered(p.ask("9.0.18.198.in-addr.arpa", rr::ptr)).code, 3U);
    EXPECT_EQ(p.answered(p.ask("1.0.0.127.in-addr.arpa", rr::ptr)).answers, answers_t{"localhost"});
    EXPECT_EQ(p.answered(p.ask("2.0.64.100.in-addr.arpa", rr::ptr)).code, 3U);
    EXPECT_TRUE(p.judged.empty());
    EXPECT_EQ(p.answered(p.ask("8.8.8.8.in-addr.arpa", rr::ptr)).code, 5U); // a public one is a name like any other
    EXPECT_EQ(p.answered(p.ask("secret.10.in-addr.arpa", rr::ptr)).code, 5U);
}

TEST(resolver_special, the_gateways_host_is_bound_without_upstream_if_the_policy_says_so)
{
    playbook p;
    EXPECT_EQ(p.answered(p.ask("host.docker.internal")).code, 5U);
    p.allowed = {"host"};
    EXPECT_EQ(p.answered(p.ask("host")).answers, answers_t{"198.18.0.1"});
    EXPECT_EQ(p.answered(p.ask("host.docker.internal")).answers, answers_t{"198.18.0.1"});
    EXPECT_EQ(p.answered(p.ask("host.cofferdam.internal")).answers, answers_t{"198.18.0.1"});
    EXPECT_EQ(p.names.name_of(ip_address::parse("198.18.0.1").value()), "host");
}

TEST(resolver_unsupported, types_and_classes_that_are_not_carried)
{
    playbook p;
    p.allowed = {"www.example", "."};
    for (const auto type : {rr::any, rr::axfr, rr::ixfr, std::uint16_t{10}, std::uint16_t{46}, std::uint16_t{65280}}) {
        const auto got = p.answered(p.ask("www.example", type));
        EXPECT_EQ(got.code, 4U) << type;
        EXPECT_NE(got.text.find(ede(21) + "cofferdam: unsupported_query"), std::string::npos);
        EXPECT_EQ(got.facts.decision.why, reason::unsupported_query);
    }
    const auto chaos = p.answered(p.send(header() + question_octets(labels("version.bind"), rr::txt, 3)));
    EXPECT_EQ(chaos.code, 5U);
    EXPECT_EQ(p.answered(p.send(header() + question_octets({0}, rr::ns))).code, 5U);
    EXPECT_TRUE(p.judged.empty());
}

TEST(resolver_malformed, is_answered_and_recorded_and_at_most_its_readable_end_judged)
{
    playbook p;
    const auto odd = p.answered(p.send(header() + question_octets({3, 'a', '\n', 'b', 4, 't', 'e', 's', 't', 0}, rr::a)));
    EXPECT_EQ(odd.code, 5U);
    EXPECT_EQ(odd.facts.qname, "a\\010b.test");
    EXPECT_EQ(odd.facts.decision.why, reason::malformed_name);
    const auto two = p.answered(p.send(header({.qd = 2})));
    EXPECT_EQ(two.code, 1U);
    EXPECT_EQ(two.facts.decision.why, reason::malformed_query);
    const auto response = p.send(header({.flags = 0x8180}));
    ASSERT_TRUE(std::holds_alternative<drop>(response));
    EXPECT_EQ(std::get<drop>(response).facts.decision.why, reason::dns_response_from_client);
    EXPECT_TRUE(std::holds_alternative<drop>(p.send({1, 2, 3})));
    for (const auto& name : p.judged) EXPECT_EQ(name, "test");
}

TEST(resolver_bounds, equal_questions_share_one_upstream_query)
{
    playbook p;
    p.allowed = {"registry.example"};
    const auto f = p.forwarded(p.ask("registry.example"));
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(std::holds_alternative<waiting>(p.ask("REGISTRY.example")));
    const auto o = p.reply_address(f);
    ASSERT_EQ(o.answers.size(), 6U);
    std::set<ticket> tickets;
    for (const auto& a : o.answers) {
        tickets.insert(a.to);
        EXPECT_EQ(a.facts.answers, answers_t{"198.18.0.1"});
    }
    EXPECT_EQ(tickets.size(), 6U);
    EXPECT_TRUE(p.core.on_upstream(f.id, errc::timed_out, p.now).answers.empty()); // a second answer finds nobody
}

TEST(resolver_bounds, in_flight_queries_and_waiters_are_bounded)
{
    settings s;
    s.max_in_flight = 2;
    playbook p(s);
    p.allowed = {"a.example", "b.example", "c.example"};
    const auto a = p.forwarded(p.ask("a.example"));
    p.forwarded(p.ask("b.example"));
    const auto full = p.answered(p.ask("c.example"));
    EXPECT_EQ(full.code, 2U);
    EXPECT_EQ(full.facts.decision.why, reason::overload);
    int waiting_now = 2;
    while (std::holds_alternative<waiting>(p.ask("a.example"))) ASSERT_LT(++waiting_now, 1000);
    EXPECT_EQ(waiting_now, 16);
    EXPECT_EQ(p.reply_address(a).answers.size(), 15U);
    p.forwarded(p.ask("c.example")); // and it recovers
}

TEST(resolver_bounds, the_cache_is_bounded_and_clamped)
{
    settings s = real_answers();
    s.max_cache = 3;
    playbook p(s);
    for (int i = 0; i < 10; ++i) {
        const auto n = "n" + std::to_string(i) + ".example";
        p.allowed.insert(n);
        p.reply_address(p.forwarded(p.ask(n)));
    }
    EXPECT_EQ(p.core.cached(), 3U);
    p.allowed.insert("zero.example");
    p.reply_address(p.forwarded(p.ask("zero.example")), {93, 184, 216, 34}, 0);
    p.pass(4s);
    p.answered(p.ask("zero.example")); // min_ttl
    p.pass(2s);
    p.reply_address(p.forwarded(p.ask("zero.example")), {93, 184, 216, 34}, 1'000'000);
    p.pass(3599s);
    p.answered(p.ask("zero.example"));
    p.pass(2s);
    p.forwarded(p.ask("zero.example")); // max_ttl
}

TEST(resolver_bounds, negative_answers_and_failures_are_cached_for_a_short_time)
{
    playbook p;
    p.allowed = {"no.example", "slow.example"};
    packet soa = labels("ns.example") + labels("m.example");
    for (const std::uint32_t v : {1U, 2U, 3U, 4U, 3600U}) put32(soa, v);
    only(p.reply(p.forwarded(p.ask("no.example")), 0, record_octets(labels("example"), rr::soa, 3600, soa), 3, 1));
    p.pass(29s);
    EXPECT_EQ(p.answered(p.ask("no.example")).code, 3U);
    p.pass(2s);
    p.forwarded(p.ask("no.example"));
    p.fail(p.forwarded(p.ask("slow.example")), errc::timed_out);
    EXPECT_EQ(p.answered(p.ask("slow.example")).code, 2U);
    p.pass(1s);
    p.forwarded(p.ask("slow.example"));
}

TEST(resolver_policy, is_asked_for_every_query_also_where_the_cache_could_answer)
{
    playbook p;
    p.allowed = {"registry.example"};
    p.reply_address(p.forwarded(p.ask("registry.example")));
    p.allowed.clear(); // a reload, or the next phase
    EXPECT_EQ(p.answered(p.ask("registry.example")).code, 5U);
}

TEST(resolver_policy, audit_mode_serves_and_records_what_enforce_would_do)
{
    playbook p;
    p.audit_only = {"unlisted.example"};
    const auto got = only(p.reply_address(p.forwarded(p.ask("unlisted.example"))));
    EXPECT_EQ(got.code, 0U);
    EXPECT_TRUE(got.facts.decision.allowed);
    EXPECT_FALSE(got.facts.decision.would_allow);
    EXPECT_EQ(got.facts.decision.why, reason::not_in_allow_list);
    EXPECT_EQ(got.facts.decision.hint, "dns:unlisted.example");
}
