#include "core/text.hpp"
#include "dns/message.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

constexpr std::uint16_t flag_qr = 0x8000, flag_tc = 0x0200, flag_rd = 0x0100, flag_ra = 0x0080, flag_cd = 0x0010;
constexpr std::uint16_t option_ede = 15; // RFC 8914, 2
constexpr std::size_t opt_size = 11;     // root, type, size, ttl, rdlength
constexpr std::size_t max_pointer = 0x3FFF;
constexpr std::size_t max_compression_entries = 64;

// Octets of a message being built, with the names already in it: views of names that outlive the writer.
class writer {
public:
    explicit writer(std::size_t limit, std::size_t expected = 128) : limit_(limit) { out_.reserve(std::min(limit, expected)); }

    bool ok() const noexcept { return ok_; }
    std::size_t size() const noexcept { return out_.size(); }
    std::vector<std::uint8_t> take() && { return std::move(out_); }

    void octets(byte_view bytes)
    {
        if (!ok_ || limit_ - out_.size() < bytes.size()) {
            ok_ = false;
            return;
        }
        const auto at = out_.size(); // not insert(): g++ 12 warns of an overflow it imagines there
        out_.resize(at + bytes.size());
        std::copy(bytes.begin(), bytes.end(), out_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    void text(std::string_view bytes) { octets(as_bytes(bytes)); }
    void u8(std::uint8_t v) { octets({&v, 1}); }
    void u16(std::uint16_t v)
    {
        const std::uint8_t bytes[] = {static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)};
        octets(bytes);
    }
    void u32(std::uint32_t v)
    {
        u16(static_cast<std::uint16_t>(v >> 16));
        u16(static_cast<std::uint16_t>(v));
    }
    void patch_u16(std::size_t at, std::size_t v)
    {
        if (!ok_) return;
        out_[at] = static_cast<std::uint8_t>(v >> 8);
        out_[at + 1] = static_cast<std::uint8_t>(v);
    }

    // Takes `seconds` off the time to live that stands at `at`.
    void age(std::size_t at, std::uint32_t seconds)
    {
        if (!ok_ || seconds == 0) return;
        std::uint32_t left = 0;
        for (std::size_t i = 0; i < 4; ++i) left = left << 8 | out_[at + i];
        left -= std::min(left, seconds);
        patch_u16(at, left >> 16);
        patch_u16(at + 2, left & 0xFFFFU);
    }

    void plain(const name& n) { octets(n.wire()); }

    // RFC 1035, 4.1.4: the longest suffix that stands in the message already becomes a pointer.
    void compressed(const name& n)
    {
        const auto wire = n.wire();
        std::size_t at = 0;
        while (wire[at] != 0) {
            if (const auto target = find(wire.subspan(at))) {
                u16(static_cast<std::uint16_t>(0xC000U | *target));
                return;
            }
            remember(wire.subspan(at), out_.size());
            octets(wire.subspan(at, wire[at] + 1U));
            at += wire[at] + 1U;
        }
        u8(0);
    }

    // A name written verbatim at `offset`, whose suffixes later names may point to.
    void remember_all(const name& n, std::size_t offset)
    {
        const auto wire = n.wire();
        for (std::size_t at = 0; wire[at] != 0; at += wire[at] + 1U) remember(wire.subspan(at), offset + at);
    }

private:
    struct known {
        std::string_view suffix;
        std::size_t offset = 0;
    };

    void remember(byte_view suffix, std::size_t offset)
    {
        if (offset <= max_pointer && known_count_ < max_compression_entries) known_[known_count_++] = {as_text(suffix), offset};
    }
    std::optional<std::size_t> find(byte_view suffix) const noexcept
    {
        const auto end = known_.begin() + static_cast<std::ptrdiff_t>(known_count_);
        const auto at = std::find_if(known_.begin(), end, [&](const known& k) { return k.suffix == as_text(suffix); });
        return at == end ? std::nullopt : std::optional(at->offset);
    }

    std::size_t limit_;
    std::vector<std::uint8_t> out_;
    std::array<known, max_compression_entries> known_;
    std::size_t known_count_ = 0;
    bool ok_ = true;
};

struct write_data {
    writer& out;

    void operator()(const ip_address& a) const { out.octets(a.bytes()); }
    void operator()(const name& n) const { out.compressed(n); }
    void operator()(const soa_rdata& d) const
    {
        static const name nobody;
        out.compressed(d.mname);
        out.compressed(d.rname.is_host_like() ? d.rname : nobody); // a mailbox with an odd octet is nothing to hand on
        for (const auto v : {d.serial, d.refresh, d.retry, d.expire, d.minimum}) out.u32(v);
    }
    void operator()(const mx_rdata& d) const
    {
        out.u16(d.preference);
        out.compressed(d.exchange);
    }
    void operator()(const srv_rdata& d) const
    {
        for (const auto v : {d.priority, d.weight, d.port}) out.u16(v);
        out.plain(d.target);
    }
    void operator()(const txt_rdata& d) const
    {
        for (const auto& s : d.strings) {
            out.u8(static_cast<std::uint8_t>(s.size()));
            out.text(std::string_view(s).substr(0, 255));
        }
    }
    void operator()(const caa_rdata& d) const
    {
        out.u8(d.flags);
        out.u8(static_cast<std::uint8_t>(d.tag.size()));
        out.text(d.tag);
        out.text(d.value);
    }
    void operator()(const svcb_rdata& d) const
    {
        out.u16(d.priority);
        out.plain(d.target);
        for (const auto& p : d.params) {
            out.u16(p.key);
            out.u16(static_cast<std::uint16_t>(p.value.size()));
            out.text(p.value);
        }
    }
};

void write_record(writer& out, const record& r)
{
    out.compressed(r.owner);
    out.u16(r.type);
    out.u16(class_in);
    out.u32(r.ttl);
    const auto length_at = out.size();
    out.u16(0);
    std::visit(write_data{out}, r.data);
    out.patch_u16(length_at, out.size() - length_at - 2);
}

void write_opt(writer& out, rcode code, const edns* client, const std::optional<extended_error>& error)
{
    out.u8(0);
    out.u16(rr::opt);
    out.u16(static_cast<std::uint16_t>(max_udp_size));
    out.u8(static_cast<std::uint8_t>(static_cast<unsigned>(code) >> 4));
    out.u8(0);
    out.u16(client != nullptr && client->dnssec_ok ? 0x8000 : 0); // RFC 3225, 3: DO is copied
    if (!error) {
        out.u16(0);
        return;
    }
    const auto text = bounded_text(error->text);
    out.u16(static_cast<std::uint16_t>(4 + 2 + text.size()));
    out.u16(option_ede);
    out.u16(static_cast<std::uint16_t>(2 + text.size()));
    out.u16(static_cast<std::uint16_t>(error->code));
    out.text(text);
}

std::size_t reply_limit(const query_head& to, transport how) noexcept
{
    if (how == transport::tcp) return max_message_size;
    return to.opt ? std::clamp<std::size_t>(to.opt->udp_size, min_udp_size, max_udp_size) : min_udp_size;
}

// Header and question of a reply.
void write_head(writer& out, const query_head& to, rcode code, std::uint16_t more_flags, std::size_t answers)
{
    unsigned flags = flag_qr | flag_ra | more_flags | (unsigned{to.opcode} << 11) | (static_cast<unsigned>(code) & 0xFU);
    if (to.recursion_desired) flags |= flag_rd;
    if (to.checking_disabled) flags |= flag_cd;
    out.u16(to.id);
    out.u16(static_cast<std::uint16_t>(flags));
    out.u16(to.question().empty() ? 0 : 1);
    out.u16(static_cast<std::uint16_t>(answers));
    out.u16(0);
    out.u16(to.opt ? 1 : 0);
    out.octets(to.question());
}

// Nothing if it does not fit.
std::optional<std::vector<std::uint8_t>> try_build(const query_head& to, const reply& what, std::size_t limit,
                                                   std::uint16_t more_flags)
{
    writer out(limit);
    write_head(out, to, what.code, more_flags, what.answers.size());
    if (!to.question().empty()) out.remember_all(to.qname, header_size);
    for (const auto& r : what.answers) write_record(out, r);
    if (to.opt) write_opt(out, what.code, &*to.opt, what.error);
    if (!out.ok()) return std::nullopt;
    return std::move(out).take();
}

} // namespace

std::string bounded_text(std::string_view text, std::size_t limit)
{
    std::string out = escape_line(text.substr(0, 4 * limit));
    if (out.size() <= limit) return out;
    out.resize(limit > 3 ? limit - 3 : 0);
    while (!out.empty() && !is_utf8(out)) out.pop_back();
    return out + "...";
}

std::vector<std::uint8_t> build_reply(const query_head& to, const reply& what, transport how)
{
    const auto limit = reply_limit(to, how);
    if (auto whole = try_build(to, what, limit, 0)) return std::move(*whole);
    // Over TCP there is no larger transport to come back on: records that do not fit 64 KiB are a failure, not a truncation.
    const reply cut{how == transport::tcp ? rcode::servfail : what.code, {}, what.error};
    auto partial = try_build(to, cut, limit, how == transport::tcp ? 0 : flag_tc);
    return partial ? std::move(*partial) : std::vector<std::uint8_t>{};
}

std::optional<answer_section> take_answer_section(const query_head& to, byte_view message)
{
    const std::size_t begin = header_size + to.question().size(), tail = to.opt ? opt_size : 0;
    if (message.size() < begin + tail || to.question().empty()) return std::nullopt;
    byte_reader head(message);
    const auto id = head.u16(), flags = head.u16(), questions = head.u16(), answers = head.u16();
    if (!id || !flags || !questions || !answers || (*flags & flag_tc) != 0) return std::nullopt;
    answer_section out;
    out.code = static_cast<rcode>(*flags & 0xFU);
    out.count = *answers;
    const auto end = message.size() - tail;
    auto at = begin;
    for (std::size_t i = 0; i < out.count; ++i) {
        if (!name::read_compressed(message, at, at) || at > end) return std::nullopt;
        byte_reader record(message.subspan(at, end - at));
        const auto type = record.u16(), kind = record.u16();
        const auto ttl = record.u32();
        const auto size = record.u16();
        if (!type || !kind || !ttl || !size || !record.take(*size)) return std::nullopt;
        out.ttls_at.push_back(static_cast<std::uint16_t>(at + 4 - begin));
        at += record.position();
    }
    if (at != end) return std::nullopt; // an OPT record with an error, or something that is not ours
    out.octets.assign(message.begin() + static_cast<std::ptrdiff_t>(begin), message.begin() + static_cast<std::ptrdiff_t>(end));
    return out;
}

std::optional<std::vector<std::uint8_t>> build_reply(const query_head& to, const answer_section& section, std::uint32_t age,
                                                     transport how)
{
    writer out(reply_limit(to, how), header_size + to.question().size() + section.octets.size() + opt_size);
    write_head(out, to, section.code, 0, section.count);
    const auto begin = out.size();
    out.octets(section.octets);
    for (const auto at : section.ttls_at) out.age(begin + at, age);
    if (to.opt) write_opt(out, section.code, &*to.opt, std::nullopt);
    if (!out.ok()) return std::nullopt;
    return std::move(out).take();
}

std::vector<std::uint8_t> build_query(std::uint16_t id, const question& what, bool with_edns)
{
    writer out(header_size + max_question + opt_size);
    out.u16(id);
    out.u16(flag_rd);
    out.u16(1);
    out.u16(0);
    out.u16(0);
    out.u16(with_edns ? 1 : 0);
    out.plain(what.qname);
    out.u16(what.qtype);
    out.u16(class_in);
    if (with_edns) write_opt(out, rcode::noerror, nullptr, std::nullopt);
    return std::move(out).take();
}

} // namespace cofferdam::dns
