#include "dns/ready_answers.hpp"

#include <array>
#include <cstring>

namespace cofferdam::dns {
namespace {

/// Name and type as one key, in place.
class answer_key {
public:
    explicit answer_key(const query& asked) noexcept
    {
        const auto wire = asked.qname.wire();
        std::memcpy(octets_.data(), wire.data(), wire.size());
        octets_[wire.size()] = static_cast<char>(asked.qtype >> 8);
        octets_[wire.size() + 1] = static_cast<char>(asked.qtype & 0xFF);
        size_ = wire.size() + 2;
    }
    std::string_view view() const noexcept { return {octets_.data(), size_}; }

private:
    std::array<char, max_name_wire + 2> octets_;
    std::size_t size_;
};

// A decision that the resolver left as the inspector made it, but for a name that does not exist.
bool is_plain(const query_facts& given) noexcept
{
    return given.decision.allowed && given.decision.rules != 0 && given.decision.why != reason::denied_by_rule;
}

} // namespace

void ready_answers::keep(const query& asked, const answer& given, clock::time_point expiry, bool ages, clock::time_point now)
{
    if (!is_plain(given.facts)) return;
    auto section = take_answer_section(asked, given.bytes);
    if (!section || (section->code != rcode::noerror && section->code != rcode::nxdomain)) return;
    auto made = std::make_shared<entry>();
    made->section = std::move(*section);
    made->why = given.facts.decision.why;
    made->rules = given.facts.decision.rules;
    made->ages = ages;
    made->since = now;
    made->qtype = given.facts.qtype;
    made->rcode = given.facts.rcode;
    made->answers = given.facts.answers;
    const answer_key key(asked);
    const std::lock_guard lock(mutex_);
    entries_.put(key.view(), std::move(made), expiry);
}

std::shared_ptr<const ready_answers::entry> ready_answers::look_up(const query& asked, clock::time_point now)
{
    const answer_key key(asked);
    const std::lock_guard lock(mutex_);
    const auto* found = entries_.find(key.view(), now);
    return found == nullptr ? nullptr : *found;
}

std::optional<answer> ready_answers::find(judged_query& w, clock::time_point now)
{
    const auto known = look_up(w.q, now);
    if (!known || known->rules != w.verdict.rules) return std::nullopt;
    const auto age = known->ages ? std::chrono::duration_cast<std::chrono::seconds>(now - known->since).count() : 0;
    auto bytes = build_reply(w.q, known->section, static_cast<std::uint32_t>(age), w.how);
    if (!bytes) return std::nullopt;
    if (known->why == reason::name_not_found) w.verdict.why = known->why;
    answer out;
    out.to = w.to;
    out.bytes = std::move(*bytes);
    out.facts = take_facts(w, now);
    out.facts.qtype = known->qtype;
    out.facts.rcode = known->rcode;
    out.facts.answers = known->answers;
    return out;
}

} // namespace cofferdam::dns
