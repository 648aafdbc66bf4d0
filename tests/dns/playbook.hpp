#pragma once

#include "dns/resolver.hpp"
#include "packets.hpp"

#include <gtest/gtest.h>
#include <map>
#include <set>

/// A job, its policy and an upstream, with time and network replaced by the test's script.
namespace cofferdam::dns::test {

struct seen {
    unsigned code = 999; ///< rcode of the answer's header
    std::vector<std::string> answers;
    std::string text; ///< the whole answer, for the EDE
    query_facts facts;
};

class playbook {
public:
    explicit playbook(settings how = {})
        : names(how.virtual_range, how.max_names), spent(how.exfiltration),
          gate(how, names, spent, {[this](std::string_view name, std::uint16_t qtype) { return judge(name, qtype); }}),
          core(how, names, gate,
               {[this](std::string_view, const ip_address& a) {
                    return a.scope() == ip_scope::global || permitted_addresses.contains(a.to_string());
                },
                [this](std::string_view name, std::uint16_t qtype) { spent.unanswered(name, qtype); }, &ready})
    {
        source = {ip_address::parse("100.64.0.2").value(), 4242};
    }

    policy_answer judge(std::string_view name, std::uint16_t)
    {
        judged.emplace_back(name);
        auto out = word_on(name);
        out.rules = rules;
        return out;
    }

    policy_answer word_on(std::string_view name) const
    {
        const std::string text(name);
        if (audit_only.contains(text)) return {true, false, reason::not_in_allow_list, {}, "dns:" + text};
        if (denied_by_rule.contains(text)) return {false, false, reason::denied_by_rule, "no " + text, {}};
        if (allowed.contains(text))
            return {true, true, reason::allowed_by_endpoint, "dns:" + text, {}, {name_rule::kind::exact, {}, {}}};
        return {false, false, reason::not_in_allow_list, {}, "dns:" + text};
    }

    action send(const packet& p, transport how = transport::udp) { return core.on_query(p, how, source, ++tickets, now); }
    action ask(std::string_view qname, std::uint16_t qtype = rr::a) { return send(make_query(qname, qtype)); }

    /// The answer that a query got at once.
    static seen answered(const action& a)
    {
        const auto* got = std::get_if<answer>(&a);
        if (got == nullptr) {
            ADD_FAILURE() << "no immediate answer, but alternative " << a.index();
            return {};
        }
        return read(*got);
    }
    static seen read(const answer& a) { return {rcode_of(a.bytes), a.facts.answers, text_of(a.bytes), a.facts}; }
    static forward forwarded(const action& a)
    {
        const auto* got = std::get_if<forward>(&a);
        if (got == nullptr) {
            ADD_FAILURE() << "not forwarded, but alternative " << a.index();
            return {};
        }
        return *got;
    }

    /// Upstream answers `f` with records given as octets.
    outcome reply(const forward& f, unsigned an, const packet& records, unsigned code = 0, unsigned ns = 0)
    {
        const auto bytes =
            header({.flags = 0x8180U | code, .an = an, .ns = ns}) + question_octets(labels(f.name), f.qtype) + records;
        return core.on_upstream(f.id, parse_response(bytes, {name::parse(f.name).value(), f.qtype}), now);
    }
    outcome reply_address(const forward& f, packet address = {93, 184, 216, 34}, std::uint32_t ttl = 300)
    {
        return reply(f, 1, record_octets(to_question, f.qtype, ttl, address));
    }
    outcome fail(const forward& f, errc why) { return core.on_upstream(f.id, why, now); }

    void pass(std::chrono::seconds time) { now += time; }

    std::set<std::string> allowed, denied_by_rule, audit_only, permitted_addresses;
    std::vector<std::string> judged;
    std::uint64_t rules = 1; ///< to be changed with the sets above
    bindings names;
    ready_answers ready{1024};
    budget spent;
    inspector gate;
    resolver core;
    ip_endpoint source;
    ticket tickets = 0;
    resolver::clock::time_point now{std::chrono::hours(1)};
};

inline seen only(const outcome& o)
{
    EXPECT_FALSE(o.next);
    if (o.answers.size() != 1) {
        ADD_FAILURE() << o.answers.size() << " answers";
        return {};
    }
    return playbook::read(o.answers[0]);
}

inline settings real_answers()
{
    settings s;
    s.answers = answer_mode::real;
    return s;
}

} // namespace cofferdam::dns::test
