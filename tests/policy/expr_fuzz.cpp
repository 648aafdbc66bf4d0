// Properties: an expression compiles or throws syntax_error inside its text; a definite verdict at an earlier stage is the
// verdict at the last one (for what is known), and `not` turns it round.
#include "policy/expr.hpp"

#include <cstdlib>

using namespace cofferdam::policy;
using namespace cofferdam::policy::expr;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

const header_list headers{{"accept", "*/*"}, {"x", "1"}, {"x", "2"}};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string text(reinterpret_cast<const char*>(bytes), size);
    try {
        const auto compiled = expression::compile(text);
        const connection_attempt attempt{
            .app = application::tls, .host = "a.b.example", .destination = {{}, 443}, .sni = "a.b.example"};
        const http_request request{.method = "POST",
                                   .scheme = "https",
                                   .host = "a.b.example",
                                   .port = 443,
                                   .path = "/v1/x",
                                   .query = "q",
                                   .headers = &headers,
                                   .sni = "a.b.example"};
        const fields at_connection(attempt);
        const fields at_request(request);
        const auto early = compiled.evaluate(at_connection);
        const auto last = compiled.evaluate(at_request);
        require(last == truth::yes || last == truth::no || last == truth::error);
        require((static_cast<unsigned>(early) & static_cast<unsigned>(last)) != 0); // `last` is one of the outcomes foreseen
        require(negate(negate(last)) == last);
    }
    catch (const syntax_error& wrong) {
        require(wrong.offset <= size);
    }
    return 0;
}
