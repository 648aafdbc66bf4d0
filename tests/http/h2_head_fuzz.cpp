#include "http/h2_head.hpp"
#include "tests/http/fuzz_input.hpp"

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

/// "name=value" lines, with any octet but the separators in them.
field_list split_fields(std::string_view input)
{
    field_list out;
    while (!input.empty()) {
        const auto end = input.find('\x01');
        const auto line = input.substr(0, end);
        const auto middle = line.find('=');
        out.emplace_back(line.substr(0, middle), middle == std::string_view::npos ? "" : line.substr(middle + 1));
        input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
    }
    return out;
}

void check_clean(const field_list& fields)
{
    for (const auto& [name, value] : fields) {
        FUZZ_REQUIRE(name.find_first_of(std::string_view("\r\n\0 ABCXYZ", 10)) == std::string::npos && !name.empty());
        FUZZ_REQUIRE(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
        FUZZ_REQUIRE(name != "connection" && name != "transfer-encoding" && name != "upgrade" && name != "keep-alive");
    }
}

void check_request(const field_list& fields, bool ends)
{
    std::string bytes;
    request_head head;
    if (read_h2_request(fields, ends, bounds, bytes, head) || head.form == target_form::authority) return;
    FUZZ_REQUIRE(head.origin_target.starts_with('/') || head.origin_target == "*");
    FUZZ_REQUIRE(!head.host.empty() && head.fields.size() <= bounds.max_header_fields);
    FUZZ_REQUIRE(head.host.find_first_of("@/\r\n ,") == std::string_view::npos);
    forward_request out;
    rebuild(head, out);
    const auto sent = write_h2_request(out, head.scheme, false);
    check_clean(sent);
    // What is sent is read as what was judged.
    std::string again_bytes;
    request_head again;
    FUZZ_REQUIRE(read_h2_request(sent, ends, bounds, again_bytes, again) == nullptr);
    FUZZ_REQUIRE(again.method == head.method && again.origin_target == head.origin_target && again.host == head.host);
    FUZZ_REQUIRE(again.body == head.body && again.content_length == head.content_length);
    FUZZ_REQUIRE(again.websocket_upgrade == head.websocket_upgrade);
    // And can be said in HTTP/1.1: the writer aborts on a line that was not meant.
    std::string text;
    write_request_head(text, out);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0) return 0;
    const bool ends = (data[0] & 1U) != 0;
    const auto fields = split_fields({reinterpret_cast<const char*>(data) + 1, size - 1});
    check_request(fields, ends);
    std::string bytes;
    response_head answer;
    if (!read_h2_response(fields, ends, (data[0] & 2U) != 0 ? "HEAD" : "GET", bounds, bytes, answer)) {
        FUZZ_REQUIRE(answer.status >= 100 && answer.status <= 599 && answer.status != 101);
        forward_response out;
        rebuild(answer, 1, true, out);
        check_clean(write_h2_response(out));
    }
    field_list trailers;
    if (!read_h2_trailers(fields, bounds, trailers)) check_clean(trailers);
    return 0;
}
