#pragma once

#include <unistd.h>
#include <utility>

namespace cofferdam::nft {

/// Owns a file descriptor and closes it. -1: none.
class descriptor {
public:
    descriptor() noexcept = default;
    explicit descriptor(int number) noexcept : number_(number) {}
    descriptor(descriptor&& other) noexcept : number_(other.release()) {}
    descriptor& operator=(descriptor&& other) noexcept
    {
        reset(other.release());
        return *this;
    }
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() { reset(); }

    int number() const noexcept { return number_; }
    explicit operator bool() const noexcept { return number_ >= 0; }
    int release() noexcept { return std::exchange(number_, -1); } ///< the caller closes it from now on
    void reset(int number = -1) noexcept
    {
        const int old = std::exchange(number_, number);
        if (old >= 0) ::close(old);
    }

private:
    int number_ = -1;
};

} // namespace cofferdam::nft
