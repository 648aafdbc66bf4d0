#include "gateway/accept.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/asio_endpoint.hpp"
#include "gateway/job_context.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>

namespace cofferdam::gateway {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds accept_pause{20}; // after EMFILE, ENOBUFS: nothing spins

} // namespace

asio::awaitable<void> accept_each(job_context& job, std::shared_ptr<tcp::acceptor> acceptor, accepted_handler take)
{
    while (acceptor->is_open()) {
        tcp::endpoint peer;
        auto [ec, socket] = co_await acceptor->async_accept(peer, use_tuple);
        if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) co_return;
        if (ec) {
            asio::steady_timer pause(acceptor->get_executor(), accept_pause);
            co_await pause.async_wait(use_tuple);
            continue;
        }
        try {
            take(std::move(socket), from_asio(peer));
        }
        catch (const std::exception& e) {
            job.count_internal_error(e.what());
        }
    }
}

std::shared_ptr<tcp::acceptor> make_acceptor(asio::io_context& context, int descriptor)
{
    auto acceptor = std::make_shared<tcp::acceptor>(context);
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    const bool v6 = ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &size) == 0 && name.ss_family == AF_INET6;
    acceptor->assign(v6 ? tcp::v6() : tcp::v4(), descriptor);
    acceptor->non_blocking(true);
    return acceptor;
}

} // namespace cofferdam::gateway
