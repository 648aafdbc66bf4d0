#include "gateway/spawn.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/job_context.hpp"

#include <exception>

namespace cofferdam::gateway {

namespace {

struct task_end {
    job_context& job;
    ~task_end() { job.leave_task(); }
};

} // namespace

void spawn_counted(boost::asio::io_context& context, job_context& job, boost::asio::awaitable<void> task)
{
    job.enter_task();
    boost::asio::co_spawn(context, std::move(task), [&job](std::exception_ptr failure) {
        const task_end end{job};
        if (!failure) return;
        try {
            std::rethrow_exception(failure);
        }
        catch (const std::exception& e) {
            job.count_internal_error(e.what());
        }
        catch (...) {
            job.count_internal_error("unknown exception");
        }
    });
}

} // namespace cofferdam::gateway
