#pragma once

#include "nft/io/datagram.hpp"
#include "nft/io/queue_reader.hpp"
#include "nft/io/sealed_network.hpp"
#include "nft/nflog.hpp"

#include <atomic>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace cofferdam::nft::test {

/// Runs `body` in a forked child that is an ordinary user (nobody, when root runs the tests) at the head of fresh user and
/// network namespaces. Expectations that fail in the child fail the test. Inside it is the same user, or root (so that programs
/// it starts keep the capabilities).
enum class seen_as : bool { itself, root };
void in_namespace(const std::function<void()>& body, seen_as inside = seen_as::itself);

/// Forks a job: a process in a user namespace of its own below, so without any capability over the network namespace.
/// The parent goes on; `finish()` waits and takes over the job's failed expectations.
class job {
public:
    explicit job(const std::function<void()>& body);
    void finish();

private:
    int pid_;
};

/// What a client sees of one TCP connection attempt: errno of connect (0: connected), and the time it took. A `from`
/// may be shared by several sockets (SO_REUSEADDR).
struct attempt {
    descriptor socket;
    int error = 0;
    double seconds = 0;
};
attempt dial(const ip_endpoint& to, const ip_endpoint* from = nullptr);

/// A UDP socket connected to `to`; sends one datagram. errno of send or of the answer, 0 if neither failed.
struct datagram_attempt {
    descriptor socket;
    int error = 0;
    double seconds = 0;
    std::string answer;
};
datagram_attempt ask(const ip_endpoint& to, std::string_view text, int protocol = 0);

/// Reads all queues of a sealed network until it is destroyed, and keeps a copy of what was judged. Takes the queues out of
/// `sockets`.
class queue_consumer {
public:
    using judge = std::function<queue_verdict(byte_view packet)>;
    explicit queue_consumer(sealed_descriptors& sockets, judge decide = {}); ///< default: accept everything
    ~queue_consumer();
    std::vector<std::vector<std::uint8_t>> seen(std::uint16_t queue = 0) const;
    std::uint64_t lost() const noexcept { return lost_.load(); }

private:
    queue_calls calls(std::size_t number, judge decide);
    mutable std::mutex mutex_;
    std::vector<std::vector<std::vector<std::uint8_t>>> seen_;
    std::atomic<std::uint64_t> lost_{0};
    std::vector<std::unique_ptr<queue_reader>> readers_;
    std::vector<std::thread> threads_;
};

/// Waits up to five seconds. Empty descriptor: nobody came.
descriptor accept_one(const descriptor& listener);
/// Waits up to five seconds for one datagram of a plain UDP socket and answers it.
std::string answer_one(const descriptor& socket, std::string_view answer);
/// All packets that were logged; waits up to five seconds for the first `count`, and then a little for more.
std::vector<refused_packet> logged(const sealed_descriptors& sockets, std::size_t count);

ip_endpoint endpoint(std::string_view address, std::uint16_t port);
ip_endpoint peer_of(const descriptor& socket);
bool wait_readable(int number, int milliseconds);
/// Standard output of a shell command.
std::string output_of(const std::string& command);

} // namespace cofferdam::nft::test
