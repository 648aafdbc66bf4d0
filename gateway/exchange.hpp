#pragma once

#include "audit/metrics.hpp"
#include "audit/record.hpp"
#include "audit/writer.hpp"
#include "http/body.hpp"
#include "http/error_page.hpp"
#include "http/head.hpp"
#include "policy/decision.hpp"
#include "policy/request.hpp"
#include "policy/url.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cofferdam::gateway {

class flow;

/// Gives a list of fields the memory of one of an ended message of the same thread, and leaves it to the next. The list must
/// outlive this.
class kept_list {
public:
    explicit kept_list(std::vector<http::field>& list);
    ~kept_list();
    kept_list(const kept_list&) = delete;
    kept_list& operator=(const kept_list&) = delete;

private:
    std::vector<http::field>& list_;
};

/// One HTTP request with everything that is judged, sent and recorded of it. The record is reserved before a byte goes
/// upstream and written exactly once, at the latest by the destructor.
class exchange final {
public:
    exchange(flow& owner, std::string scheme, audit::http_version protocol = audit::http_version::http1);
    ~exchange();
    exchange(const exchange&) = delete;
    exchange& operator=(const exchange&) = delete;

    /// From take_frame(): an exchange is more than malloc has at hand.
    static void* operator new(std::size_t size);
    static void operator delete(void* memory, std::size_t size) noexcept;

    /// What was refused or failed, and how to answer.
    struct answer {
        unsigned status = 403;
        policy::decision verdict;
        std::string detail; ///< what exactly was wrong, for a person
    };

    std::string head_bytes; ///< owns what `head` views
    http::request_head head;
    std::string host; ///< canonical; an address literal without brackets
    std::uint16_t port = 0;
    policy::request_target target;
    policy::decision verdict;

    /// Takes the parsed head apart and judges it: canonical host and path, agreement with TLS, then the policy.
    /// Nothing returned: it may be forwarded.
    std::optional<answer> judge();
    /// Judges the request again, with the trailers that came behind its body as fields beside those of the head. Nothing
    /// returned: they may be sent on.
    std::optional<answer> judge_trailers(const std::vector<std::pair<std::string, std::string>>& trailers);
    /// Judges the final answer's head. Nothing returned: it may be passed on.
    std::optional<answer> judge_answer(const http::response_head& response);
    /// Keeps room for the record. False: no record can be kept, refuse (law 5).
    bool reserve();

    /// Something of it goes upstream now.
    void note_sent() noexcept { sent_ = true; }
    void note_request(std::uint64_t bytes) noexcept { fields_.bytes_sent += bytes; }
    void note_response(std::uint64_t bytes) noexcept { fields_.bytes_received += bytes; }
    /// Bodies, as they pass; kept up to capture.max_body where the capture level says full.
    void capture_request_body(std::string_view bytes);
    void capture_response_body(std::string_view bytes);
    void answered_by_origin(const http::response_head& response);
    void answered_by_gateway(unsigned status);

    /// Writes the record. `why` is reason::completed for an exchange that ended well.
    void finish(reason why, std::string detail = {});
    bool finished() const noexcept { return finished_; }

    /// The error page for an answer in the origin's place. Views this exchange and the answer: for use before finish().
    http::refusal page_of(const answer& refused) const;
    /// The Host that is sent on: the judged name, with the port where it is not the scheme's default. Views this exchange.
    std::string_view host_field();

    /// For a request that could not be parsed: what can be said of it.
    void note_malformed(const answer& refusal);

private:
    void leave_memory() noexcept;

    std::optional<answer> judge_authority();
    std::optional<answer> judge_target();
    void describe_request();
    void describe_url(std::string_view path);
    policy::http_request question(const policy::header_list& headers) const;
    policy::decision judge_fields(const std::vector<http::field>& fields) const;
    bool captures(policy::capture_level level) const noexcept { return verdict.capture >= level; }

    flow& owner_;
    std::string scheme_;
    audit::http_version protocol_;
    std::chrono::system_clock::time_point began_;
    std::chrono::steady_clock::time_point began_steady_;
    audit::http_fields fields_;
    std::string host_field_; ///< memory for what is not just `host`
    std::optional<audit::reservation> place_;
    kept_list head_memory_{head.fields};
    bool finished_ = false;
    bool sent_ = false;
};

} // namespace cofferdam::gateway
