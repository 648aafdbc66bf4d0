#include "config/ecosystems.hpp"

#include "config/ecosystem_readers.hpp"

#include <array>

namespace cofferdam::config {
namespace {

template <std::vector<policy::entry_source> (*Read)(const surroundings&)>
std::vector<policy::entry_source> read_now(const std::vector<std::string>& extra_roots)
{
    auto here = surroundings::current();
    here.extra_roots = extra_roots;
    return Read(here);
}

constexpr std::array<ecosystem, 6> all{{
    {"apt", read_now<read_apt>},
    {"cargo", read_now<read_cargo>},
    {"go", read_now<read_go>},
    {"maven", read_now<read_maven>},
    {"npm", read_now<read_npm>},
    {"pip", read_now<read_pip>},
}};

} // namespace

std::span<const ecosystem> ecosystems() noexcept
{
    return all;
}

} // namespace cofferdam::config
