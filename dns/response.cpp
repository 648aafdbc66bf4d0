#include "dns/message.hpp"
#include "dns/rdata.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

constexpr std::uint16_t flag_qr = 0x8000, flag_tc = 0x0200, opcode_mask = 0x7800;

struct header {
    std::uint16_t flags = 0;
    std::uint16_t questions = 0;
    std::array<std::uint16_t, 3> records{}; // answer, authority, additional
};

result<header> read_header(byte_view packet) noexcept
{
    byte_reader in(packet);
    if (const auto id = in.u16(); !id) return id.error();
    header out;
    const auto flags = in.u16(), questions = in.u16(), answers = in.u16(), authorities = in.u16(), additionals = in.u16();
    if (packet.size() < header_size) return errc::need_more;
    out.flags = *flags;
    out.questions = *questions;
    out.records = {*answers, *authorities, *additionals};
    return out;
}

struct raw_record {
    name owner;
    std::uint16_t type = 0, rclass = 0;
    std::uint32_t ttl = 0;
    std::size_t data = 0, length = 0; // where the rdata stands in the message
};

result<raw_record> read_record(byte_view packet, std::size_t& offset) noexcept
{
    raw_record out;
    const auto owner = name::read_compressed(packet, offset, offset);
    if (!owner) return owner.error();
    byte_reader in(packet.subspan(offset));
    const auto type = in.u16(), rclass = in.u16();
    const auto ttl = in.u32();
    const auto length = in.u16();
    if (!type || !rclass || !ttl || !length) return errc::malformed;
    out.owner = *owner;
    out.type = *type;
    out.rclass = *rclass;
    out.ttl = (*ttl & 0x80000000U) != 0 ? 0 : *ttl; // RFC 2181, 8
    out.data = offset + in.position();
    out.length = *length;
    if (!in.take(*length)) return errc::malformed;
    offset = out.data + out.length;
    return out;
}

bool matches_question(byte_view packet, std::size_t& offset, const question& expected) noexcept
{
    const auto qname = name::read_plain(packet, offset, offset);
    if (!qname) return false;
    byte_reader in(packet.subspan(offset));
    const auto qtype = in.u16(), qclass = in.u16();
    if (!qtype || !qclass) return false;
    offset += in.position();
    return *qname == expected.qname && *qtype == expected.qtype && *qclass == class_in;
}

// From the question's name along CNAMEs; the records of the type asked for are those of the chain's end. Records owned by
// other names are somebody's attempt to be cached, or additional help: both are left out.
result<void> follow_chain(std::vector<record>& records, const question& expected, response& out)
{
    name owner = expected.qname;
    for (;;) {
        const auto hop = std::find_if(records.begin(), records.end(),
                                      [&](const record& r) { return r.type == rr::cname && r.owner == owner; });
        if (expected.qtype == rr::cname || hop == records.end()) break;
        if (out.chain.size() == max_cname_hops) return errc::too_large;
        const auto target = std::get<name>(hop->data);
        if (!target.is_host_like() || target.is_root()) return errc::malformed;
        const auto seen = [&](const record& r) { return r.owner == target; };
        if (target == owner || std::any_of(out.chain.begin(), out.chain.end(), seen)) return errc::malformed;
        out.chain.push_back(*hop);
        owner = target;
    }
    for (auto& r : records) {
        if (r.type == expected.qtype && r.owner == owner) out.answers.push_back(std::move(r));
    }
    return {};
}

} // namespace

result<response> parse_response(byte_view packet, const question& expected)
{
    const auto head = read_header(packet);
    if (!head) return errc::malformed;
    if ((head->flags & flag_qr) == 0 || (head->flags & opcode_mask) != 0 || head->questions != 1) return errc::malformed;
    std::size_t offset = header_size;
    if (!matches_question(packet, offset, expected)) return errc::malformed;
    if ((head->flags & flag_tc) != 0) return errc::unsupported;
    const auto& n = head->records;
    if (std::size_t{n[0]} + n[1] + n[2] > max_response_records) return errc::too_large;

    response out;
    std::uint16_t code = head->flags & 0xFU;
    std::vector<record> answers;
    for (std::size_t section = 0; section < n.size(); ++section) {
        for (unsigned i = 0; i < n[section]; ++i) {
            const auto raw = read_record(packet, offset);
            if (!raw) return errc::malformed;
            if (section == 2 && raw->type == rr::opt) code = static_cast<std::uint16_t>(code | ((raw->ttl >> 20) & 0xFF0U));
            if (section == 2 || raw->rclass != class_in || !is_carried(raw->type)) continue;
            auto data = read_rdata(packet, raw->type, raw->data, raw->length);
            if (!data) return errc::malformed;
            if (section == 0) {
                if (has_clean_names(*data))
                    answers.push_back({raw->owner, raw->type, raw->ttl, std::move(*data)});
                else if (raw->type == rr::cname)
                    return errc::malformed;
            }
            else if (raw->type == rr::soa) {
                out.negative_ttl = std::min(raw->ttl, std::get<soa_rdata>(*data).minimum);
            }
        }
    }
    if (offset != packet.size()) return errc::malformed;
    out.code = static_cast<rcode>(code);
    if (const auto followed = follow_chain(answers, expected, out); !followed) return followed.error();
    return out;
}

} // namespace cofferdam::dns
