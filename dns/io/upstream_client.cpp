#include "dns/io/upstream_client.hpp"

#include "core/io/coroutine.hpp"
#include "dns/io/cares_channel.hpp"
#include "dns/io/hosts_file.hpp"
#include "dns/io/random_source.hpp"
#include "dns/io/upstream_sockets.hpp"
#include "dns/ttl_cache.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <unordered_map>

namespace cofferdam::dns {

namespace asio = boost::asio;

namespace {

using clock = std::chrono::steady_clock;
using bytes_result = result<std::vector<std::uint8_t>>;
using addresses_result = result<host_addresses>;

constexpr std::chrono::milliseconds ipv6_grace{50};
constexpr std::uint32_t hosts_ttl = 5;

// A question in flight, and all that wait for its answer.
struct lookup {
    std::vector<upstream_client::callback> waiting;
};

struct key_hash {
    std::size_t operator()(const question& q) const noexcept
    {
        return std::hash<std::string_view>{}(as_text(q.qname.wire())) * 31 + q.qtype;
    }
};
struct same_question {
    bool operator()(const question& a, const question& b) const noexcept { return a.qtype == b.qtype && a.qname == b.qname; }
};

// Where a coroutine waits for one answer: the timer is its way to be woken.
struct awaited_answer {
    explicit awaited_answer(asio::io_context& io) : timer(io) {}

    asio::steady_timer timer;
    bool done = false;
    bytes_result value = errc::closed;
};

// What one family's answer says: addresses, or why there are none.
struct family_addresses : host_addresses {
    error_code failed; // set: no usable answer; errc::not_found: a good answer without addresses
    std::chrono::seconds ttl{1};
};

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
    struct cached_addresses : host_addresses {
        error_code failed;
    };

    impl(asio::io_context& io_context, const settings& how, sources from)
        : io(io_context), limits(how), channel(cares_channel::open(io_context, how, from.resolv_conf)),
          sockets(io_context, how, channel->servers()), hosts(std::move(from.hosts_file)), cache(how.max_cache)
    {
    }

    void ask(const question& what, callback done);
    void ask_over_tcp(const question& what);
    void land(const question& what, result<byte_view> with);
    void close();
    std::shared_ptr<awaited_answer> start(const question& what);
    static asio::awaitable<void> wait(std::shared_ptr<awaited_answer> for_what, clock::time_point until);
    family_addresses read(const awaited_answer& from, const question& what) const;
    addresses_result combine(const std::string& key, family_addresses v4, family_addresses v6);
    static asio::awaitable<bytes_result> query(std::shared_ptr<impl> self, std::string name, std::uint16_t qtype);
    static asio::awaitable<addresses_result> addresses(std::shared_ptr<impl> self, std::string name);

    asio::io_context& io;
    settings limits;
    random_source random;
    std::shared_ptr<cares_channel> channel;
    upstream_sockets sockets;
    hosts_file hosts;
    ttl_cache<cached_addresses> cache;
    std::unordered_map<question, lookup, key_hash, same_question> in_flight;
    std::uint64_t sent_over_tcp = 0;
};

void upstream_client::impl::ask(const question& what, callback done)
{
    if (const auto at = in_flight.find(what); at != in_flight.end()) {
        at->second.waiting.push_back(std::move(done));
        return;
    }
    if (what.qtype == rr::a || what.qtype == rr::aaaa) {
        if (const auto* known = hosts.find(what.qname, clock::now())) {
            const auto bytes = answer_from_hosts(what, *known);
            return done(byte_view(bytes));
        }
    }
    if (in_flight.size() >= limits.max_in_flight) return done(errc::exhausted);
    in_flight[what].waiting.push_back(std::move(done));
    auto on_answer = [this, what](result<byte_view> got) { // the sockets are closed before this goes
        if (!got && got.error() == errc::unsupported) return ask_over_tcp(what);
        land(what, got);
    };
    sockets.ask(what, std::move(on_answer));
}

void upstream_client::impl::ask_over_tcp(const question& what)
{
    ++sent_over_tcp;
    auto on_answer = [this, what](cares_channel::received got) { // likewise the channel
        land(what, got ? result<byte_view>(byte_view(*got)) : got.error());
    };
    channel->send(build_query(random.u16(), what), std::move(on_answer));
}

void upstream_client::impl::land(const question& what, result<byte_view> with)
{
    const auto landed = in_flight.extract(what);
    if (landed.empty()) return;
    for (const auto& done : landed.mapped().waiting) done(with);
}

void upstream_client::impl::close()
{
    sockets.close();
    channel->close();
}

std::shared_ptr<awaited_answer> upstream_client::impl::start(const question& what)
{
    auto out = std::make_shared<awaited_answer>(io);
    std::weak_ptr<awaited_answer> weak = out; // a frame that is destroyed waits for nothing
    ask(what, [weak](result<byte_view> got) {
        const auto waits = weak.lock();
        if (!waits) return;
        if (got)
            waits->value = std::vector<std::uint8_t>(got->begin(), got->end());
        else
            waits->value = got.error();
        waits->done = true;
        waits->timer.cancel();
    });
    return out;
}

asio::awaitable<void> upstream_client::impl::wait(std::shared_ptr<awaited_answer> for_what, clock::time_point until)
{
    if (for_what->done) co_return;
    for_what->timer.expires_at(until);
    const auto token = asio::as_tuple(asio::use_awaitable);
    co_await for_what->timer.async_wait(token);
}

asio::awaitable<bytes_result> upstream_client::impl::query(std::shared_ptr<impl> self, std::string name, std::uint16_t qtype)
{
    const auto qname = dns::name::parse(name);
    if (!qname) co_return errc::malformed;
    const question what{*qname, qtype};
    const auto pending = self->start(what);
    co_await wait(pending, clock::time_point::max());
    co_return pending->value;
}

family_addresses upstream_client::impl::read(const awaited_answer& from, const question& what) const
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
    for (const auto& hop : got->chain) {
        host_text target;
        std::get<name>(hop.data).text_into(target);
        out.aliases.emplace_back(target.view());
    }
    out.ttl = std::max(ttl, limits.min_ttl);
    if (!out.addresses.empty()) return out;
    out.failed = errc::not_found;
    const std::chrono::seconds said{got->negative_ttl.value_or(static_cast<std::uint32_t>(limits.min_ttl.count()))};
    out.ttl = std::min(std::max(said, limits.min_ttl), limits.negative_ttl);
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
    out.aliases = std::move(v4.aliases);
    for (auto& each : v6.aliases) {
        if (std::find(out.aliases.begin(), out.aliases.end(), each) == out.aliases.end()) out.aliases.push_back(std::move(each));
    }
    // A failure says less than "no such name", but it is the truth as long as either family is unknown.
    if (out.addresses.empty()) out.failed = v4.failed != errc::not_found ? v4.failed : v6.failed;
    if (out.failed && out.failed != errc::not_found) ttl = std::chrono::seconds(1);
    const bool lasting = out.failed != errc::exhausted && out.failed != errc::closed;
    if (lasting) cache.put(key, out, clock::now() + ttl);
    if (out.failed) return out.failed;
    return host_addresses(std::move(out));
}

asio::awaitable<addresses_result> upstream_client::impl::addresses(std::shared_ptr<impl> self, std::string name)
{
    if (const auto literal = ip_address::parse(name)) co_return host_addresses{{*literal}, {}};
    const auto qname = dns::name::parse(name);
    if (!qname || qname->is_root()) co_return errc::malformed;
    const auto key = qname->text();
    if (const auto* known = self->cache.find(key, clock::now())) {
        if (known->failed) co_return known->failed;
        co_return host_addresses(*known);
    }
    const question ask_v4{*qname, rr::a}, ask_v6{*qname, rr::aaaa};
    const auto v4 = self->start(ask_v4), v6 = self->start(ask_v6);
    co_await wait(v4, clock::time_point::max());
    auto got_v4 = self->read(*v4, ask_v4);
    const auto patience = got_v4.addresses.empty() ? clock::time_point::max() : clock::now() + ipv6_grace;
    co_await wait(v6, patience);
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
    impl_->close();
}

void upstream_client::query(const question& what, callback done)
{
    impl_->ask(what, std::move(done));
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
    return impl_->sockets.sent() + impl_->sent_over_tcp;
}

} // namespace cofferdam::dns
