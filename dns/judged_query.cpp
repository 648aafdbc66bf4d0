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

answer finish(judged_query& w, reply what, clock::time_point now, std::string detail)
{
    answer out;
    out.to = w.to;
    out.bytes = build_reply(w.q, what, w.how);
    auto& facts = out.facts;
    facts.qname = w.q.text.size() != 0 ? std::string(w.q.text.view()) : w.q.question().empty() ? std::string() : w.q.qname.text();
    if (!w.q.question().empty()) facts.qtype = type_text(w.q.qtype);
    facts.how = w.how;
    facts.rcode = to_text(what.code);
    for (const auto& r : what.answers) {
        if (facts.answers.size() == max_recorded_answers) break;
        facts.answers.push_back(to_text(r));
    }
    facts.decision = std::move(w.verdict);
    facts.paid = w.paid;
    facts.detail = std::move(detail);
    facts.source = w.source;
    facts.duration = now - w.started;
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
