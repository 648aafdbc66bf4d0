#include "dns/io/upstream_client.hpp"

#include "dns/io/cares_channel.hpp"
#include "dns/io/hosts_file.hpp"
#include "dns/message.hpp"
#include "dns/ttl_cache.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <stdexcept>
#include <sys/random.h>

namespace cofferdam::dns {

namespace asio = boost::asio;

namespace {

using clock = std::chrono::steady_clock;
using bytes_result = result<std::vector<std::uint8_t>>;
using addresses_result = result<std::vector<ip_address>>;

constexpr std::chrono::milliseconds ipv6_grace{50};
constexpr std::uint32_t hosts_ttl = 5;

// An upstream query, or what the hosts file said, and all that wait for it.
struct lookup {
    bool done = false;
    bytes_result value = errc::closed;
    std::vector<asio::steady_timer*> waiting;

    void finish(bytes_result got)
    {
        value = std::move(got);
        done = true;
        for (auto* timer : waiting) timer->cancel();
    }
};

// A timer's place among those a lookup wakes; leaves it even if the coroutine's frame is destroyed while it waits.
class wake_up {
public:
    wake_up(std::shared_ptr<lookup> from, asio::steady_timer& timer) : from_(std::move(from)), timer_(&timer)
    {
        from_->waiting.push_back(timer_);
    }
    ~wake_up() { std::erase(from_->waiting, timer_); }
    wake_up(const wake_up&) = delete;
    wake_up& operator=(const wake_up&) = delete;

private:
    std::shared_ptr<lookup> from_;
    asio::steady_timer* timer_;
};

// What one family's answer says: addresses, or why there are none.
struct family_addresses {
    std::vector<ip_address> addresses;
    error_code failed; // set: no usable answer; errc::not_found: a good answer without addresses
    std::chrono::seconds ttl{1};
};

std::uint16_t random_id()
{
    std::uint16_t out = 0;
    if (::getrandom(&out, sizeof out, 0) != static_cast<ssize_t>(sizeof out)) throw std::runtime_error("getrandom failed");
    return out;
}

bool is_format_error(const std::vector<std::uint8_t>& bytes) noexcept
{
    return bytes.size() >= header_size && (bytes[3] & 0xFU) == static_cast<unsigned>(rcode::formerr);
}

// The hosts file's word as an answer, so that nobody downstream needs to know where it came from.
std::vector<std::uint8_t> answer_from_hosts(const question& what, const std::vector<ip_address>& addresses)
{
    reply out;
    for (const auto& a : addresses) {
        if (a.is_v4() == (what.qtype == rr::a)) out.answers.push_back({what.qname, what.qtype, hosts_ttl, a});
    }
    const auto as_query = parse_query(build_query(0, what));
    if (!as_query) return {};
    return build_reply(*as_query, out, transport::tcp);
}

} // namespace

struct upstream_client::impl : std::enable_shared_from_this<impl> {
    struct cached_addresses {
        std::vector<ip_address> addresses;
        error_code failed;
    };

    impl(asio::io_context& io_context, const settings& how, sources from)
        : io(io_context), limits(how), channel(cares_channel::open(io_context, how, from.resolv_conf)),
          hosts(std::move(from.hosts_file)), cache(how.max_cache)
    {
    }

    std::shared_ptr<lookup> start(const question& what);
    void send(const question& what, bool with_edns, std::shared_ptr<lookup> into);
    asio::awaitable<void> wait(std::shared_ptr<lookup> for_what, clock::time_point until);
    family_addresses read(const lookup& from, const question& what) const;
    addresses_result combine(const std::string& key, family_addresses v4, family_addresses v6);
    static asio::awaitable<bytes_result> query(std::shared_ptr<impl> self, std::string name, std::uint16_t qtype);
    static asio::awaitable<addresses_result> addresses(std::shared_ptr<impl> self, std::string name);

    asio::io_context& io;
    settings limits;
    std::shared_ptr<cares_channel> channel;
    hosts_file hosts;
    ttl_cache<cached_addresses> cache;
    std::map<std::pair<std::string, std::uint16_t>, std::shared_ptr<lookup>> in_flight;
    std::uint64_t sent = 0;
};

std::shared_ptr<lookup> upstream_client::impl::start(const question& what)
{
    const auto key = std::make_pair(what.qname.text(), what.qtype);
    if (const auto at = in_flight.find(key); at != in_flight.end()) return at->second;
    auto out = std::make_shared<lookup>();
    if (what.qtype == rr::a || what.qtype == rr::aaaa) {
        if (const auto* known = hosts.find(key.first, clock::now())) {
            out->finish(answer_from_hosts(what, *known));
            return out;
        }
    }
    if (in_flight.size() >= limits.max_in_flight) {
        out->finish(errc::exhausted);
        return out;
    }
    in_flight.emplace(key, out);
    send(what, true, out);
    return out;
}

void upstream_client::impl::send(const question& what, bool with_edns, std::shared_ptr<lookup> into)
{
    ++sent;
    auto on_answer = [weak = weak_from_this(), what, with_edns, into](bytes_result got) {
        const auto self = weak.lock();
        if (self && with_edns && got && is_format_error(*got)) return self->send(what, false, into); // a server older than EDNS
        if (self) self->in_flight.erase({what.qname.text(), what.qtype});
        into->finish(std::move(got));
    };
    const auto query_bytes = build_query(random_id(), what, with_edns);
    channel->send(query_bytes, std::move(on_answer));
}

asio::awaitable<void> upstream_client::impl::wait(std::shared_ptr<lookup> for_what, clock::time_point until)
{
    if (for_what->done) co_return;
    asio::steady_timer timer(io, until);
    const wake_up registered(for_what, timer);
    const auto token = asio::as_tuple(asio::use_awaitable);
    co_await timer.async_wait(token);
}

asio::awaitable<bytes_result> upstream_client::impl::query(std::shared_ptr<impl> self, std::string name, std::uint16_t qtype)
{
    const auto qname = dns::name::parse(name);
    if (!qname) co_return errc::malformed;
    const question what{*qname, qtype};
    const auto pending = self->start(what);
    co_await self->wait(pending, clock::time_point::max());
    co_return pending->value;
}

family_addresses upstream_client::impl::read(const lookup& from, const question& what) const
{
    family_addresses out;
    if (!from.done || !from.value) {
        out.failed = from.done ? from.value.error() : make_error_code(errc::timed_out);
        return out;
    }
    const auto got = parse_response(*from.value, what);
    if (!got || (got->code != rcode::noerror && got->code != rcode::nxdomain)) {
        out.failed = got ? make_error_code(errc::closed) : got.error();
        return out;
    }
    auto ttl = limits.max_ttl;
    for (const auto* records : {&got->chain, &got->answers}) {
        for (const auto& r : *records) ttl = std::min(ttl, std::chrono::seconds(r.ttl));
    }
    for (const auto& r : got->answers) out.addresses.push_back(std::get<ip_address>(r.data));
    out.ttl = std::max(ttl, limits.min_ttl);
    if (!out.addresses.empty()) return out;
    out.failed = errc::not_found;
    const std::chrono::seconds said{got->negative_ttl.value_or(static_cast<std::uint32_t>(limits.min_ttl.count()))};
    out.ttl = std::min(said, limits.negative_ttl);
    return out;
}

addresses_result upstream_client::impl::combine(const std::string& key, family_addresses v4, family_addresses v6)
{
    cached_addresses out;
    auto ttl = std::min(v4.ttl, v6.ttl);
    if (!v4.addresses.empty() && v6.failed) ttl = v4.ttl;
    if (v4.failed && !v6.addresses.empty()) ttl = v6.ttl;
    out.addresses = std::move(v4.addresses);
    out.addresses.insert(out.addresses.end(), v6.addresses.begin(), v6.addresses.end());
    // A failure says less than "no such name", but it is the truth as long as either family is unknown.
    if (out.addresses.empty()) out.failed = v4.failed != errc::not_found ? v4.failed : v6.failed;
    if (out.failed && out.failed != errc::not_found) ttl = std::chrono::seconds(1);
    const bool lasting = out.failed != errc::exhausted && out.failed != errc::closed;
    if (lasting) cache.put(key, out, clock::now() + ttl);
    if (out.failed) return out.failed;
    return out.addresses;
}

asio::awaitable<addresses_result> upstream_client::impl::addresses(std::shared_ptr<impl> self, std::string name)
{
    if (const auto literal = ip_address::parse(name)) co_return std::vector<ip_address>(1, *literal);
    const auto qname = dns::name::parse(name);
    if (!qname || qname->is_root()) co_return errc::malformed;
    const auto key = qname->text();
    if (const auto* known = self->cache.find(key, clock::now())) {
        if (known->failed) co_return known->failed;
        co_return known->addresses;
    }
    const question ask_v4{*qname, rr::a}, ask_v6{*qname, rr::aaaa};
    const auto v4 = self->start(ask_v4), v6 = self->start(ask_v6);
    co_await self->wait(v4, clock::time_point::max());
    auto got_v4 = self->read(*v4, ask_v4);
    const auto patience = got_v4.addresses.empty() ? clock::time_point::max() : clock::now() + ipv6_grace;
    co_await self->wait(v6, patience);
    auto got_v6 = self->read(*v6, ask_v6);
    co_return self->combine(key, std::move(got_v4), std::move(got_v6));
}

upstream_client::upstream_client(asio::io_context& io, const settings& how) : upstream_client(io, how, sources{}) {}

upstream_client::upstream_client(asio::io_context& io, const settings& how, sources from)
    : impl_(std::make_shared<impl>(io, how, std::move(from)))
{
}

upstream_client::~upstream_client()
{
    impl_->channel->close();
}

asio::awaitable<bytes_result> upstream_client::async_query(std::string name, std::uint16_t qtype)
{
    return impl::query(impl_, std::move(name), qtype);
}

asio::awaitable<addresses_result> upstream_client::async_addresses(std::string name)
{
    return impl::addresses(impl_, std::move(name));
}

std::uint64_t upstream_client::sent() const noexcept
{
    return impl_->sent;
}

} // namespace cofferdam::dns
