#include "gateway/queue_threads.hpp"

#include "core/io/thread_name.hpp"

namespace cofferdam::gateway {

queue_threads::queue_threads(std::vector<nft::descriptor> queues, std::uint16_t first, std::uint32_t copy_range,
                             const calls_of& calls)
{
    for (auto& each : queues) {
        const std::size_t n = readers_.size();
        const auto number = static_cast<std::uint16_t>(first + n);
        readers_.push_back(std::make_unique<nft::queue_reader>(std::move(each), number, copy_range, calls(n)));
    }
}

queue_threads::~queue_threads()
{
    stop();
}

void queue_threads::start()
{
    for (auto& each : readers_) {
        threads_.emplace_back([&reader = *each] {
            name_this_thread("queue");
            reader.run();
        });
    }
}

void queue_threads::stop()
{
    for (auto& each : readers_) each->stop();
    for (auto& each : threads_) each.join();
    threads_.clear();
}

} // namespace cofferdam::gateway
