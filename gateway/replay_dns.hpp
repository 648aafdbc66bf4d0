#pragma once

#include <string>
#include <vector>

namespace cofferdam::gateway {

struct replay_request {
    std::string policy;              ///< empty: everything is resolvable, only the budget refuses
    bool job_per_file = false;       ///< a new job, with fresh budgets, for each file
    std::string audit;               ///< an audit log whose queries are replayed too
    std::string model;               ///< a folder as dns/tools/train_model.py writes it; empty: the shipped model
    std::vector<std::string> traces; ///< "-" is standard input
};

/// `cofferdam replay-dns`: puts recorded queries, "time<TAB>qtype<TAB>qname[<TAB>payload_bytes]" a line, to the inspector and
/// prints what it says of each, one JSON object a line, and a last one with the sums. Nothing is resolved. Throws config_error
/// at a line that can't be read.
int replay_dns_command(const replay_request& request);

} // namespace cofferdam::gateway
