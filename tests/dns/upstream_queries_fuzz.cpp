#include "dns/upstream_queries.hpp"

#include <algorithm>
#include <cstdlib>

using namespace cofferdam;
using namespace cofferdam::dns;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

} // namespace

// The input is a script: ask, let time pass, lose a server, or hand in a datagram (raw, or the last query with octets changed).
// Every query that was begun ends exactly once.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    using queries = upstream_queries;
    settings how;
    how.max_in_flight = 4;
    std::uint16_t id = 0;
    queries core(how, 2, 2, [&id] { return ++id; });
    queries::clock::time_point now{std::chrono::hours(1)};
    std::size_t begun = 0, ended = 0;
    std::vector<std::uint8_t> last;
    std::vector<queries::action> todo;
    const auto settle = [&] {
        for (std::size_t i = 0; i < todo.size(); ++i) {
            if (const auto* next = std::get_if<queries::attempt>(&todo[i]))
                last = core.datagram(*next, next->server, now);
            else
                ++ended;
        }
        todo.clear();
    };
    byte_view left(bytes, size);
    while (left.size() >= 2) {
        const unsigned what = left[0] % 5, argument = left[1];
        left = left.subspan(2);
        if (what == 0) {
            const auto label = std::string(1, static_cast<char>('a' + argument % 4)) + ".example";
            if (const auto first = core.ask({name::parse(label).value(), rr::a}, now)) {
                ++begun;
                todo.push_back(*first);
            }
        }
        if (what == 1) {
            now += std::chrono::milliseconds(argument * 20);
            todo = core.expire(now);
        }
        if (what == 2) todo = core.on_unreachable(argument % 2, now);
        if (what >= 3) {
            const auto length = std::min<std::size_t>(argument, left.size());
            std::vector<std::uint8_t> datagram(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(length));
            left = left.subspan(length);
            if (what == 4) {
                auto forged = last;
                for (std::size_t i = 0; i < std::min(forged.size(), datagram.size()); ++i) forged[i] ^= datagram[i];
                datagram = std::move(forged);
            }
            if (const auto next = core.on_datagram(argument % 2, datagram, now)) todo.push_back(*next);
        }
        settle();
        require(core.in_flight() == begun - ended && core.in_flight_on(0) + core.in_flight_on(1) == core.in_flight());
    }
    require(core.abandon().size() == begun - ended && core.in_flight() == 0);
    return 0;
}
