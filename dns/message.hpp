#pragma once

#include "core/ip.hpp"
#include "dns/name.hpp"
#include "dns/types.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace cofferdam::dns {

inline constexpr std::size_t header_size = 12;
inline constexpr std::size_t max_question = max_name_wire + 4;
inline constexpr std::size_t max_query_size = 4096; ///< a larger query is formerr
inline constexpr std::size_t min_udp_size = 512;    ///< RFC 1035, 2.3.4: what every client can take
inline constexpr std::size_t max_udp_size = 1232;   ///< never sent more over UDP, whatever the client offers (DNS flag day 2020)
inline constexpr std::size_t max_message_size = 65535;
inline constexpr std::size_t max_response_records = 256; ///< all sections of an upstream answer together
inline constexpr std::size_t max_cname_hops = 16;

// ---- queries of the job ----

/// EDNS of a query (RFC 6891). Options (client subnet, cookies, padding, ...) are checked for shape and forgotten.
struct edns {
    std::uint16_t udp_size = min_udp_size;
    std::uint8_t version = 0;
    bool dnssec_ok = false;
};

/// What an answer needs of a query, also of one that is refused: the id, the flags, and the question as it was sent (its
/// 0x20 case included). Fixed size, no allocation.
struct query_head {
    std::uint16_t id = 0;
    std::uint8_t opcode = 0;
    bool recursion_desired = false;
    bool checking_disabled = false;
    std::uint16_t qtype = 0, qclass = 0; ///< 0 where the question could not be read
    std::optional<edns> opt;             ///< absent: the client does not speak EDNS
    name qname;                          ///< root where the question could not be read

    byte_view question() const noexcept { return {question_.data(), question_size_}; } ///< empty where it could not be read
    void keep_question(byte_view raw) noexcept;

private:
    std::array<std::uint8_t, max_question> question_{};
    std::uint16_t question_size_ = 0;
};

/// A well-formed query: one question, opcode QUERY, a host-like name. Nothing is said about class and type.
struct query : query_head {
    host_text text; ///< the name judged, canonical: lower case, no final dot, "." for the root
};

enum class query_fault : std::uint8_t {
    not_a_query, ///< shorter than a header, or a response: drop it without an answer
    formerr,     ///< violates RFC 1035 or RFC 6891, or has what a query does not (a second question, records, trailing octets)
    odd_name,    ///< the name is not host-like (dot, NUL, space, newline ... inside a label): REFUSED
    notimp,      ///< opcode other than QUERY, or signed (TSIG, SIG(0))
    badvers,     ///< EDNS version other than 0
};

/// A query that is not to be served, with what an answer to it needs.
struct bad_query {
    query_fault fault = query_fault::not_a_query;
    query_head head;
};

/// Never throws, allocates nothing (RFC 1035, 4; RFC 6891; RFC 9267).
boost::system::result<query, bad_query> parse_query(byte_view packet) noexcept;

// ---- records ----

struct soa_rdata {
    name mname, rname;
    std::uint32_t serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0;
};
struct mx_rdata {
    std::uint16_t preference = 0;
    name exchange;
};
struct srv_rdata {
    std::uint16_t priority = 0, weight = 0, port = 0;
    name target;
};
struct txt_rdata {
    std::vector<std::string> strings;
}; ///< each of at most 255 octets, at least one
struct caa_rdata {
    std::uint8_t flags = 0;
    std::string tag, value;
};
struct svc_param {
    std::uint16_t key = 0;
    std::string value;
};
struct svcb_rdata {
    std::uint16_t priority = 0;
    name target;
    std::vector<svc_param> params;
}; ///< SVCB and HTTPS, RFC 9460

/// Data of a record: ip_address for A and AAAA, name for CNAME, NS and PTR.
using rdata = std::variant<ip_address, name, soa_rdata, mx_rdata, srv_rdata, txt_rdata, caa_rdata, svcb_rdata>;

struct record {
    name owner;
    std::uint16_t type = 0;
    std::uint32_t ttl = 0; ///< seconds
    rdata data;
};

/// True for the types this gateway carries: A, AAAA, CNAME, TXT, MX, SRV, NS, SOA, PTR, CAA, SVCB, HTTPS.
bool is_carried(std::uint16_t type) noexcept;
/// One printable line, at most 256 characters: "198.18.0.1", "10 mail.example". For records of evidence.
std::string to_text(const record& rec);

/// Removes from SVCB and HTTPS data what would lead around the gateway: ech (the real SNI would be hidden), alpn h3 and its
/// drafts (QUIC is not carried), dohpath, and ipv4hint/ipv6hint (addresses that were not judged; RFC 9460, 7.3). Keys removed
/// leave "mandatory" too. False: nothing usable is left (h3 was all that the endpoint offers), drop the record.
bool strip_service_parameters(svcb_rdata& data);

// ---- answers from upstream ----

/// An upstream answer, reduced to what answers the question: the CNAME chain from the question's name in order, then the
/// records of the type asked for. All else in the message was checked for shape and dropped.
struct response {
    rcode code = rcode::noerror;
    std::vector<record> chain;                 ///< CNAME records, the first owned by the question's name
    std::vector<record> answers;               ///< owned by the end of the chain
    std::optional<std::uint32_t> negative_ttl; ///< seconds: min(SOA ttl, SOA minimum), RFC 2308, 5
};

struct question {
    name qname;
    std::uint16_t qtype = rr::a;
};

/// errc::malformed: violates the grammar, is not an answer to `expected`, or its CNAMEs loop; errc::too_large: more than
/// max_response_records or max_cname_hops; errc::unsupported: truncated (TC). Never throws.
result<response> parse_response(byte_view packet, const question& expected);

// ---- building ----

struct extended_error {
    ede_code code = ede_code::other;
    std::string text; ///< UTF-8; see bounded_text
};

inline constexpr std::size_t max_ede_text = 220; ///< octets; fits the smallest UDP answer beside the longest question

/// `text` in one printable line of valid UTF-8, at most `limit` octets, cut at a character.
std::string bounded_text(std::string_view text, std::size_t limit = max_ede_text);

/// What to answer. The OPT record and the extended error are sent only to clients that sent an OPT (RFC 6891, 6.1.1).
struct reply {
    rcode code = rcode::noerror;
    std::vector<record> answers;
    std::optional<extended_error> error;
};

/// A complete answer to `to`. Over UDP it is at most the client's size (between min_udp_size and max_udp_size); answers that do
/// not fit are left out, all of them, with TC set, so that the client comes back over TCP.
std::vector<std::uint8_t> build_reply(const query_head& to, const reply& what, transport how);

/// The answer section of a reply that was built once, to be given again to the same question, whatever the case of its letters.
struct answer_section {
    rcode code = rcode::noerror;
    std::uint16_t count = 0;            ///< records
    std::vector<std::uint8_t> octets;   ///< of the records, as they follow the question
    std::vector<std::uint16_t> ttls_at; ///< where in `octets` each record's time to live stands
};

/// The answer section of `message`, a reply built for `to`. Nothing if it is truncated or explains an error.
std::optional<answer_section> take_answer_section(const query_head& to, byte_view message);

/// The reply to `to`, whose question `section` answers; `age` seconds are taken off each record's time to live, down to 0.
/// Nothing if it does not fit: see build_reply.
std::optional<std::vector<std::uint8_t>> build_reply(const query_head& to, const answer_section& section, std::uint32_t age,
                                                     transport how);

/// A query made from nothing but a name and a type: RD set, EDNS 0 with max_udp_size and no options.
std::vector<std::uint8_t> build_query(std::uint16_t id, const question& what, bool with_edns = true);

} // namespace cofferdam::dns
