#include "gateway/deadline.hpp"

#include <boost/asio/post.hpp>

namespace cofferdam::gateway {

void deadline::expire() noexcept
{
    asio::post(worker_.context(), on_expiry_);
}

} // namespace cofferdam::gateway
