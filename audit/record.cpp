#include "audit/record.hpp"

namespace cofferdam::audit {

std::size_t memory_of(const http_fields& fields) noexcept
{
    std::size_t out = 0;
    for (const auto* text :
         {&fields.method, &fields.url, &fields.scheme, &fields.path, &fields.authority, &fields.protocol, &fields.request_id,
          &fields.connection_id, &fields.user_agent, &fields.request_content_type, &fields.response_content_type,
          &fields.request_body, &fields.response_body, &fields.capture, &fields.close_reason, &fields.detail})
        out += text->capacity();
    for (const auto* headers : {&fields.request_headers, &fields.response_headers}) {
        out += headers->capacity() * sizeof(header_fields::value_type);
        for (const auto& [name, value] : *headers) out += name.capacity() + value.capacity();
    }
    return out;
}

} // namespace cofferdam::audit
