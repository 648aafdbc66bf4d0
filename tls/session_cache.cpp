#include "tls/session_cache.hpp"

#include <algorithm>
#include <ctime>

namespace cofferdam::tls {

session_cache::session_cache(std::size_t capacity, std::chrono::seconds lifetime) : capacity_(capacity), lifetime_(lifetime) {}

void session_cache::put(std::string_view name, ssl_session_ptr session)
{
    if (capacity_ == 0 || !session || SSL_SESSION_is_resumable(session.get()) == 0) return;
    const std::lock_guard lock(mutex_);
    recent_.push_front({std::string(name), std::move(session)});
    try {
        index_.emplace(recent_.front().name, recent_.begin());
    }
    catch (...) {
        recent_.pop_front();
        throw;
    }
    if (recent_.size() > capacity_) erase(std::prev(recent_.end()));
}

ssl_session_ptr session_cache::take(std::string_view name)
{
    const std::lock_guard lock(mutex_);
    for (;;) {
        const auto found = index_.find(name);
        if (found == index_.end()) return nullptr;
        const auto which = found->second;
        if (expired(*which->session)) {
            erase(which);
            continue;
        }
        if (SSL_SESSION_get_protocol_version(which->session.get()) >= TLS1_3_VERSION) {
            auto out = std::move(which->session);
            erase(which);
            return out;
        }
        SSL_SESSION_up_ref(which->session.get());
        return ssl_session_ptr(which->session.get());
    }
}

std::size_t session_cache::size() const
{
    const std::lock_guard lock(mutex_);
    return recent_.size();
}

void session_cache::erase(place which)
{
    const auto [begin, end] = index_.equal_range(which->name);
    index_.erase(std::find_if(begin, end, [&](const auto& each) { return each.second == which; }));
    recent_.erase(which);
}

bool session_cache::expired(const SSL_SESSION& session) const noexcept
{
    const auto age = std::time(nullptr) - SSL_SESSION_get_time(&session);
    return age < 0 || age >= std::min<long>(lifetime_.count(), SSL_SESSION_get_timeout(&session));
}

} // namespace cofferdam::tls
