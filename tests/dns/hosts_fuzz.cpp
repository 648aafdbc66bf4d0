#include "dns/hosts.hpp"
#include "dns/name.hpp"

#include <cstdlib>

using namespace cofferdam;
using namespace cofferdam::dns;

// Every name that comes out is canonical and has an address, whatever the file holds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    for (const auto& [text, addresses] : parse_hosts(as_text({bytes, size}))) {
        const auto canonical = name::parse(text);
        if (!canonical || canonical->text() != text || addresses.empty()) std::abort();
    }
    return 0;
}
