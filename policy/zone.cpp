#include "policy/zone.hpp"

#include <algorithm>
#include <array>
#include <libpsl.h>
#include <string>

namespace cofferdam::policy {
namespace {

constexpr std::array special_use =
    std::to_array<std::string_view>({"test", "example", "invalid", "localhost", "local", "internal", "onion", "alt"});

// On the Public Suffix List to keep cookies apart, but nobody else can register a name below.
constexpr std::array operated_by_one = std::to_array<std::string_view>({"githubusercontent.com"});

const psl_ctx_t& suffix_list()
{
    return *psl_builtin();
}

} // namespace

std::optional<std::string_view> registrable_domain(std::string_view name)
{
    const std::string terminated(name);
    const char* domain = psl_registrable_domain(&suffix_list(), terminated.c_str());
    if (domain == nullptr) return std::nullopt;
    return name.substr(static_cast<std::size_t>(domain - terminated.c_str()));
}

bool is_shared_suffix(std::string_view name)
{
    if (std::find(operated_by_one.begin(), operated_by_one.end(), name) != operated_by_one.end()) return false;
    if (name.find('.') == std::string_view::npos) {
        return std::find(special_use.begin(), special_use.end(), name) == special_use.end();
    }
    const std::string terminated(name);
    return psl_is_public_suffix2(&suffix_list(), terminated.c_str(), PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE) != 0;
}

} // namespace cofferdam::policy
