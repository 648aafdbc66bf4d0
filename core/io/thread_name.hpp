#pragma once

#include <algorithm>
#include <pthread.h>
#include <string>

namespace cofferdam {

/// Names the calling thread for top, perf and debuggers (pthread_setname_np(3)); what is longer than 15 octets is cut.
inline void name_this_thread(std::string name) noexcept
{
    name.resize(std::min<std::size_t>(name.size(), 15));
    ::pthread_setname_np(::pthread_self(), name.c_str());
}

} // namespace cofferdam
