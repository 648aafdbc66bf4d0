#include "dns/message.hpp"

#include <algorithm>

namespace cofferdam::dns {
namespace {

// RFC 9460, 14.3.2 and RFC 9461.
constexpr std::uint16_t key_mandatory = 0, key_alpn = 1, key_no_default_alpn = 2, key_ipv4hint = 4, key_ech = 5, key_ipv6hint = 6,
                        key_dohpath = 7;

bool leads_around(std::uint16_t key) noexcept
{
    return key == key_ech || key == key_ipv4hint || key == key_ipv6hint || key == key_dohpath;
}

bool is_http3(std::string_view protocol) noexcept
{
    return protocol == "h3" || protocol.starts_with("h3-");
}

// A list of (length, protocol); nothing if it is not one (RFC 9460, 7.1.1).
std::optional<std::string> without_http3(std::string_view alpn)
{
    std::string out;
    while (!alpn.empty()) {
        const std::size_t length = static_cast<std::uint8_t>(alpn[0]);
        if (length == 0 || alpn.size() < length + 1) return std::nullopt;
        if (!is_http3(alpn.substr(1, length))) out += alpn.substr(0, length + 1);
        alpn.remove_prefix(length + 1);
    }
    return out;
}

svc_param* find(svcb_rdata& data, std::uint16_t key) noexcept
{
    const auto at = std::find_if(data.params.begin(), data.params.end(), [key](const svc_param& p) { return p.key == key; });
    return at == data.params.end() ? nullptr : &*at;
}

void erase(svcb_rdata& data, std::uint16_t key)
{
    std::erase_if(data.params, [key](const svc_param& p) { return p.key == key; });
}

// Keeps of "mandatory" only the keys that are still there; false if it is not a list of keys.
bool trim_mandatory(svcb_rdata& data)
{
    auto* mandatory = find(data, key_mandatory);
    if (mandatory == nullptr) return true;
    if (mandatory->value.empty() || mandatory->value.size() % 2 != 0) return false;
    std::string kept;
    for (std::size_t i = 0; i < mandatory->value.size(); i += 2) {
        const auto high = static_cast<std::uint8_t>(mandatory->value[i]),
                   low = static_cast<std::uint8_t>(mandatory->value[i + 1]);
        const auto key = static_cast<std::uint16_t>((high << 8) | low);
        if (find(data, key) != nullptr) kept += mandatory->value.substr(i, 2);
    }
    if (kept.empty())
        erase(data, key_mandatory);
    else
        mandatory->value = std::move(kept);
    return true;
}

} // namespace

bool strip_service_parameters(svcb_rdata& data)
{
    if (data.priority == 0) { // an alias has none, and who reads them all the same shall find none (RFC 9460, 2.4.2)
        data.params.clear();
        return true;
    }
    std::erase_if(data.params, [](const svc_param& p) { return leads_around(p.key); });
    if (auto* alpn = find(data, key_alpn)) {
        auto kept = without_http3(alpn->value);
        if (!kept) return false;
        if (kept->empty()) {
            // Without alpn the scheme's default protocol (http/1.1) stands, unless the endpoint has said it does not speak it.
            if (find(data, key_no_default_alpn) != nullptr) return false;
            erase(data, key_alpn);
        }
        else
            alpn->value = std::move(*kept);
    }
    return trim_mandatory(data);
}

} // namespace cofferdam::dns
