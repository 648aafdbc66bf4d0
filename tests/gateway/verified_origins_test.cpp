#include "gateway/verified_origins.hpp"
#include "policy/policy.hpp"

#include <gtest/gtest.h>

namespace cofferdam::gateway {
namespace {

using std::chrono::seconds;

class known_origins : public testing::Test {
protected:
    std::shared_ptr<verified_origins::attempt> begin(const upstream_purpose& what)
    {
        return known_.begin(io_, what, rules_, now_);
    }
    std::shared_ptr<verified_origins::attempt> find(const upstream_purpose& what) { return known_.find(what, *rules_, now_); }
    void verify(const upstream_purpose& what) { known_.end(what, *begin(what), {reason::completed, "", false}, now_); }

    boost::asio::io_context io_;
    std::shared_ptr<const policy::policy> rules_ = policy::policy::compile(policy::policy_source{});
    std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
    verified_origins known_{2, seconds(10)};
    const upstream_purpose a_{"job1", "a.example", 443, true, tls::alpn_offer::http1};
    const upstream_purpose b_{"job1", "b.example", 443, true, tls::alpn_offer::http1};
    const upstream_purpose c_{"job1", "c.example", 443, true, tls::alpn_offer::http1};
};

TEST_F(known_origins, an_attempt_is_shared_while_it_is_under_way)
{
    EXPECT_FALSE(find(a_));
    const auto mine = begin(a_);
    const auto theirs = find(a_);
    ASSERT_EQ(theirs, mine);
    EXPECT_FALSE(theirs->over);
    bool told = false;
    theirs->done.async_wait([&told](boost::system::error_code) { told = true; });
    known_.end(a_, *mine, {reason::upstream_verify_failed, "expired", false}, now_);
    io_.run();
    EXPECT_TRUE(told);
    EXPECT_EQ(theirs->found.why, reason::upstream_verify_failed);
    EXPECT_EQ(theirs->found.detail, "expired");
    EXPECT_FALSE(find(a_)) << "what failed is tried again";
}

TEST_F(known_origins, success_is_remembered_for_its_time)
{
    verify(a_);
    ASSERT_TRUE(find(a_));
    EXPECT_EQ(find(a_)->found.why, reason::completed);
    EXPECT_FALSE(find(b_));
    now_ += seconds(10);
    EXPECT_FALSE(find(a_));
}

TEST_F(known_origins, not_for_another_job_port_offer_or_other_rules)
{
    verify(a_);
    auto other = a_;
    other.job = "job2";
    EXPECT_FALSE(find(other));
    other = a_;
    other.port = 8443;
    EXPECT_FALSE(find(other));
    other = a_;
    other.offer = tls::alpn_offer::http2_or_http1;
    EXPECT_FALSE(find(other));
    const auto reloaded = policy::policy::compile(policy::policy_source{});
    EXPECT_FALSE(known_.find(a_, *reloaded, now_));
}

TEST_F(known_origins, a_failure_is_the_end_of_what_was_found_by_any_offer)
{
    auto other = a_;
    other.offer = tls::alpn_offer::http2_or_http1;
    verify(a_);
    verify(b_);
    known_.forget(other);
    EXPECT_FALSE(find(a_));
    EXPECT_TRUE(find(b_));
    const auto open = begin(a_);
    known_.forget(other);
    EXPECT_EQ(find(a_), open) << "an attempt under way has its own end";
}

TEST_F(known_origins, are_bounded)
{
    verify(a_);
    verify(b_);
    verify(c_);
    EXPECT_TRUE(find(a_) && find(b_));
    EXPECT_FALSE(find(c_));
    now_ += seconds(10);
    verify(c_);
    EXPECT_TRUE(find(c_));
}

TEST_F(known_origins, an_attempt_that_was_overtaken_changes_nothing)
{
    const auto first = begin(a_);
    verify(a_);
    known_.end(a_, *first, {reason::upstream_closed, "", false}, now_);
    EXPECT_TRUE(find(a_));
}

TEST_F(known_origins, nothing_is_shared_without_a_lifetime_or_after_the_end)
{
    verified_origins none{2, seconds(0)};
    const auto mine = none.begin(io_, a_, rules_, now_);
    EXPECT_FALSE(none.find(a_, *rules_, now_));
    none.end(a_, *mine, {reason::completed, "", false}, now_);
    EXPECT_FALSE(none.find(a_, *rules_, now_));
    verify(a_);
    known_.close();
    EXPECT_FALSE(find(a_));
    verify(b_);
    EXPECT_FALSE(find(b_));
}

} // namespace
} // namespace cofferdam::gateway
