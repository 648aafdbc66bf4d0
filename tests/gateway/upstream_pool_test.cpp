#include "gateway/upstream_pool.hpp"
#include "policy/policy.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>
#include <optional>

namespace cofferdam::gateway {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using std::chrono::seconds;

class idle_upstreams : public testing::Test {
protected:
    /// A connection to a server on this machine, whose end is kept in `servers_`.
    upstream_link connect()
    {
        tcp::socket near(io_);
        near.connect(acceptor_.local_endpoint());
        servers_.push_back(acceptor_.accept());
        upstream_link out;
        out.stream = std::make_unique<tls::plain_stream>(std::move(near));
        out.rules = rules_;
        out.made = now_;
        return out;
    }

    static http::limits bounds()
    {
        http::limits out;
        out.upstream_idle_connections = 2;
        out.upstream_idle_timeout = seconds(10);
        out.upstream_lifetime = seconds(60);
        return out;
    }

    bool takes(const upstream_purpose& what) { return pool_.take(what, *rules_, now_).stream != nullptr; }

    static std::shared_ptr<const policy::policy> no_rules() { return policy::policy::compile(policy::policy_source{}); }

    asio::io_context io_;
    tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
    std::vector<tcp::socket> servers_;
    std::shared_ptr<const policy::policy> rules_ = no_rules();
    std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
    upstream_pool pool_{bounds()};
    const upstream_purpose a_{"job1", "a.example", 443, false, tls::alpn_offer::http1};
};

TEST_F(idle_upstreams, one_is_given_out_once)
{
    pool_.put(a_, connect(), now_);
    const auto link = pool_.take(a_, *rules_, now_);
    ASSERT_TRUE(link.stream);
    EXPECT_TRUE(link.reused);
    EXPECT_FALSE(takes(a_));
}

TEST_F(idle_upstreams, only_for_exactly_the_same_purpose)
{
    auto job = a_, host = a_, port = a_, secure = a_, offer = a_;
    job.job = "job2";
    host.host = "b.example";
    port.port = 444;
    secure.secure = true;
    offer.offer = tls::alpn_offer::http1_or_http2;
    pool_.put(a_, connect(), now_);
    for (const auto& other : {job, host, port, secure, offer}) EXPECT_FALSE(takes(other));
    EXPECT_TRUE(takes(a_));
}

TEST_F(idle_upstreams, not_under_other_rules_than_its_address_was_judged_by)
{
    pool_.put(a_, connect(), now_);
    const auto changed = no_rules();
    EXPECT_FALSE(pool_.take(a_, *changed, now_).stream);
    EXPECT_EQ(pool_.size(), 0U);
}

TEST_F(idle_upstreams, not_one_that_the_origin_has_ended)
{
    pool_.put(a_, connect(), now_);
    servers_.back().close();
    EXPECT_FALSE(takes(a_));
    pool_.put(a_, connect(), now_);
    EXPECT_TRUE(takes(a_));
}

TEST_F(idle_upstreams, not_one_on_which_the_origin_has_sent_something)
{
    auto early = connect();
    asio::write(servers_.back(), asio::buffer("HTTP/1.1 408 ", 13));
    pool_.put(a_, std::move(early), now_);
    EXPECT_EQ(pool_.size(), 0U);
    pool_.put(a_, connect(), now_);
    asio::write(servers_.back(), asio::buffer("HTTP/1.1 408 ", 13));
    EXPECT_FALSE(takes(a_));
}

TEST_F(idle_upstreams, for_upstream_idle_timeout)
{
    pool_.put(a_, connect(), now_);
    pool_.drop_expired(now_ + seconds(9));
    EXPECT_EQ(pool_.size(), 1U);
    pool_.drop_expired(now_ + seconds(10));
    EXPECT_EQ(pool_.size(), 0U);
}

TEST_F(idle_upstreams, for_upstream_lifetime)
{
    auto old = connect();
    old.made = now_ - seconds(55);
    pool_.put(a_, std::move(old), now_);
    now_ += seconds(5);
    EXPECT_FALSE(takes(a_));
    auto older = connect();
    older.made = now_ - seconds(60);
    pool_.put(a_, std::move(older), now_);
    EXPECT_EQ(pool_.size(), 0U);
}

TEST_F(idle_upstreams, the_one_that_waited_longest_makes_room)
{
    auto b = a_, c = a_;
    b.host = "b.example";
    c.host = "c.example";
    for (const auto& what : {a_, b, c}) pool_.put(what, connect(), now_);
    EXPECT_EQ(pool_.size(), 2U);
    EXPECT_FALSE(takes(a_));
    EXPECT_TRUE(takes(b) && takes(c));
}

TEST_F(idle_upstreams, make_room_where_places_are_short)
{
    EXPECT_FALSE(pool_.drop_all());
    pool_.put(a_, connect(), now_);
    EXPECT_TRUE(pool_.drop_all());
    EXPECT_FALSE(takes(a_));
    pool_.put(a_, connect(), now_);
    EXPECT_TRUE(takes(a_)) << "and others are kept after them";
}

TEST_F(idle_upstreams, none_where_none_are_wanted)
{
    auto none = bounds();
    none.upstream_idle_connections = 0;
    upstream_pool off(none);
    off.put(a_, connect(), now_);
    EXPECT_EQ(off.size(), 0U);
    pool_.put(a_, connect(), now_);
    pool_.close();
    pool_.put(a_, connect(), now_);
    EXPECT_EQ(pool_.size(), 0U);
}

/// Holds one connection for itself.
class holder final : public upstream_lender {
public:
    holder(upstream_pool& pool, const upstream_purpose& what, upstream_link link)
        : link_(std::move(link)), lent_(std::in_place, pool, what, *this)
    {
    }
    upstream_link give_up() noexcept override
    {
        if (busy) return {};
        lent_.reset();
        return std::move(link_);
    }
    bool busy = false;

private:
    upstream_link link_;
    std::optional<upstream_pool::registration> lent_;
};

TEST_F(idle_upstreams, one_that_is_held_is_lent_to_the_same_purpose)
{
    holder busy(pool_, a_, connect()), idle(pool_, a_, connect());
    busy.busy = true;
    auto other = a_;
    other.host = "b.example";
    EXPECT_FALSE(takes(other));
    const auto link = pool_.take(a_, *rules_, now_);
    ASSERT_TRUE(link.stream);
    EXPECT_TRUE(link.reused);
    EXPECT_FALSE(takes(a_)) << "the other is in use";
}

TEST_F(idle_upstreams, what_waits_comes_before_what_is_held)
{
    const holder held(pool_, a_, connect());
    pool_.put(a_, connect(), now_);
    EXPECT_TRUE(takes(a_));
    EXPECT_TRUE(takes(a_));
    EXPECT_FALSE(takes(a_));
}

TEST_F(idle_upstreams, what_is_held_is_lent_by_the_same_rules_while_it_lives)
{
    {
        const holder gone(pool_, a_, connect());
    }
    EXPECT_FALSE(takes(a_));
    const holder ended(pool_, a_, connect());
    servers_.back().close();
    EXPECT_FALSE(takes(a_));
    auto old = connect();
    old.made = now_ - seconds(60);
    const holder aged(pool_, a_, std::move(old));
    EXPECT_FALSE(takes(a_));
    const holder ruled(pool_, a_, connect());
    EXPECT_FALSE(pool_.take(a_, *no_rules(), now_).stream);
}

TEST_F(idle_upstreams, none_is_lent_where_none_are_wanted_or_after_the_end)
{
    upstream_pool none{http::limits{.upstream_idle_connections = 0}};
    const holder unasked(none, a_, connect());
    EXPECT_FALSE(none.take(a_, *rules_, now_).stream);
    const holder late(pool_, a_, connect());
    pool_.close();
    EXPECT_FALSE(takes(a_));
}

} // namespace
} // namespace cofferdam::gateway
