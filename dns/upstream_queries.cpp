#include "dns/upstream_queries.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

constexpr std::chrono::seconds rest{30}; // of a server that was silent or unreachable

constexpr std::uint8_t qr_bit = 0x80, opcode_bits = 0x78, tc_bit = 0x02;

struct datagram_head {
    std::uint16_t id = 0;
    bool is_response = false, truncated = false;
    unsigned code = 0, questions = 0;
};

std::optional<datagram_head> read_head(byte_view bytes) noexcept
{
    if (bytes.size() < header_size) return std::nullopt;
    datagram_head out;
    out.id = static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
    out.is_response = (bytes[2] & qr_bit) != 0 && (bytes[2] & opcode_bits) == 0;
    out.truncated = (bytes[2] & tc_bit) != 0;
    out.code = bytes[3] & 0x0FU;
    out.questions = static_cast<unsigned>(bytes[4] << 8 | bytes[5]);
    return out;
}

bool echoes(byte_view bytes, const question& asked) noexcept
{
    std::size_t end = 0;
    const auto qname = name::read_plain(bytes, header_size, end);
    if (!qname || !(*qname == asked.qname) || bytes.size() - end < 4) return false;
    return (bytes[end] << 8 | bytes[end + 1]) == asked.qtype && bytes[end + 2] == 0 && bytes[end + 3] == class_in;
}

bool is_code(unsigned code, rcode which) noexcept
{
    return code == static_cast<unsigned>(which);
}

} // namespace

upstream_queries::upstream_queries(const settings& how, std::size_t servers, std::size_t sockets,
                                   std::function<std::uint16_t()> random)
    : timeout_(how.upstream_timeout), tries_(std::max(how.upstream_tries, 1U)), max_in_flight_(how.max_in_flight),
      random_(std::move(random)), servers_(servers), on_socket_(sockets)
{
}

// The first that does not rest. One whose rest has ended is tried with one query: the others pass it by until that is settled.
std::size_t upstream_queries::choose(clock::time_point now)
{
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        auto& s = servers_[i];
        if (s.rests_until > now) continue;
        if (s.rests_until != clock::time_point{}) s.rests_until = now + timeout_;
        return i;
    }
    const auto soonest = std::min_element(servers_.begin(), servers_.end(),
                                          [](const auto& a, const auto& b) { return a.rests_until < b.rests_until; });
    return static_cast<std::size_t>(soonest - servers_.begin());
}

std::size_t upstream_queries::next_after(std::size_t server, clock::time_point now) const noexcept
{
    const auto n = servers_.size();
    for (std::size_t i = 1; i < n; ++i) {
        const auto candidate = (server + i) % n;
        if (servers_[candidate].rests_until <= now) return candidate;
    }
    return (server + 1) % n;
}

result<upstream_queries::attempt> upstream_queries::ask(const question& what, clock::time_point now)
{
    if (servers_.empty()) return errc::unreachable;
    if (in_use_ >= max_in_flight_) return errc::exhausted;
    if (free_.empty()) {
        free_.push_back(static_cast<slot>(pending_.size()));
        pending_.emplace_back();
        free_.reserve(pending_.size()); // release() must not fail
    }
    const auto which = free_.back();
    free_.pop_back();
    ++in_use_;
    auto& p = pending_[which];
    p = pending{};
    p.what = what;
    p.used = true;
    p.attempts = 1;
    p.server = choose(now);
    return attempt{which, p.server};
}

std::vector<std::uint8_t> upstream_queries::datagram(const attempt& of, std::size_t socket, clock::time_point now)
{
    auto& p = pending_[of.what];
    p.socket = socket;
    p.sent = now;
    do p.id = random_();
    while (!by_id_.emplace(key_of(socket, p.id), of.what).second);
    ++on_socket_[socket];
    append(of.what);
    return build_query(p.id, p.what, p.with_edns);
}

upstream_queries::action upstream_queries::could_not_send(const attempt& what, clock::time_point now)
{
    servers_[what.server].rests_until = now + rest;
    return retry(what.what, errc::unreachable, now);
}

std::optional<upstream_queries::action> upstream_queries::on_datagram(std::size_t socket, byte_view bytes, clock::time_point now)
{
    const auto head = read_head(bytes);
    if (!head || !head->is_response) return std::nullopt;
    const auto at = by_id_.find(key_of(socket, head->id));
    if (at == by_id_.end()) return std::nullopt;
    const auto which = at->second;
    auto& p = pending_[which];
    // A server that does not read the query's EDNS may answer with its header alone (RFC 6891, 7).
    const bool old_server = p.with_edns && is_code(head->code, rcode::formerr) && head->questions <= 1;
    const bool bare = old_server && head->questions == 0 && bytes.size() == header_size;
    if (!bare && (head->questions != 1 || !echoes(bytes, p.what))) return std::nullopt;
    stop_waiting(p, which);
    servers_[p.server] = {now, {}};
    if (old_server) {
        p.with_edns = false;
        return attempt{which, p.server};
    }
    if (is_code(head->code, rcode::servfail) || is_code(head->code, rcode::refused) || is_code(head->code, rcode::notimp))
        return refused(which, now);
    release(which);
    if (head->truncated) return over_tcp{which};
    return answered{which};
}

std::vector<upstream_queries::action> upstream_queries::on_unreachable(std::size_t socket, clock::time_point now)
{
    std::vector<action> out;
    for (auto which = first_; which != none;) {
        const auto next = pending_[which].after;
        auto& p = pending_[which];
        if (p.socket == socket) {
            servers_[p.server].rests_until = now + rest;
            stop_waiting(p, which);
            out.push_back(retry(which, errc::unreachable, now));
        }
        which = next;
    }
    return out;
}

std::vector<upstream_queries::action> upstream_queries::expire(clock::time_point now)
{
    std::vector<action> out;
    while (first_ != none && pending_[first_].sent + timeout_ <= now) {
        const auto which = first_;
        auto& p = pending_[which];
        auto& asked = servers_[p.server];
        // Silence about one name is the name's, silence about all is the server's.
        if (asked.last_answer < p.sent) asked.rests_until = now + rest;
        stop_waiting(p, which);
        p.heard = true;
        out.push_back(retry(which, errc::timed_out, now));
    }
    return out;
}

upstream_queries::clock::time_point upstream_queries::next_expiry() const noexcept
{
    return first_ == none ? clock::time_point::max() : pending_[first_].sent + timeout_;
}

std::vector<upstream_queries::slot> upstream_queries::abandon()
{
    std::vector<slot> out;
    for (slot which = 0; which < pending_.size(); ++which) {
        if (!pending_[which].used) continue;
        if (pending_[which].waiting) stop_waiting(pending_[which], which);
        release(which);
        out.push_back(which);
    }
    return out;
}

upstream_queries::action upstream_queries::retry(slot which, error_code otherwise, clock::time_point now)
{
    auto& p = pending_[which];
    if (p.attempts >= tries_) {
        if (p.heard && otherwise == errc::unreachable) otherwise = errc::closed;
        release(which);
        return failed{which, otherwise};
    }
    ++p.attempts;
    p.server = next_after(p.server, now);
    return attempt{which, p.server};
}

// To ask the same server again would hardly help (RFC 9520, 3.1): each is asked once.
upstream_queries::action upstream_queries::refused(slot which, clock::time_point now)
{
    auto& p = pending_[which];
    p.heard = true;
    if (++p.unwilling < servers_.size()) return retry(which, errc::closed, now);
    release(which);
    return failed{which, errc::closed};
}

void upstream_queries::append(slot which) noexcept
{
    auto& p = pending_[which];
    p.waiting = true;
    p.before = last_;
    p.after = none;
    (last_ == none ? first_ : pending_[last_].after) = which;
    last_ = which;
}

void upstream_queries::stop_waiting(pending& p, slot which) noexcept
{
    (p.before == none ? first_ : pending_[p.before].after) = p.after;
    (p.after == none ? last_ : pending_[p.after].before) = p.before;
    p.waiting = false;
    if (const auto at = by_id_.find(key_of(p.socket, p.id)); at != by_id_.end() && at->second == which) by_id_.erase(at);
    --on_socket_[p.socket];
}

void upstream_queries::release(slot which) noexcept
{
    pending_[which].used = false;
    free_.push_back(which);
    --in_use_;
}

} // namespace cofferdam::dns
