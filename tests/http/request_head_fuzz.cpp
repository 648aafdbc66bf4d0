#include "core/error.hpp"
#include "http/forward.hpp"
#include "tests/http/fuzz_input.hpp"

#include <algorithm>
#include <string>

using namespace cofferdam;
using namespace cofferdam::http;

namespace {

limits small_limits()
{
    limits out;
    out.max_head = 2048;
    out.max_start_line = 512;
    out.max_header_fields = 20;
    return out;
}
const limits bounds = small_limits();

bool is_clean(std::string_view text)
{
    return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

void check_invariants(std::string_view input, std::size_t size, const request_head& head)
{
    FUZZ_REQUIRE(size <= input.size() && size <= bounds.max_head + 2);
    FUZZ_REQUIRE(input.substr(0, size).ends_with("\r\n\r\n"));
    FUZZ_REQUIRE(head.why == nullptr && head.body != body_kind::until_close && head.minor <= 1);
    FUZZ_REQUIRE(head.minor == 0 || !head.host.empty());
    FUZZ_REQUIRE(head.fields.size() <= bounds.max_header_fields);
    FUZZ_REQUIRE(head.form != target_form::origin || head.origin_target.front() == '/');
    for (const field& f : head.fields) FUZZ_REQUIRE(!f.name.empty() && is_clean(f.name) && is_clean(f.value));
    const auto lengths = std::count_if(head.fields.begin(), head.fields.end(),
                                       [](const field& f) { return identify(f.name) == field_id::content_length; });
    FUZZ_REQUIRE(lengths <= 1 && (lengths == 1) == (head.body == body_kind::length));
}

/// The same answer however the bytes arrive.
void check_splits(std::string_view input, const result<std::size_t>& whole, const fault* why)
{
    cut_points cuts(static_cast<std::uint8_t>(input.size()));
    head_scanner scanner(message_kind::request);
    request_head head;
    std::size_t fed = 0;
    for (;;) {
        const std::string copy(input.substr(0, fed));
        const auto size = parse_request_head(copy, bounds, head, scanner);
        if (size || size.error() != errc::need_more) {
            FUZZ_REQUIRE(size == whole && head.why == why);
            return;
        }
        if (fed == input.size()) break;
        fed += std::min(cuts.next(40), input.size() - fed);
    }
    FUZZ_REQUIRE(!whole && whole.error() == errc::need_more);
}

/// What is sent reads back as what was judged, and sending that again changes no byte.
void check_forwarding(const request_head& head)
{
    if (head.host.empty() || head.form == target_form::authority) return;
    forward_request request;
    rebuild(head, request);
    std::string sent;
    write_request_head(sent, request);
    limits wide;
    request_head again;
    const auto size = parse_request_head(sent, wide, again);
    FUZZ_REQUIRE(size && *size == sent.size());
    FUZZ_REQUIRE(again.method == head.method && again.target == head.origin_target && again.origin_target == head.origin_target);
    FUZZ_REQUIRE(again.host == head.host && again.body == head.body && again.content_length == head.content_length);
    FUZZ_REQUIRE(again.websocket_upgrade == head.websocket_upgrade && again.expect_continue == head.expect_continue);
    forward_request second;
    rebuild(again, second);
    FUZZ_REQUIRE(second.fields == request.fields);
    std::string sent_again;
    write_request_head(sent_again, second);
    FUZZ_REQUIRE(sent_again == sent);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count)
{
    const std::string_view input(reinterpret_cast<const char*>(bytes), count);
    request_head head;
    const auto size = parse_request_head(input, bounds, head);
    check_splits(input, size, size || size.error() != errc::need_more ? head.why : nullptr);
    if (!size) {
        FUZZ_REQUIRE(size.error() == errc::need_more || head.why != nullptr);
        return 0;
    }
    check_invariants(input, *size, head);
    check_forwarding(head);
    return 0;
}
