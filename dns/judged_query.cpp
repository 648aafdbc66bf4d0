#include "dns/judged_query.hpp"

#include "dns/refusal.hpp"

namespace cofferdam::dns {
namespace {

constexpr std::size_t max_recorded_answers = 16;

// musl, and others that send no EDNS, take REFUSED for no answer and wait until their time-out. They can't read the reason either
// (RFC 8914, 2), so of names that one may well ask for nothing is lost by an rcode that ends the lookup at once.
rcode told(const query_head& to, rcode code, ede_code error) noexcept
{
    return code == rcode::refused && error == ede_code::blocked && !to.opt ? rcode::nxdomain : code;
}

} // namespace

query_facts take_facts(judged_query& w, clock::time_point now)
{
    query_facts out;
    if (w.q.text.size() != 0)
        out.qname = w.q.text.view();
    else if (!w.q.question().empty())
        out.qname = w.q.qname.text();
    out.how = w.how;
    out.decision = std::move(w.verdict);
    out.paid = w.paid;
    out.source = w.source;
    out.duration = now - w.started;
    return out;
}

answer finish(judged_query& w, reply what, clock::time_point now, std::string detail)
{
    answer out;
    out.to = w.to;
    out.bytes = build_reply(w.q, what, w.how);
    auto& facts = out.facts;
    facts = take_facts(w, now);
    if (!w.q.question().empty()) facts.qtype = type_text(w.q.qtype);
    facts.rcode = to_text(what.code);
    for (const auto& r : what.answers) {
        if (facts.answers.size() == max_recorded_answers) break;
        facts.answers.push_back(to_text(r));
    }
    facts.detail = std::move(detail);
    return out;
}

answer refuse(judged_query& w, reason why, rcode code, ede_code error, clock::time_point now, std::string detail)
{
    // A refusal is a decision against the query; a failure leaves the policy's word as it was and says why nothing came.
    if (is_refusal(why)) w.verdict.allowed = false;
    if (is_refusal(why) && w.verdict.why != why) w.verdict.would_allow = false;
    w.verdict.why = why;
    reply what;
    what.code = told(w.q, code, error);
    what.error = extended_error{error, explain_refusal(why, w.q.text.view(), w.verdict.hint, detail)};
    return finish(w, std::move(what), now, std::move(detail));
}

} // namespace cofferdam::dns
