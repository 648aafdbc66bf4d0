#pragma once

#include "dns/message.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Raw packets for tests, built octet by octet and not by the code under test.
namespace cofferdam::dns::test {

using packet = std::vector<std::uint8_t>;

inline void put(packet& out, std::string_view octets)
{
    out.insert(out.end(), octets.begin(), octets.end());
}
inline void put16(packet& out, unsigned v)
{
    out.push_back(static_cast<std::uint8_t>(v >> 8));
    out.push_back(static_cast<std::uint8_t>(v));
}
inline void put32(packet& out, std::uint32_t v)
{
    put16(out, v >> 16);
    put16(out, v & 0xFFFFU);
}

/// "www.a.example" as labels, the root at its end. Case is kept.
inline packet labels(std::string_view text)
{
    packet out;
    while (!text.empty()) {
        const auto dot = text.find('.');
        const auto label = text.substr(0, dot);
        out.push_back(static_cast<std::uint8_t>(label.size()));
        put(out, label);
        text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
    }
    out.push_back(0);
    return out;
}

struct header_fields {
    unsigned id = 0x1234, flags = 0x0100;
    unsigned qd = 1, an = 0, ns = 0, ar = 0;
};

inline packet header(const header_fields& h = {})
{
    packet out;
    for (const unsigned v : {h.id, h.flags, h.qd, h.an, h.ns, h.ar}) put16(out, v);
    return out;
}

inline packet question_octets(const packet& qname, unsigned qtype, unsigned qclass = 1)
{
    packet out = qname;
    put16(out, qtype);
    put16(out, qclass);
    return out;
}

inline packet opt_record(unsigned size = 1232, std::uint32_t extended = 0, std::string_view options = {})
{
    packet out{0};
    put16(out, rr::opt);
    put16(out, size);
    put32(out, extended);
    put16(out, static_cast<unsigned>(options.size()));
    put(out, options);
    return out;
}

inline packet operator+(packet a, const packet& b)
{
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

inline packet make_query(std::string_view qname, unsigned qtype = rr::a, bool edns = true, unsigned id = 0x1234)
{
    auto out = header({.id = id, .ar = edns ? 1U : 0U}) + question_octets(labels(qname), qtype);
    return edns ? out + opt_record() : out;
}

/// One record; `owner` as octets, so that pointers can be given.
inline packet record_octets(const packet& owner, unsigned type, std::uint32_t ttl, const packet& data)
{
    packet out = owner;
    put16(out, type);
    put16(out, 1);
    put32(out, ttl);
    put16(out, static_cast<unsigned>(data.size()));
    return out + data;
}

inline unsigned rcode_of(const packet& p)
{
    return p.size() < 12 ? 999U : (p[3] & 0xFU);
}
inline unsigned count_of(const packet& p, unsigned section)
{
    return unsigned{p[4 + 2 * section]} << 8 | p[5 + 2 * section];
}
inline bool truncated(const packet& p)
{
    return (p[2] & 0x02U) != 0;
}
inline std::string text_of(const packet& p)
{
    return std::string(p.begin(), p.end());
}

inline const packet to_question{0xC0, 0x0C}; // pointer to the question's name

} // namespace cofferdam::dns::test
