#include "core/error.hpp"
#include "http/body.hpp"
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
    out.max_chunk_line = 64;
    out.max_trailer = 256;
    out.max_header_fields = 5;
    return out;
}
const limits bounds = small_limits();

struct outcome {
    error_code error;
    const fault* why = nullptr;
    std::string payload;
    std::size_t consumed = 0;
    bool done = false;
    std::vector<std::pair<std::string, std::string>> trailers;
    friend bool operator==(const outcome&, const outcome&) = default;
};

outcome decode(std::string_view input, body_kind kind, std::uint64_t length, const limits& with, std::size_t longest_piece)
{
    body_decoder decoder(kind, length, with);
    cut_points cuts(static_cast<std::uint8_t>(input.size()));
    outcome out;
    while (out.consumed < input.size() && !decoder.done()) {
        const auto piece = input.substr(out.consumed, longest_piece == 0 ? std::string_view::npos : cuts.next(longest_piece));
        const auto step = decoder.next(piece);
        if (!step) {
            out.error = step.error();
            out.why = decoder.why();
            out.consumed = 0;
            FUZZ_REQUIRE(out.why != nullptr && !decoder.next("0"));
            return out;
        }
        FUZZ_REQUIRE(step->consumed > 0 && step->consumed <= piece.size() && step->done == decoder.done());
        FUZZ_REQUIRE(step->data.empty() ||
                     (step->data.data() >= piece.data() && step->data.data() + step->data.size() <= piece.data() + piece.size()));
        out.payload += step->data;
        out.consumed += step->consumed;
    }
    out.done = decoder.done();
    out.trailers = decoder.trailers();
    return out;
}

/// A complete chunked body, written again from what was decoded, decodes to the same.
void check_round_trip(const outcome& body)
{
    std::string sent;
    if (!body.payload.empty()) {
        write_chunk_header(sent, body.payload.size());
        sent += body.payload;
        sent += chunk_end;
    }
    write_last_chunk(sent, body.trailers);
    const auto again = decode(sent, body_kind::chunked, 0, limits{}, 0);
    FUZZ_REQUIRE(again.done && again.consumed == sent.size() && again.payload == body.payload && again.trailers == body.trailers);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count)
{
    if (count == 0) return 0;
    const body_kind kinds[] = {body_kind::chunked, body_kind::chunked, body_kind::length, body_kind::until_close};
    const auto kind = kinds[bytes[0] % 4];
    const std::uint64_t length = bytes[0] / 4;
    const std::string_view input(reinterpret_cast<const char*>(bytes) + 1, count - 1);
    const auto whole = decode(input, kind, length, bounds, 0);
    FUZZ_REQUIRE(decode(input, kind, length, bounds, 1) == whole);
    FUZZ_REQUIRE(decode(input, kind, length, bounds, 9) == whole);
    FUZZ_REQUIRE(whole.payload.size() <= input.size() && whole.trailers.size() <= bounds.max_header_fields);
    if (kind == body_kind::chunked && whole.done) check_round_trip(whole);
    return 0;
}
