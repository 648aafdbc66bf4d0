#pragma once

#include "sandbox/job.hpp"

#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace cofferdam::sandbox {

/// What a job left behind.
struct outcome {
    exit_status status;
    std::string output; ///< standard output and error, together
    std::string error;  ///< of launch, show or start
    std::vector<std::string> notes;
};

/// Launches a job in a process of its own, the gateway of the case, under `uid`; waits for both.
outcome run_as(uid_t uid, options wanted, const std::function<void(job&)>& before_start = {});

/// The same for a shell script.
outcome shell_as(uid_t uid, const std::string& script, options wanted = {});

/// Every job must hold for an ordinary user and for root. Run by an ordinary user, the cases run as that user.
class as_each_user : public testing::TestWithParam<uid_t> {
protected:
    void SetUp() override;
    void TearDown() override;

    uid_t uid() const { return GetParam(); }
    outcome shell(const std::string& script, options wanted = {}) const { return shell_as(uid(), script, std::move(wanted)); }
    /// The attacker's program, in a place that every user can reach.
    std::string probe() const { return directory + "/probe"; }
    /// What the probe says about one attempt: "done", "refused ENAME" or a value.
    std::string attempt(const std::string& arguments, options wanted = {}) const;

    std::string directory; ///< belongs to uid(), the current one meanwhile, removed at the end

private:
    std::filesystem::path before_;
};

std::vector<uid_t> users_to_try();
std::string name_of_user(const testing::TestParamInfo<uid_t>& info);

std::string contents_of(const std::string& path);
void write_to(const std::string& path, const std::string& text, uid_t owner);

#define COFFERDAM_FOR_EACH_USER(suite) INSTANTIATE_TEST_SUITE_P(users, suite, testing::ValuesIn(users_to_try()), name_of_user)

} // namespace cofferdam::sandbox
