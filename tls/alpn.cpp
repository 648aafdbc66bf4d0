#include "tls/alpn.hpp"

#include "tls/openssl_error.hpp"

#include <algorithm>
#include <string_view>

namespace cofferdam::tls {
namespace {

using namespace std::literals;

constexpr std::string_view http1_name = "http/1.1", http2_name = "h2";

std::string_view wire_form(alpn_offer offer) noexcept
{
    switch (offer) {
    case alpn_offer::http1: return "\x08http/1.1"sv;
    case alpn_offer::http2: return "\x02h2"sv;
    case alpn_offer::http2_or_http1: return "\x02h2\x08http/1.1"sv;
    case alpn_offer::http1_or_http2: break;
    }
    return "\x08http/1.1\x02h2"sv;
}

// The slot holds a static of this, so that no connection owns anything.
constexpr alpn_offer offers[] = {alpn_offer::http1, alpn_offer::http2, alpn_offer::http2_or_http1, alpn_offer::http1_or_http2};

int offer_slot() noexcept
{
    static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return slot;
}

bool takes(alpn_offer offer, std::string_view name) noexcept
{
    if (name == http1_name) return offer != alpn_offer::http2;
    return name == http2_name && offer != alpn_offer::http1;
}

} // namespace

alpn_offer offer_upstream(const std::vector<std::string>& client) noexcept
{
    const auto http2 = std::find(client.begin(), client.end(), http2_name);
    const auto http1 = std::find(client.begin(), client.end(), http1_name);
    if (http2 == client.end()) return alpn_offer::http1;
    return http1 < http2 ? alpn_offer::http1_or_http2 : alpn_offer::http2_or_http1;
}

error_code offer_protocols(SSL& connection, alpn_offer offer) noexcept
{
    const auto wire = wire_form(offer);
    const auto* bytes = reinterpret_cast<const unsigned char*>(wire.data());
    if (SSL_set_alpn_protos(&connection, bytes, static_cast<unsigned>(wire.size())) == 0) return {};
    return take_openssl_error();
}

error_code accept_protocols(SSL& connection, alpn_offer offer) noexcept
{
    const auto* kept = std::find(std::begin(offers), std::end(offers), offer);
    // Never written through: OpenSSL's slots are not const.
    if (SSL_set_ex_data(&connection, offer_slot(), const_cast<alpn_offer*>(kept)) == 1) return {};
    return take_openssl_error();
}

bool chose_http2(const SSL& connection) noexcept
{
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(&connection, &name, &size);
    return name && std::string_view(reinterpret_cast<const char*>(name), size) == http2_name;
}

int select_protocol(SSL* connection, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned in_size, void*)
{
    const auto* kept = static_cast<const alpn_offer*>(SSL_get_ex_data(connection, offer_slot()));
    const auto offer = kept ? *kept : alpn_offer::http1;
    for (unsigned at = 0; at < in_size; at += 1U + in[at]) {
        const std::string_view offered(reinterpret_cast<const char*>(in) + at + 1, in[at]);
        if (!takes(offer, offered)) continue;
        *out = in + at + 1;
        *out_size = in[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

} // namespace cofferdam::tls
