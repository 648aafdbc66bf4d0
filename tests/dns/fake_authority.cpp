#include "fake_authority.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace cofferdam::dns::test {
namespace {

sockaddr_in loopback(unsigned short port)
{
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    out.sin_port = htons(port);
    return out;
}

int bound(int type, unsigned short port)
{
    const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    const auto at = loopback(port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) return fd;
    ::close(fd);
    return -1;
}

unsigned short port_of(int fd)
{
    sockaddr_in at{};
    socklen_t size = sizeof at;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin_port);
}

} // namespace

fake_authority::fake_authority()
{
    for (int tries = 0; tries < 50 && tcp_ < 0; ++tries) {
        if (udp_ >= 0) ::close(udp_);
        udp_ = bound(SOCK_DGRAM, 0);
        port_ = port_of(udp_);
        tcp_ = bound(SOCK_STREAM, port_);
    }
    if (tcp_ < 0 || ::listen(tcp_, 16) != 0) throw std::runtime_error("no free port for the fake authority");
    thread_ = std::thread([this] { run(); });
}

fake_authority::~fake_authority()
{
    stop_ = true;
    thread_.join();
    ::close(udp_);
    ::close(tcp_);
}

void fake_authority::set(const std::string& name, unsigned type, behaviour how)
{
    const std::lock_guard lock(mutex_);
    how_[{name, type}] = std::move(how);
}

void fake_authority::set_address(const std::string& name, const packet& address)
{
    const unsigned type = address.size() == 4 ? 1 : 28;
    set(name, type, {.answers = 1, .records = record_octets(to_question, type, 300, address)});
}

std::vector<fake_authority::query_seen> fake_authority::seen() const
{
    const std::lock_guard lock(mutex_);
    return seen_;
}

std::size_t fake_authority::count(const std::string& name) const
{
    const auto all = seen();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& q) { return q.name == name; }));
}

void fake_authority::run()
{
    while (!stop_) {
        pollfd waits[] = {{udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
        if (::poll(waits, 2, 20) <= 0) continue;
        if ((waits[0].revents & POLLIN) != 0) serve_udp();
        if ((waits[1].revents & POLLIN) != 0) serve_tcp();
    }
}

void fake_authority::serve_udp()
{
    packet query(4096);
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const auto got = ::recvfrom(udp_, query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 12) return;
    query.resize(static_cast<std::size_t>(got));
    std::vector<packet> forged;
    const auto answer = respond(query, false, ntohs(from.sin_port), forged);
    for (const auto& f : forged) ::sendto(udp_, f.data(), f.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    if (answer) ::sendto(udp_, answer->data(), answer->size(), 0, reinterpret_cast<sockaddr*>(&from), size);
}

void fake_authority::serve_tcp()
{
    const int fd = ::accept4(tcp_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const timeval patience{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    packet length(2);
    while (!stop_ && ::recv(fd, length.data(), 2, MSG_WAITALL) == 2) {
        packet query(static_cast<std::size_t>(length[0] << 8 | length[1]));
        if (::recv(fd, query.data(), query.size(), MSG_WAITALL) != static_cast<ssize_t>(query.size())) break;
        std::vector<packet> forged;
        const auto answer = respond(query, true, 0, forged);
        if (!answer) break;
        packet framed;
        put16(framed, static_cast<unsigned>(answer->size()));
        framed = framed + *answer;
        ::send(fd, framed.data(), framed.size(), MSG_NOSIGNAL);
    }
    ::close(fd);
}

std::optional<packet> fake_authority::respond(const packet& query, bool tcp, unsigned short port, std::vector<packet>& forged)
{
    query_seen q;
    q.tcp = tcp;
    q.port = port;
    q.bytes = query;
    std::size_t at = 12;
    for (; at < query.size() && query[at] != 0; at += query[at] + 1U) {
        if (!q.name.empty()) q.name += '.';
        q.name.append(query.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                      query.begin() + static_cast<std::ptrdiff_t>(at) + 1 + query[at]);
    }
    q.type = static_cast<unsigned>(query[at + 1] << 8 | query[at + 2]);
    q.edns = query[11] != 0;
    const packet question(query.begin() + 12, query.begin() + static_cast<std::ptrdiff_t>(at) + 5);
    behaviour how{.code = 3};
    {
        const std::lock_guard lock(mutex_);
        seen_.push_back(q);
        bool exists = false;
        for (const auto& [key, value] : how_) exists = exists || key.first == q.name;
        if (exists) how = {};
        if (const auto known = how_.find({q.name, q.type}); known != how_.end()) how = known->second;
    }
    if (how.silent) return std::nullopt;
    std::this_thread::sleep_for(how.delay);
    const unsigned id = static_cast<unsigned>(query[0] << 8 | query[1]);
    if (how.refuses_edns && q.edns) return header({.id = id, .flags = 0x8181}) + question;
    if (how.truncate_udp && !tcp) return header({.id = id, .flags = 0x8380}) + question;
    if (how.forged_first) {
        const auto evil = record_octets(to_question, q.type, 300, {6, 6, 6, 6});
        forged.push_back(header({.id = id ^ 1U, .flags = 0x8180U, .an = 1}) + question + evil);
        forged.push_back(header({.id = id, .flags = 0x8180U, .an = 1}) + question_octets(labels("evil.example"), q.type) + evil);
    }
    for (unsigned i = 1; i <= how.strays; ++i)
        forged.push_back(header({.id = id ^ i, .flags = 0x8180U, .an = how.answers}) + question + how.records);
    return header({.id = id, .flags = 0x8180U | how.code, .an = how.answers}) + question + how.records;
}

} // namespace cofferdam::dns::test
