#pragma once

#include "gateway/worker.hpp"
#include "tls/io/stream.hpp"

#include <functional>

namespace cofferdam::gateway {

/// A time limit of something smaller than a flow. What it calls runs on the worker's thread, after the watchdog's round, and
/// may outlive this object: let it hold a weak pointer.
class deadline final : public expirable {
public:
    explicit deadline(worker& w) : worker_(w), registration_(w, *this) {}
    void call(std::function<void()> on_expiry) { on_expiry_ = std::move(on_expiry); }
    void expire() noexcept override;

private:
    worker& worker_;
    std::function<void()> on_expiry_;
    worker::registration registration_;
};

/// Closes one stream when its time is over.
class stream_deadline final : public expirable {
public:
    stream_deadline(worker& w, tls::stream& stream) : stream_(stream), registration_(w, *this) {}
    void expire() noexcept override
    {
        expired_ = true;
        stream_.close();
    }
    bool expired() const noexcept { return expired_; }

private:
    tls::stream& stream_;
    bool expired_ = false;
    worker::registration registration_;
};

} // namespace cofferdam::gateway
