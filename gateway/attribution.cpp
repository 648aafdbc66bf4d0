#include "gateway/attribution.hpp"

#include "core/io/coroutine.hpp"
#include "core/io/thread_name.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace cofferdam::gateway {
namespace {

namespace asio = boost::asio;
constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t max_queue = 4096;
constexpr std::chrono::milliseconds patience{250};

struct pending {
    explicit pending(asio::io_context& context) : event(context, patience) {}
    asio::steady_timer event;
    found_process found;
    bool done = false;
};

} // namespace

attribution::attribution(nft::descriptor diagnostics, nft::process_finder_options options)
    : diagnostics_(std::move(diagnostics)), finder_(diagnostics_.number(), std::move(options)), thread_([this] { run(); })
{
}

attribution::~attribution()
{
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

asio::awaitable<found_process> attribution::find(asio::io_context& context, std::uint8_t transport, ip_endpoint client,
                                                 ip_endpoint dialled)
{
    auto state = std::make_shared<pending>(context);
    // The answer may come after the wait was given up, or after the context was stopped: the state is shared, the post harmless.
    auto answer = [state, &context](found_process found) {
        auto deliver = [state, found = std::move(found)] {
            state->found = found;
            state->done = true;
            state->event.cancel();
        };
        asio::post(context, std::move(deliver));
    };
    {
        const std::lock_guard lock(mutex_);
        if (queue_.size() >= max_queue) co_return nullptr;
        queue_.push_back(question{transport, client, dialled, std::move(answer)});
    }
    wake_.notify_one();
    co_await state->event.async_wait(use_tuple);
    co_return state->found;
}

void attribution::run()
{
    name_this_thread("attribution");
    for (;;) {
        question next;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (stopping_) return;
            next = std::move(queue_.front());
            queue_.pop_front();
        }
        next.answer(finder_.find(next.transport, next.client, next.dialled));
    }
}

} // namespace cofferdam::gateway
