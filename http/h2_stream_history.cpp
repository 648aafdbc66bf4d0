#include "http/h2_stream_history.hpp"

#include <algorithm>

namespace cofferdam::http {
namespace {

constexpr std::size_t max_gaps = 32;
constexpr std::size_t max_ended = 128;

template <class Entries>
void trim(Entries& entries, std::size_t bound)
{
    if (entries.size() > bound) entries.pop_front();
}

} // namespace

void h2_stream_history::open(stream_id id)
{
    if (id > last_ + 2) gaps_.emplace_back(last_ + 2, id - 2);
    trim(gaps_, max_gaps);
    last_ = id;
}

void h2_stream_history::end(stream_id id)
{
    ended_.push_back(id);
    trim(ended_, max_ended);
}

std::optional<h2_stream_history::fault> h2_stream_history::check(stream_id id) const noexcept
{
    if (is_new(id)) return std::nullopt;
    const auto covers = [id](const auto& gap) { return gap.first <= id && id <= gap.second; };
    if (std::any_of(gaps_.begin(), gaps_.end(), covers)) return fault::passed_over;
    if (std::find(ended_.rbegin(), ended_.rend(), id) != ended_.rend()) return fault::ended;
    return std::nullopt;
}

} // namespace cofferdam::http
