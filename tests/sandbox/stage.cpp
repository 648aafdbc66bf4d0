#include "stage.hpp"

#include "sandbox/control.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <grp.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

namespace cofferdam::sandbox {
namespace {

constexpr uid_t ordinary_user = 4321;

std::string read_all(int fd)
{
    std::string text;
    std::array<char, 4096> part{};
    for (;;) {
        const auto got = ::read(fd, part.data(), part.size());
        if (got <= 0) return text;
        text.append(part.data(), static_cast<std::size_t>(got));
    }
}

void become(uid_t uid)
{
    if (uid == ::getuid()) return;
    const gid_t group = uid;
    if (::setgroups(0, nullptr) != 0 || ::setresgid(group, group, group) != 0 || ::setresuid(uid, uid, uid) != 0) ::_exit(90);
}

void encode(field_writer& fields, const outcome& result)
{
    fields.add(std::int64_t{result.status.code}).add(std::int64_t{result.status.signal}).add(result.status.error);
    fields.add(result.error);
    for (const auto& note : result.notes) fields.add(note);
}

outcome decode(const std::string& body)
{
    outcome result;
    field_reader fields(body);
    result.status.code = static_cast<int>(fields.number());
    result.status.signal = static_cast<int>(fields.number());
    result.status.error = fields.text();
    result.error = fields.text();
    while (!fields.empty()) result.notes.push_back(fields.text());
    return result;
}

/// The life of the case's gateway.
[[noreturn]] void be_gateway(uid_t uid, options wanted, const std::function<void(job&)>& before_start, int output, int report)
{
    become(uid);
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    outcome result;
    try {
        harden_gateway_process();
        auto job = job::launch(std::move(wanted));
        result.notes = job.notes();
        if (before_start) before_start(job);
        job.start();
        result.status = job.wait();
    }
    catch (const std::exception& failure) {
        result.error = failure.what();
    }
    field_writer fields;
    encode(fields, result);
    const auto& body = fields.body();
    ::_exit(::write(report, body.data(), body.size()) == static_cast<ssize_t>(body.size()) ? 0 : 91);
}

} // namespace

outcome run_as(uid_t uid, options wanted, const std::function<void(job&)>& before_start)
{
    std::array<int, 2> output{};
    std::array<int, 2> report{};
    if (::pipe2(output.data(), O_CLOEXEC) != 0 || ::pipe2(report.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    std::fflush(nullptr);
    const auto gateway = ::fork();
    if (gateway == 0) be_gateway(uid, std::move(wanted), before_start, output[1], report[1]);
    ::close(output[1]);
    ::close(report[1]);
    const auto text = read_all(output[0]);
    const auto body = read_all(report[0]);
    ::close(output[0]);
    ::close(report[0]);
    int status = 0;
    ::waitpid(gateway, &status, 0);
    if (body.empty()) throw std::runtime_error("the gateway died, status " + std::to_string(status) + ": " + text);
    auto result = decode(body);
    result.output = text;
    return result;
}

outcome shell_as(uid_t uid, const std::string& script, options wanted)
{
    wanted.command = {"/bin/sh", "-c", script};
    return run_as(uid, std::move(wanted));
}

void as_each_user::SetUp()
{
    std::string pattern = "/tmp/cofferdam-sandbox-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory = pattern;
    std::filesystem::copy_file(COFFERDAM_PROBE, probe());
    std::filesystem::permissions(probe(), std::filesystem::perms{0755});
    std::filesystem::permissions(directory, std::filesystem::perms{0755});
    if (uid() != ::getuid()) {
        ASSERT_EQ(::chown(directory.c_str(), uid(), uid()), 0);
    }
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(directory); // a job begins where its caller is; an ordinary user can't be in root's folders
}

void as_each_user::TearDown()
{
    std::error_code ignored;
    if (!before_.empty()) std::filesystem::current_path(before_, ignored);
    std::filesystem::remove_all(directory, ignored);
}

std::string as_each_user::attempt(const std::string& arguments, options wanted) const
{
    auto result = shell(probe() + " " + arguments, std::move(wanted));
    if (!result.error.empty()) return "launch: " + result.error;
    while (!result.output.empty() && result.output.back() == '\n') result.output.pop_back();
    return result.output;
}

std::vector<uid_t> users_to_try()
{
    if (::getuid() != 0) return {::getuid()};
    return {0, ordinary_user};
}

std::string name_of_user(const testing::TestParamInfo<uid_t>& info)
{
    return info.param == 0 ? "root" : "ordinary";
}

std::string contents_of(const std::string& path)
{
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void write_to(const std::string& path, const std::string& text, uid_t owner)
{
    std::ofstream(path) << text;
    if (owner != ::getuid() && ::chown(path.c_str(), owner, owner) != 0) throw std::runtime_error("chown " + path);
}

} // namespace cofferdam::sandbox
