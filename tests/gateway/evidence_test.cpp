#include "gateway/evidence.hpp"

#include <gtest/gtest.h>

using namespace cofferdam;

TEST(evidence, a_gateway_decision_is_a_refusal)
{
    const auto verdict = gateway::gateway_decision(reason::malformed_request, policy::stage::request);
    EXPECT_FALSE(verdict.allowed());
    const auto fields = gateway::to_fields(verdict);
    EXPECT_EQ(fields.action, "deny");
    EXPECT_EQ(fields.would, "deny");
    EXPECT_EQ(fields.reason, "malformed_request");
    EXPECT_EQ(fields.stage, "request");
}

TEST(evidence, the_hint_stands_where_enforce_would_refuse)
{
    policy::decision verdict;
    verdict.hint = "https://a.example/";
    verdict.act = policy::action::allow;
    verdict.would = policy::action::deny; // mode audit
    EXPECT_EQ(gateway::to_fields(verdict).hint, "https://a.example/");
    verdict.would = policy::action::allow;
    EXPECT_EQ(gateway::to_fields(verdict).hint, "");
}
