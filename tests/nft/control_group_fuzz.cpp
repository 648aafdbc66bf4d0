#include "nft/control_group.hpp"

#include <cstdlib>

using namespace cofferdam;

/// Whatever the text: no exception; a path that is taken is canonical and within its limits, a mount lies in its namespace.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size)
{
    const auto text = as_text(byte_view(input, size));
    if (const auto path = nft::parse_control_group_path(text)) {
        const bool canonical = nft::parse_control_group_path(*path) == path && path->starts_with('/');
        if (!canonical || path->find("/../") != path->npos || nft::depth_of(*path) > nft::control_group_depth_limit) std::abort();
    }
    const auto mount = nft::find_control_group_mount(text);
    if (mount && (!mount->root.starts_with('/') || mount->root.starts_with("/.."))) std::abort();
    return 0;
}
