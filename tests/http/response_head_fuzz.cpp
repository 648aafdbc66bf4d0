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

void check_splits(std::string_view input, const response_context& context, const result<std::size_t>& whole)
{
    cut_points cuts(static_cast<std::uint8_t>(input.size()));
    head_scanner scanner(message_kind::response);
    response_head head;
    std::size_t fed = 0;
    for (;;) {
        const std::string copy(input.substr(0, fed));
        const auto size = parse_response_head(copy, bounds, context, head, scanner);
        if (size || size.error() != errc::need_more) {
            FUZZ_REQUIRE(size == whole);
            return;
        }
        if (fed == input.size()) break;
        fed += std::min(cuts.next(40), input.size() - fed);
    }
    FUZZ_REQUIRE(!whole && whole.error() == errc::need_more);
}

void check_forwarding(const response_head& head, const response_context& context)
{
    forward_response response;
    rebuild(head, 1, head.keep_alive, response);
    std::string sent;
    write_response_head(sent, response);
    limits wide;
    response_head again;
    const auto size = parse_response_head(sent, wide, context, again);
    FUZZ_REQUIRE(size && *size == sent.size());
    FUZZ_REQUIRE(again.status == head.status && again.body == head.body && again.content_length == head.content_length);
    FUZZ_REQUIRE(again.has_content_length == head.has_content_length && again.websocket_upgrade == head.websocket_upgrade);
    FUZZ_REQUIRE(again.interim() || again.websocket_upgrade || again.keep_alive == head.keep_alive);
    forward_response second;
    rebuild(again, 1, again.keep_alive, second);
    FUZZ_REQUIRE(second.fields == response.fields);
    std::string sent_again;
    write_response_head(sent_again, second);
    FUZZ_REQUIRE(sent_again == sent);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count)
{
    if (count == 0) return 0;
    const std::string_view methods[] = {"GET", "HEAD", "CONNECT", "POST"};
    const response_context context{methods[bytes[0] % 4], (bytes[0] & 4U) != 0};
    const std::string_view input(reinterpret_cast<const char*>(bytes) + 1, count - 1);
    response_head head;
    const auto size = parse_response_head(input, bounds, context, head);
    FUZZ_REQUIRE(size || size.error() != errc::ambiguous);
    check_splits(input, context, size);
    if (!size) return 0;
    FUZZ_REQUIRE(*size <= input.size() && head.status >= 100 && head.status <= 599);
    FUZZ_REQUIRE(head.body != body_kind::until_close || !head.keep_alive);
    check_forwarding(head, context);
    return 0;
}
