#include "config/preset_texts.hpp"
#include "config/presets.hpp"
#include "policy/policy.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace cofferdam::config {
namespace {

settings expanded(const std::string& name)
{
    settings out;
    out.presets = {name};
    expand_presets(out);
    return out;
}

policy::action ask(const policy::policy& judge, std::string_view method, std::string_view host, std::string_view path)
{
    return judge.decide(policy::http_request{.method = method, .scheme = "https", .host = host, .port = 443, .path = path}).act;
}

TEST(presets, names_are_in_order_and_unique)
{
    const auto names = preset_names();
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
    const auto lists = std::find(names.begin(), names.end(), "docker-hub");
    ASSERT_NE(lists, names.end());
    EXPECT_TRUE(std::is_sorted(names.begin(), lists) && std::is_sorted(lists, names.end()));
}

TEST(presets, every_shipped_list_compiles_and_has_no_line_twice)
{
    ASSERT_GE(preset_texts().size(), 3U);
    for (const auto& preset : preset_texts()) {
        const auto read = expanded(std::string(preset.name));
        EXPECT_FALSE(read.policy.allow.empty()) << preset.name;
        EXPECT_NO_THROW(policy::policy::compile(read.policy)) << preset.name;
        std::set<std::string> lines;
        for (const auto& entry : read.policy.allow) {
            EXPECT_TRUE(lines.insert(entry.text).second) << preset.name << ": " << entry.text;
            EXPECT_TRUE(entry.text.find("https://") != std::string::npos) << entry.text;
            EXPECT_EQ(entry.where.file, "preset " + std::string(preset.name));
            EXPECT_GT(entry.where.line, 0);
        }
    }
}

TEST(presets, github_is_for_git_and_actions_and_not_for_everybody_s_storage)
{
    const auto judge = policy::policy::compile(expanded("github").policy);
    EXPECT_EQ(ask(*judge, "POST", "github.com", "/acme/app.git/git-upload-pack"), policy::action::allow);
    EXPECT_EQ(ask(*judge, "POST", "api.github.com", "/graphql"), policy::action::allow);
    EXPECT_EQ(ask(*judge, "GET", "raw.githubusercontent.com", "/acme/app/main/a"), policy::action::allow);
    EXPECT_EQ(ask(*judge, "POST", "raw.githubusercontent.com", "/acme/app/main/a"), policy::action::deny);
    EXPECT_EQ(ask(*judge, "POST", "token.actions.githubusercontent.com", "/"), policy::action::allow);
    EXPECT_EQ(ask(*judge, "PUT", "productionresultssa19.blob.core.windows.net", "/x"), policy::action::allow);
    EXPECT_EQ(ask(*judge, "PUT", "stranger.blob.core.windows.net", "/x"), policy::action::deny);
    EXPECT_EQ(ask(*judge, "GET", "acme.github.io", "/"), policy::action::deny);
    EXPECT_EQ(ask(*judge, "POST", "gist.github.com", "/"), policy::action::deny);
    EXPECT_EQ(ask(*judge, "GET", "github.com.evil.test", "/"), policy::action::deny);
}

TEST(presets, docker_hub_pulls_and_does_not_push)
{
    const auto judge = policy::policy::compile(expanded("docker-hub").policy);
    EXPECT_EQ(ask(*judge, "GET", "registry-1.docker.io", "/v2/library/debian/manifests/bookworm"), policy::action::allow);
    EXPECT_EQ(ask(*judge, "GET", "registry-1.docker.io", "/v2/"), policy::action::allow);
    EXPECT_EQ(ask(*judge, "POST", "registry-1.docker.io", "/v2/acme/app/blobs/uploads/"), policy::action::deny);
    EXPECT_EQ(ask(*judge, "GET", "auth.docker.io", "/token"), policy::action::allow);
}

TEST(presets, gitlab_is_the_hosted_one)
{
    const auto judge = policy::policy::compile(expanded("gitlab").policy);
    EXPECT_EQ(ask(*judge, "POST", "gitlab.com", "/acme/app.git/git-receive-pack"), policy::action::allow);
    EXPECT_EQ(ask(*judge, "PATCH", "registry.gitlab.com", "/v2/acme/app/blobs/uploads/1"), policy::action::allow);
    EXPECT_EQ(ask(*judge, "GET", "acme.gitlab.io", "/"), policy::action::deny);
}

TEST(presets, several_are_appended_in_order)
{
    settings out;
    out.policy.allow = {{"first.example:1", {}}};
    out.presets = {"gitlab", "docker-hub"};
    expand_presets(out);
    EXPECT_EQ(out.policy.allow.front().text, "first.example:1");
    EXPECT_EQ(out.policy.allow[1].where.file, "preset gitlab");
    EXPECT_EQ(out.policy.allow.back().where.file, "preset docker-hub");
}

} // namespace
} // namespace cofferdam::config
