#pragma once

#include "gateway/job_table.hpp"
#include "gateway/queue_threads.hpp"
#include "nft/io/capture.hpp"
#include "nft/io/flow_marks.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <vector>

namespace cofferdam::dns {
class shared_datagrams;
}

namespace cofferdam::gateway {

/// Sends answers in the names of the servers that were asked, in this network namespace. Thread-safe.
class answer_sender {
public:
    answer_sender(nft::descriptor v4, nft::descriptor v6) : v4_(std::move(v4)), v6_(std::move(v6)) {}
    void send(byte_view packet, const ip_address& destination) const;

private:
    nft::descriptor v4_, v6_;
};

struct entrance_sockets {
    nft::capture_sockets captured;
    std::vector<nft::descriptor> proxies; ///< listeners of the explicit proxy, one for each loop; none: there is no proxy
    std::vector<nft::flow_marks> flows;   ///< one for each loop; none: control groups tell no clients apart
};

/// Where captured traffic comes in, and is given to the job of its source, as are connections to the explicit proxy: on every
/// loop, DNS and refused packets on the first, queued datagrams on threads of their own.
class entrance {
public:
    /// `sockets.captured.answers_*` are the caller's; so is the log where it is empty. Of listeners there is a place for each
    /// loop, which may be empty. `jobs` outlives the entrance, and the entrance the loops; stop() comes before either ends.
    entrance(job_table& jobs, const event_loops& loops, entrance_sockets sockets, std::uint16_t first_queue);
    ~entrance(); ///< stop()
    entrance(const entrance&) = delete;
    entrance& operator=(const entrance&) = delete;

    /// The loops run.
    void start();
    /// Whether clients can be told apart by their control groups.
    bool knows_groups() const noexcept { return knows_groups_; }
    /// Nothing more comes in; what is queued is dropped. Not on a loop's thread.
    void stop();

private:
    void accept_streams(std::size_t loop, nft::descriptor listener);
    void accept_proxied(std::size_t loop, nft::descriptor listener);
    void accept_names(nft::descriptor listener);
    void serve_names(nft::descriptor socket);
    void admit(std::size_t loop, boost::asio::ip::tcp::socket socket, const ip_endpoint& client);
    shared_job owner_of(std::size_t loop, boost::asio::ip::tcp::socket& socket, const ip_endpoint& client);
    nft::queue_calls queue_calls();
    void close(std::size_t loop);
    void keep(std::size_t loop, std::shared_ptr<boost::asio::ip::tcp::acceptor> acceptor);
    job_context& own() { return jobs_.fallback()->engine->context(); }

    job_table& jobs_;
    const event_loops& loops_;
    std::vector<nft::flow_marks> flows_;
    std::vector<std::pair<std::size_t, std::shared_ptr<boost::asio::ip::tcp::acceptor>>> acceptors_; // and whose loop
    std::vector<std::unique_ptr<dns::shared_datagrams>> names_;
    queue_threads queries_;
    bool knows_groups_, stopped_ = false;
};

} // namespace cofferdam::gateway
