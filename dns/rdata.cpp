#include "dns/rdata.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

constexpr std::size_t max_record_text = 256;

// The octets of one rdata, names resolved against the whole message. Every read fails for good once one has failed.
class rdata_reader {
public:
    rdata_reader(byte_view message, std::size_t offset, std::size_t length) noexcept
        : message_(message.first(offset + length)), at_(offset)
    {
    }

    bool ok() const noexcept { return ok_; }
    bool at_end() const noexcept { return at_ == message_.size(); }

    std::uint32_t integer(std::size_t width) noexcept
    {
        const auto bytes = take(width);
        std::uint32_t value = 0;
        for (const auto b : bytes) value = (value << 8) | b;
        return value;
    }
    std::uint16_t u16() noexcept { return static_cast<std::uint16_t>(integer(2)); }
    std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(integer(1)); }

    byte_view take(std::size_t count) noexcept
    {
        if (!ok_ || message_.size() - at_ < count) {
            ok_ = false;
            return {};
        }
        const auto out = message_.subspan(at_, count);
        at_ += count;
        return out;
    }
    std::string text(std::size_t count) { return std::string(as_text(take(count))); }
    std::string rest() { return text(message_.size() - at_); }

    name domain(bool compressed) noexcept
    {
        if (!ok_) return {};
        const auto out = compressed ? name::read_compressed(message_, at_, at_) : name::read_plain(message_, at_, at_);
        if (out) return *out;
        ok_ = false;
        return {};
    }

private:
    byte_view message_;
    std::size_t at_;
    bool ok_ = true;
};

rdata read_address(rdata_reader& in, std::uint16_t type)
{
    if (type == rr::a) {
        ip_address::v4_bytes v4{};
        const auto bytes = in.take(v4.size());
        std::copy(bytes.begin(), bytes.end(), v4.begin());
        return ip_address::v4(v4);
    }
    ip_address::v6_bytes v6{};
    const auto bytes = in.take(v6.size());
    std::copy(bytes.begin(), bytes.end(), v6.begin());
    return ip_address::v6(v6);
}

rdata read_soa(rdata_reader& in)
{
    soa_rdata out;
    out.mname = in.domain(true);
    out.rname = in.domain(true);
    out.serial = in.integer(4);
    out.refresh = in.integer(4);
    out.retry = in.integer(4);
    out.expire = in.integer(4);
    out.minimum = in.integer(4);
    return out;
}

rdata read_mx(rdata_reader& in)
{
    mx_rdata out;
    out.preference = in.u16();
    out.exchange = in.domain(true);
    return out;
}

// RFC 2782 forbids compression of the target; old servers do it all the same.
rdata read_srv(rdata_reader& in)
{
    srv_rdata out;
    out.priority = in.u16();
    out.weight = in.u16();
    out.port = in.u16();
    out.target = in.domain(true);
    return out;
}

result<rdata> read_txt(rdata_reader& in)
{
    txt_rdata out;
    if (in.at_end()) return errc::malformed;
    while (in.ok() && !in.at_end()) out.strings.push_back(in.text(in.u8()));
    return rdata(std::move(out));
}

// RFC 8659, 4.1: the tag is 1 or more letters and digits.
result<rdata> read_caa(rdata_reader& in)
{
    caa_rdata out;
    out.flags = in.u8();
    out.tag = in.text(in.u8());
    out.value = in.rest();
    const auto alphanumeric = [](char c) { return (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (c >= '0' && c <= '9'); };
    if (out.tag.empty() || !std::all_of(out.tag.begin(), out.tag.end(), alphanumeric)) return errc::malformed;
    return rdata(std::move(out));
}

// RFC 9460, 2.2: keys strictly ascending, the target never compressed.
result<rdata> read_svcb(rdata_reader& in)
{
    svcb_rdata out;
    out.priority = in.u16();
    out.target = in.domain(false);
    while (in.ok() && !in.at_end()) {
        svc_param param;
        param.key = in.u16();
        param.value = in.text(in.u16());
        if (!out.params.empty() && out.params.back().key >= param.key) return errc::malformed;
        out.params.push_back(std::move(param));
    }
    return rdata(std::move(out));
}

result<rdata> read_typed(rdata_reader& in, std::uint16_t type)
{
    switch (type) {
    case rr::a:
    case rr::aaaa: return read_address(in, type);
    case rr::cname:
    case rr::ns:
    case rr::ptr: return rdata(in.domain(true));
    case rr::soa: return read_soa(in);
    case rr::mx: return read_mx(in);
    case rr::srv: return read_srv(in);
    case rr::txt: return read_txt(in);
    case rr::caa: return read_caa(in);
    case rr::svcb:
    case rr::https: return read_svcb(in);
    default: return errc::unsupported;
    }
}

std::string joined(const txt_rdata& data)
{
    std::string out;
    for (const auto& s : data.strings) {
        if (out.size() > max_record_text) break;
        if (!out.empty()) out += ' ';
        out += '"' + s + '"';
    }
    return out;
}

struct data_text {
    std::string operator()(const ip_address& a) const { return a.to_string(); }
    std::string operator()(const name& n) const { return n.text(); }
    std::string operator()(const soa_rdata& d) const
    {
        return d.mname.text() + ' ' + d.rname.text() + ' ' + std::to_string(d.serial);
    }
    std::string operator()(const mx_rdata& d) const { return std::to_string(d.preference) + ' ' + d.exchange.text(); }
    std::string operator()(const srv_rdata& d) const
    {
        return std::to_string(d.priority) + ' ' + std::to_string(d.weight) + ' ' + std::to_string(d.port) + ' ' + d.target.text();
    }
    std::string operator()(const txt_rdata& d) const { return joined(d); }
    std::string operator()(const caa_rdata& d) const { return std::to_string(d.flags) + ' ' + d.tag + " \"" + d.value + '"'; }
    std::string operator()(const svcb_rdata& d) const { return std::to_string(d.priority) + ' ' + d.target.text(); }
};

struct clean_names {
    static bool clean(const name& n) noexcept { return n.is_host_like(); }

    bool operator()(const ip_address&) const noexcept { return true; }
    bool operator()(const name& n) const noexcept { return clean(n) && !n.is_root(); }
    bool operator()(const soa_rdata& d) const noexcept { return clean(d.mname); }
    bool operator()(const mx_rdata& d) const noexcept { return clean(d.exchange); }
    bool operator()(const srv_rdata& d) const noexcept { return clean(d.target); }
    bool operator()(const txt_rdata&) const noexcept { return true; }
    bool operator()(const caa_rdata&) const noexcept { return true; }
    bool operator()(const svcb_rdata& d) const noexcept { return clean(d.target); }
};

} // namespace

result<rdata> read_rdata(byte_view message, std::uint16_t type, std::size_t offset, std::size_t length)
{
    if (offset > message.size() || message.size() - offset < length) return errc::malformed;
    rdata_reader in(message, offset, length);
    auto out = read_typed(in, type);
    if (!out) return out.error();
    if (!in.ok() || !in.at_end()) return errc::malformed;
    return out;
}

bool has_clean_names(const rdata& data) noexcept
{
    return std::visit(clean_names{}, data);
}

bool is_carried(std::uint16_t type) noexcept
{
    switch (type) {
    case rr::a:
    case rr::aaaa:
    case rr::cname:
    case rr::txt:
    case rr::mx:
    case rr::srv:
    case rr::ns:
    case rr::soa:
    case rr::ptr:
    case rr::caa:
    case rr::svcb:
    case rr::https: return true;
    default: return false;
    }
}

std::string to_text(const record& rec)
{
    return bounded_text(std::visit(data_text{}, rec.data), max_record_text);
}

} // namespace cofferdam::dns
