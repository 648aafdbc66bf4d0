#include "core/text.hpp"
#include "http/dns_over_https.hpp"
#include "tests/http/fuzz_input.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace cofferdam;
using namespace cofferdam::http;

// METHOD SP PATH?QUERY LF TYPE: what is found does not depend on the case of media types, nor on what else is in the query.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count)
{
    const std::string_view input(reinterpret_cast<const char*>(bytes), count);
    const auto line = input.substr(0, input.find('\n'));
    const auto type = line.size() < input.size() ? input.substr(line.size() + 1) : std::string_view();
    const auto target = line.substr(std::min(line.find(' '), line.size()));
    const auto path = target.substr(0, target.find('?'));
    const auto query = path.size() < target.size() ? target.substr(path.size() + 1) : std::string_view();
    const auto method = line.substr(0, line.find(' '));

    const std::vector<field> fields{{"Content-Type", type}};
    const auto found = find_dns_over_https({method, path, query, fields});
    const auto lowered = to_lower(type);
    FUZZ_REQUIRE(find_dns_media_type(type) == find_dns_media_type(lowered));
    FUZZ_REQUIRE(find_dns_media_type(type).empty() || !found.empty());
    const auto longer = "a=b&" + std::string(query) + "&c=d";
    FUZZ_REQUIRE(found.empty() || !find_dns_over_https({method, path, longer, fields}).empty());
    FUZZ_REQUIRE(found.empty() || !find_dns_over_https({method, path, query, fields, true}).empty());
    return 0;
}
