// Properties: canonical_name is idempotent and in bounds, never an address; hosts and authorities survive a round trip.
#include "policy/name.hpp"

#include <cstdlib>

using namespace cofferdam;
using namespace cofferdam::policy;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const auto text = as_text({bytes, size});
    if (const auto name = canonical_name(text)) {
        require(!name->empty() && name->size() <= max_name_length);
        require(name->find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string::npos);
        require(!ip_address::parse(*name).has_value());
        const auto again = canonical_name(*name);
        require(again && *again == *name);
        const auto with_dot = canonical_name(*name + ".");
        require(with_dot && *with_dot == *name);
    }
    if (const auto parsed = parse_host(text)) {
        const auto again = parse_host(bracketed(parsed->to_string()));
        require(again && *again == *parsed);
    }
    if (const auto parsed = parse_authority(text)) {
        require(parsed->port != 0);
        const auto again = parse_authority(join_host_port(parsed->where.to_string(), parsed->port.value_or(1)));
        require(again && again->where == parsed->where);
    }
    return 0;
}
