#pragma once

#include "packets.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace cofferdam::dns::test {

/// A tiny authoritative server on 127.0.0.1, UDP and TCP on one port, in its own thread. It shares no code with what is tested
/// but the packet notation. It keeps every query it saw.
class fake_authority {
public:
    struct query_seen {
        std::string name; ///< as sent, case kept
        unsigned type = 0;
        bool tcp = false;
        bool edns = false;
        unsigned short port = 0; ///< the client's, of UDP
        packet bytes;
    };
    struct behaviour {
        unsigned answers = 0;
        packet records;
        unsigned code = 0;
        bool silent = false;       ///< never answers
        bool truncate_udp = false; ///< TC over UDP, whole over TCP
        bool refuses_edns = false; ///< FORMERR to a query with OPT
        bool forged_first = false; ///< over UDP: before the answer, one with another id and one to another question
        unsigned strays = 0;       ///< over UDP: before the answer, so many with ids of their own
        std::chrono::milliseconds delay{0};
    };

    fake_authority();
    ~fake_authority();
    fake_authority(const fake_authority&) = delete;
    fake_authority& operator=(const fake_authority&) = delete;

    /// Names without a behaviour do not exist.
    void set(const std::string& name, unsigned type, behaviour how);
    void set_address(const std::string& name, const packet& address);

    unsigned short port() const noexcept { return port_; }
    std::vector<query_seen> seen() const;
    std::size_t count(const std::string& name) const;

private:
    void run();
    void serve_udp();
    void serve_tcp();
    std::optional<packet> respond(const packet& query, bool tcp, unsigned short port, std::vector<packet>& forged);

    int udp_ = -1, tcp_ = -1;
    unsigned short port_ = 0;
    std::atomic<bool> stop_{false};
    mutable std::mutex mutex_;
    std::map<std::pair<std::string, unsigned>, behaviour> how_;
    std::vector<query_seen> seen_;
    std::thread thread_;
};

} // namespace cofferdam::dns::test
