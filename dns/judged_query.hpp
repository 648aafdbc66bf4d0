#pragma once

#include "core/reason.hpp"
#include "dns/budget.hpp"
#include "dns/message.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace cofferdam::dns {

using clock = std::chrono::steady_clock;

/// What the policy says about a name. `would_allow` differs from `allowed` only where the policy records without refusing.
struct policy_answer {
    bool allowed = false;
    bool would_allow = false;
    reason why = reason::not_in_allow_list;
    std::string rule;        ///< the entry or rule that decided; empty where none matched
    std::string hint;        ///< for a refusal: the allow-list line that would permit just this
    name_rule matched;       ///< by what the name may be resolved, for the information budget
    std::uint64_t rules = 0; ///< which policy said so: another number, another policy. 0: not told, nothing is kept for long
};

/// All that a record of evidence needs to know of one query. Every query has exactly one, whatever became of it.
struct query_facts {
    std::string qname; ///< canonical; of a malformed query as far as it could be read, escaped
    std::string qtype; ///< "A", "TYPE123"; empty if it could not be read
    transport how = transport::udp;
    std::string rcode;                ///< as sent; empty: no answer was sent
    std::vector<std::string> answers; ///< as sent, one printable line each; bounded in number and length
    policy_answer decision;
    std::string detail; ///< for a person: what was wrong
    ip_endpoint source;
    std::chrono::nanoseconds duration{0}; ///< from the query to its answer
    std::optional<charge> paid;           ///< absent: nothing was charged, since nothing would have left
};

/// The caller's mark of where an answer goes; it is only handed back.
using ticket = std::uint64_t;

struct answer {
    ticket to = 0;
    std::vector<std::uint8_t> bytes;
    query_facts facts;
};

struct drop {
    query_facts facts;
}; ///< not a query; no answer

/// A query with where it came from and what was decided about it.
struct judged_query {
    query q;
    ticket to = 0;
    transport how = transport::udp;
    ip_endpoint source;
    clock::time_point started;
    policy_answer verdict;
    std::optional<charge> paid;
};

/// The record of `w`, whose verdict moves there: all of it but what was answered.
query_facts take_facts(judged_query& w, clock::time_point now);
/// The answer `what` to `w`, with its record.
answer finish(judged_query& w, reply what, clock::time_point now, std::string detail = {});
/// A refusal or a failure: `code` with an Extended DNS Error that explains `why`.
answer refuse(judged_query& w, reason why, rcode code, ede_code error, clock::time_point now, std::string detail = {});

} // namespace cofferdam::dns
