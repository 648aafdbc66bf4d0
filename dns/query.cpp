#include "dns/message.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

constexpr std::uint16_t flag_qr = 0x8000, flag_tc = 0x0200, flag_rd = 0x0100, flag_cd = 0x0010;

struct counts {
    std::uint16_t questions, answers, authorities, additionals;
};

// EDNS options: code, length, octets, until the end (RFC 6891, 6.1.2).
bool options_well_formed(byte_view options) noexcept
{
    byte_reader in(options);
    while (!in.empty()) {
        if (!in.u16()) return false;
        const auto length = in.u16();
        if (!length || !in.take(*length)) return false;
    }
    return true;
}

// One record of the additional section. No value: served without. Anything but one OPT ends the query.
std::optional<query_fault> read_additional(byte_view packet, std::size_t& offset, query_head& head) noexcept
{
    const auto owner = name::read_plain(packet, offset, offset);
    if (!owner) return query_fault::formerr;
    byte_reader in(packet.subspan(offset));
    const auto type = in.u16(), size = in.u16();
    const auto extended = in.u32();
    const auto length = in.u16();
    if (!type || !size || !extended || !length) return query_fault::formerr;
    const auto options = in.take(*length);
    if (!options) return query_fault::formerr;
    offset += in.position();
    if (*type == rr::tsig || *type == rr::sig) return query_fault::notimp;
    if (*type != rr::opt || !owner->is_root() || head.opt || !options_well_formed(*options)) return query_fault::formerr;
    head.opt = edns{*size, static_cast<std::uint8_t>(*extended >> 16), (*extended & 0x8000U) != 0};
    return std::nullopt;
}

std::optional<query_fault> read_question(byte_view packet, std::size_t& offset, query_head& head) noexcept
{
    const std::size_t start = offset;
    const auto qname = name::read_plain(packet, offset, offset);
    if (!qname) return query_fault::formerr;
    byte_reader in(packet.subspan(offset));
    const auto qtype = in.u16(), qclass = in.u16();
    if (!qtype || !qclass) return query_fault::formerr;
    offset += in.position();
    head.qname = *qname;
    head.qtype = *qtype;
    head.qclass = *qclass;
    head.keep_question(packet.subspan(start, offset - start));
    return std::nullopt;
}

std::optional<query_fault> read_sections(byte_view packet, const counts& n, query_head& head) noexcept
{
    if (n.questions != 1 || n.answers != 0 || n.authorities != 0 || packet.size() > max_query_size) return query_fault::formerr;
    std::size_t offset = header_size;
    if (const auto fault = read_question(packet, offset, head)) return fault;
    if (n.additionals > 2) return query_fault::formerr; // OPT and a signature: the most that any client sends
    for (unsigned i = 0; i < n.additionals; ++i) {
        if (const auto fault = read_additional(packet, offset, head)) return fault;
    }
    if (offset != packet.size()) return query_fault::formerr;
    if (head.opt && head.opt->version != 0) return query_fault::badvers;
    if (!head.qname.is_host_like()) return query_fault::odd_name;
    return std::nullopt;
}

} // namespace

void query_head::keep_question(byte_view raw) noexcept
{
    question_size_ = static_cast<std::uint16_t>(std::min(raw.size(), question_.size()));
    std::copy_n(raw.begin(), question_size_, question_.begin());
}

boost::system::result<query, bad_query> parse_query(byte_view packet) noexcept
{
    query out;
    byte_reader in(packet);
    const auto id = in.u16(), flags = in.u16();
    const auto questions = in.u16(), answers = in.u16(), authorities = in.u16(), additionals = in.u16();
    if (packet.size() < header_size) return bad_query{query_fault::not_a_query, out};
    if ((*flags & flag_qr) != 0) return bad_query{query_fault::not_a_query, out};
    out.id = *id;
    out.opcode = static_cast<std::uint8_t>((*flags >> 11) & 0xF);
    out.recursion_desired = (*flags & flag_rd) != 0;
    out.checking_disabled = (*flags & flag_cd) != 0;
    if (out.opcode != 0) return bad_query{query_fault::notimp, out};
    if ((*flags & flag_tc) != 0) return bad_query{query_fault::formerr, out};
    const counts n{*questions, *answers, *authorities, *additionals};
    if (const auto fault = read_sections(packet, n, out)) return bad_query{*fault, out};
    out.qname.text_into(out.text);
    return out;
}

} // namespace cofferdam::dns
