#include "namespace_fixture.hpp"

#include "nft/io/socket_address.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

namespace cofferdam::nft::test {
namespace {

constexpr unsigned nobody = 65534;
constexpr int patience = 5000; // milliseconds

void write_file(const std::string& path, const std::string& text)
{
    std::ofstream out(path);
    out << text;
    out.flush();
    ASSERT_TRUE(out) << path;
}

void map_self(unsigned uid, unsigned gid, seen_as inside = seen_as::itself)
{
    const auto line = [&](unsigned id) {
        return std::to_string(inside == seen_as::root ? 0 : id) + ' ' + std::to_string(id) + " 1";
    };
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", line(uid));
    write_file("/proc/self/gid_map", line(gid));
}

void become_ordinary()
{
    if (::getuid() != 0) return;
    ASSERT_EQ(0, ::setgroups(0, nullptr));
    ASSERT_EQ(0, ::setresgid(nobody, nobody, nobody));
    ASSERT_EQ(0, ::setresuid(nobody, nobody, nobody));
    ASSERT_EQ(0, ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); // else /proc/self/uid_map would belong to root
}

/// Runs and never returns; a failed expectation becomes the exit status.
[[noreturn]] void run_and_exit(const std::function<void()>& body)
{
    try {
        body();
    }
    catch (const std::exception& e) {
        ADD_FAILURE() << e.what();
    }
    std::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
}

void expect_success(int pid)
{
    int status = 0;
    ASSERT_EQ(pid, ::waitpid(pid, &status, 0));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child failed, see above; status " << status;
}

double seconds_since(std::chrono::steady_clock::time_point start)
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int pending_error(int number)
{
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(number, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

int open_socket(const ip_address& address, int type, int protocol)
{
    return ::socket(address.is_v4() ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

} // namespace

void in_namespace(const std::function<void()>& body, seen_as inside)
{
    std::fflush(nullptr);
    const int pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid != 0) return expect_success(pid);
    run_and_exit([&] {
        become_ordinary();
        const auto uid = ::getuid();
        const auto gid = ::getgid();
        ASSERT_EQ(0, ::unshare(CLONE_NEWUSER | CLONE_NEWNET));
        map_self(uid, gid, inside);
        if (!::testing::Test::HasFailure()) body();
    });
}

job::job(const std::function<void()>& body) : pid_((std::fflush(nullptr), ::fork()))
{
    if (pid_ != 0) return;
    run_and_exit([&] {
        const auto uid = ::getuid();
        const auto gid = ::getgid();
        ASSERT_EQ(0, ::unshare(CLONE_NEWUSER));
        map_self(uid, gid);
        if (!::testing::Test::HasFailure()) body();
    });
}

void job::finish()
{
    expect_success(pid_);
}

attempt dial(const ip_endpoint& to, const ip_endpoint* from)
{
    attempt out;
    out.socket.reset(open_socket(to.address, SOCK_STREAM, 0));
    if (from != nullptr) {
        const socket_address local(*from);
        const int yes = 1;
        ::setsockopt(out.socket.number(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        if (::bind(out.socket.number(), local.raw(), local.size) != 0) {
            out.error = errno;
            return out;
        }
    }
    const socket_address address(to);
    const auto start = std::chrono::steady_clock::now();
    if (::connect(out.socket.number(), address.raw(), address.size) != 0) out.error = errno;
    if (out.error == EINPROGRESS) {
        pollfd wanted{out.socket.number(), POLLOUT, 0};
        out.error = ::poll(&wanted, 1, patience) == 1 ? pending_error(out.socket.number()) : ETIMEDOUT;
    }
    out.seconds = seconds_since(start);
    return out;
}

datagram_attempt ask(const ip_endpoint& to, std::string_view text, int protocol)
{
    datagram_attempt out;
    out.socket.reset(open_socket(to.address, SOCK_DGRAM, protocol));
    const int yes = 1;
    ::setsockopt(out.socket.number(), SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
    const socket_address address(to);
    const auto start = std::chrono::steady_clock::now();
    if (::connect(out.socket.number(), address.raw(), address.size) != 0 ||
        ::send(out.socket.number(), text.data(), text.size(), 0) < 0)
        out.error = errno;
    else if (!wait_readable(out.socket.number(), patience))
        out.error = ETIMEDOUT;
    else {
        std::array<char, 2048> buffer;
        const auto size = ::recv(out.socket.number(), buffer.data(), buffer.size(), 0);
        if (size < 0)
            out.error = errno;
        else
            out.answer.assign(buffer.data(), static_cast<std::size_t>(size));
    }
    out.seconds = seconds_since(start);
    return out;
}

queue_consumer::queue_consumer(sealed_descriptors& sockets, judge decide) : seen_(sockets.queues.size())
{
    const queue_limits limits;
    for (std::size_t i = 0; i < sockets.queues.size(); ++i) {
        const auto number = static_cast<std::uint16_t>(i);
        readers_.push_back(
            std::make_unique<queue_reader>(std::move(sockets.queues[i]), number, limits.copy_range, calls(i, decide)));
    }
    for (auto& each : readers_) threads_.emplace_back([&each] { each->run(); });
}

queue_calls queue_consumer::calls(std::size_t number, judge decide)
{
    queue_calls out;
    out.judge = [this, number, decide = std::move(decide)](const queued_packet& packet) {
        {
            const std::lock_guard lock(mutex_);
            seen_[number].emplace_back(packet.bytes.begin(), packet.bytes.end());
        }
        return decide ? decide(packet.bytes) : queue_verdict::accept;
    };
    out.lost = [this](std::uint32_t count) { lost_ += count; };
    out.failure = [](std::string_view what) { ADD_FAILURE() << what; };
    return out;
}

queue_consumer::~queue_consumer()
{
    for (auto& each : readers_) each->stop();
    for (auto& each : threads_) each.join();
}

std::vector<std::vector<std::uint8_t>> queue_consumer::seen(std::uint16_t queue) const
{
    const std::lock_guard lock(mutex_);
    return seen_.at(queue);
}

bool wait_readable(int number, int milliseconds)
{
    pollfd wanted{number, POLLIN, 0};
    return ::poll(&wanted, 1, milliseconds) == 1;
}

descriptor accept_one(const descriptor& listener)
{
    if (!wait_readable(listener.number(), patience)) return {};
    return descriptor(::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
}

std::string answer_one(const descriptor& socket, std::string_view answer)
{
    if (!wait_readable(socket.number(), patience)) return {};
    std::array<char, 2048> buffer;
    socket_address client;
    const auto size = ::recvfrom(socket.number(), buffer.data(), buffer.size(), 0, client.raw(), &client.size);
    if (size < 0) return {};
    EXPECT_EQ(static_cast<ssize_t>(answer.size()),
              ::sendto(socket.number(), answer.data(), answer.size(), 0, client.raw(), client.size));
    return {buffer.data(), static_cast<std::size_t>(size)};
}

std::vector<refused_packet> logged(const sealed_descriptors& sockets, std::size_t count)
{
    std::vector<refused_packet> out;
    std::array<std::uint8_t, 65536> buffer;
    while (wait_readable(sockets.log.number(), out.size() < count ? patience : 100)) {
        const auto size = ::recv(sockets.log.number(), buffer.data(), buffer.size(), 0);
        if (size <= 0) break;
        auto batch = decode_log({buffer.data(), static_cast<std::size_t>(size)});
        EXPECT_TRUE(batch.has_value());
        if (!batch) break;
        EXPECT_EQ(0U, batch->unreadable);
        for (auto& p : batch->packets) out.push_back(std::move(p));
    }
    return out;
}

ip_endpoint endpoint(std::string_view address, std::uint16_t port)
{
    return {ip_address::parse(address).value(), port};
}

ip_endpoint peer_of(const descriptor& socket)
{
    socket_address peer;
    EXPECT_EQ(0, ::getpeername(socket.number(), peer.raw(), &peer.size));
    return peer.endpoint().value();
}

std::string output_of(const std::string& command)
{
    std::string out;
    auto* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return out;
    std::array<char, 4096> buffer;
    while (const auto size = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), size);
    EXPECT_EQ(0, ::pclose(pipe)) << command;
    return out;
}

} // namespace cofferdam::nft::test
