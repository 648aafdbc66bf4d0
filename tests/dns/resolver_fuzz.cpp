#include "dns/resolver.hpp"
#include "dns/tcp_framing.hpp"

#include <cstdlib>

using namespace cofferdam;
using namespace cofferdam::dns;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

policy_answer judge(std::string_view name, std::uint16_t)
{
    const auto canonical = name::parse(name);
    require(canonical && canonical->is_host_like() && canonical->text() == name);
    const bool fine = !name.ends_with("evil.example");
    return {fine, fine, reason::not_in_allow_list, {}, {}, {}, 1};
}

/// A job: its resolver, with answers that are kept ready or without, and what it owes. One answer a query and one record a query:
/// those sent at once, and those that waited.
struct job {
    job(const settings& how, bool with_ready)
        : names(how.virtual_range, how.max_names), spent(how.exfiltration), gate(how, names, spent, {judge}),
          ready(how.max_cache), core(how, names, gate, {{}, {}, with_ready ? &ready : nullptr})
    {
    }

    void keep(const answer& a)
    {
        ++records;
        require(a.bytes.size() >= header_size && !a.facts.rcode.empty());
        require(a.facts.answers.empty() || a.facts.decision.allowed);
        said.push_back(a.bytes);
        said.push_back({static_cast<std::uint8_t>(a.facts.decision.why), a.facts.decision.allowed});
        for (const auto& text : {a.facts.qname, a.facts.qtype, a.facts.rcode}) said.emplace_back(text.begin(), text.end());
        for (const auto& text : a.facts.answers) said.emplace_back(text.begin(), text.end());
    }

    void ask(byte_view message, resolver::clock::time_point now)
    {
        ++queries;
        const auto did = core.on_query(message, transport::udp, {}, queries, now);
        if (const auto* a = std::get_if<answer>(&did)) keep(*a);
        if (std::holds_alternative<drop>(did)) ++records;
        if (const auto* f = std::get_if<forward>(&did)) asked.push_back(*f);
    }

    void hear(const result<response>& got, resolver::clock::time_point now)
    {
        const auto f = asked.back();
        asked.pop_back();
        const auto out = core.on_upstream(f.id, got, now);
        for (const auto& a : out.answers) keep(a);
        if (out.next) asked.push_back(*out.next);
    }

    bindings names;
    budget spent;
    inspector gate;
    ready_answers ready;
    resolver core;
    std::size_t queries = 0, records = 0;
    std::vector<forward> asked;
    std::vector<std::vector<std::uint8_t>> said;
};

} // namespace

// Messages of the stream are queries to the job's resolver and upstream's answers to them, in turn. Whether answers are kept
// ready makes no difference to anybody.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    settings how;
    how.max_in_flight = 4;
    how.max_cache = 1024;
    how.max_names = 4;
    if (size != 0 && (bytes[0] & 1) != 0) how.answers = answer_mode::real;
    job plain(how, false), quick(how, true);
    tcp_framing stream(max_message_size);
    stream.push(byte_view(bytes, size).subspan(size != 0 ? 1 : 0));
    resolver::clock::time_point now{};
    for (auto message = stream.next(); message; message = stream.next()) {
        now += std::chrono::seconds(1);
        for (auto* each : {&plain, &quick}) {
            if (each->asked.empty() || ((*message)[2] & 0x80) == 0) {
                each->ask(*message, now);
                continue;
            }
            const auto& f = each->asked.back();
            each->hear(parse_response(*message, {name::parse(f.name).value(), f.qtype}), now);
        }
    }
    for (auto* each : {&plain, &quick}) {
        while (!each->asked.empty()) each->hear(errc::timed_out, now);
        require(each->records == each->queries && each->core.in_flight() == 0);
    }
    require(plain.said == quick.said);
    return 0;
}
