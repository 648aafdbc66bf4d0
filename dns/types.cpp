#include "dns/types.hpp"

#include <charconv>
#include <utility>

namespace cofferdam::dns {
namespace {

constexpr std::pair<std::uint16_t, std::string_view> type_names[] = {
    {rr::a, "A"},         {rr::ns, "NS"},     {rr::cname, "CNAME"}, {rr::soa, "SOA"},   {rr::ptr, "PTR"}, {rr::mx, "MX"},
    {rr::txt, "TXT"},     {rr::sig, "SIG"},   {rr::aaaa, "AAAA"},   {rr::srv, "SRV"},   {rr::opt, "OPT"}, {rr::svcb, "SVCB"},
    {rr::https, "HTTPS"}, {rr::tsig, "TSIG"}, {rr::ixfr, "IXFR"},   {rr::axfr, "AXFR"}, {rr::any, "ANY"}, {rr::caa, "CAA"},
    {10, "NULL"},         {13, "HINFO"},      {29, "LOC"},          {35, "NAPTR"},      {39, "DNAME"},    {43, "DS"},
    {44, "SSHFP"},        {46, "RRSIG"},      {47, "NSEC"},         {48, "DNSKEY"},     {52, "TLSA"},     {249, "TKEY"},
};

} // namespace

std::string to_text(rcode code)
{
    switch (code) {
    case rcode::noerror: return "NOERROR";
    case rcode::formerr: return "FORMERR";
    case rcode::servfail: return "SERVFAIL";
    case rcode::nxdomain: return "NXDOMAIN";
    case rcode::notimp: return "NOTIMP";
    case rcode::refused: return "REFUSED";
    case rcode::badvers: return "BADVERS";
    }
    return "RCODE" + std::to_string(static_cast<unsigned>(code));
}

std::string_view to_text(transport how) noexcept
{
    return how == transport::udp ? "udp" : "tcp";
}

std::string type_text(std::uint16_t type)
{
    for (const auto& [number, text] : type_names) {
        if (number == type) return std::string(text);
    }
    return "TYPE" + std::to_string(type);
}

std::optional<std::uint16_t> parse_type(std::string_view text) noexcept
{
    for (const auto& [number, name] : type_names) {
        if (name == text) return number;
    }
    if (text.starts_with("TYPE")) text.remove_prefix(4);
    std::uint16_t number = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

} // namespace cofferdam::dns
