#include "sandbox/listing.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace cofferdam::sandbox;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text(static_cast<const char*>(static_cast<const void*>(data)), size);
    const auto table = parse_mountinfo(text);
    for (const auto& entry : table) {
        require(entry.point[0] == '/' && !entry.type.empty());
        for (const auto& alias : aliases_of(entry.point, entry, table)) require(alias != entry.point);
    }
    for (const auto& path : parse_unix_sockets(text)) {
        require(path[0] == '/' && path.find('\n') == std::string::npos && text.find(path) != std::string_view::npos);
    }
    const auto map = identity_map(text);
    require(identity_map(map) == map);
    return 0;
}
