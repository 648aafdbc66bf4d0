#pragma once

#include "policy/expr_value.hpp"
#include "policy/request.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cofferdam::policy::expr {

enum class field : std::uint8_t {
    protocol,  ///< "http1", "http2"; "tcp" or "udp" for byte streams
    direction, ///< always "egress"
    src_ip,
    src_port,
    src_process_path,   ///< the executable's path
    src_process_binary, ///< the last component of it
    src_process_user_id,
    dst_ip, ///< only where a literal address is judged: what the client dialled is a hint otherwise
    dst_port,
    dst_domain, ///< the name judged; missing where a literal address is
    tls_enabled,
    tls_sni,
    tls_alpn,
    http_req_method,
    http_req_path,
    http_req_scheme,
    http_req_host, ///< as a Host header: ":port" only where it is not the scheme's default
    http_req_url,
    http_req_header, ///< http.req.headers.<lower case name>; several fields of a name are joined by ", "
};

struct field_name {
    field which;
    std::string header; ///< for http_req_header
};

/// The field of a dotted name, or nothing. Header names are matched in lower case.
std::optional<field_name> find_field(std::string_view dotted);
type type_of(field which) noexcept;

/// The fields of one question. Views the question; cheap to make, builds host and URL only when asked.
class fields {
public:
    explicit fields(const name_query& query) noexcept;
    explicit fields(const connection_attempt& attempt) noexcept;
    explicit fields(const http_request& request) noexcept;
    fields(const fields&) = delete;
    fields& operator=(const fields&) = delete;

    /// Another reading of the request's path (see merged_path); must outlive the evaluation.
    void set_path(std::string_view path) noexcept
    {
        path_ = path;
        url_.clear();
    }

    /// The view in the result lives until the next call for the same field.
    value get(field which, std::string_view header) const;

private:
    value source(field which) const;
    value tls(field which) const;
    value http(field which, std::string_view header) const;
    value http_host() const;
    value http_url() const;
    value http_header(std::string_view name) const;
    void judge_host(std::string_view host, const ip_endpoint* dialled) noexcept;

    enum class known : std::uint8_t { name, connection, request };
    known at_;
    transport proto_ = transport::tcp;
    application app_ = application::unknown;
    std::string_view name_; // canonical; empty for a literal
    std::optional<ip_address> literal_;
    std::uint16_t port_ = 0;
    std::string_view sni_, alpn_, protocol_, method_, scheme_, path_, query_;
    const header_list* headers_ = nullptr;
    const flow_source* source_ = nullptr;
    mutable std::string host_, url_, joined_; // what get() has to put together
};

} // namespace cofferdam::policy::expr
