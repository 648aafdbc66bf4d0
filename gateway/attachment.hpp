#pragma once

#include "gateway/entrance.hpp"
#include "gateway/ruleset_keeper.hpp"
#include "nft/io/attached_network.hpp"

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace cofferdam::gateway {

/// A network namespace that the gateway is not in, and whose traffic is one job's. The ruleset in it is kept while this is open,
/// and stays when it is closed: without a gateway everything is refused there. Its connections are served on one loop. Lives on
/// the main thread.
class attachment {
public:
    /// `sockets`: of nft::assemble_attached(). `name`: what the caller calls the namespace.
    attachment(nft::attached_sockets sockets, std::string name);
    ~attachment(); ///< close()
    attachment(const attachment&) = delete;
    attachment& operator=(const attachment&) = delete;

    const std::string& name() const noexcept { return name_; }
    /// See nft::network_of().
    std::uint64_t network() const noexcept { return network_; }
    /// Sends in the namespace. May outlive this.
    packet_sender sender() const;

    /// Where the other parts of the gateway are.
    struct surroundings {
        const event_loops& loops;         ///< they run
        boost::asio::io_context& keeping; ///< whose thread keeps rulesets
        std::chrono::milliseconds ruleset_check;
        std::function<void(std::string)> alert;
    };
    /// From now on all that leaves the namespace is the job's, or is refused. Throws nft::sealed_network_error,
    /// std::system_error; close() then.
    void open(shared_job job, surroundings around);
    /// Nothing more comes in. What was accepted is still the job's, which this must outlive, as long as it has tasks.
    void close();

private:
    void close_log();

    std::string name_;
    std::uint64_t network_;
    nft::attached_sockets sockets_;
    std::shared_ptr<answer_sender> answers_;
    std::shared_ptr<ruleset_keeper> keeper_;
    boost::asio::io_context* keeping_ = nullptr;
    const event_loops* loops_ = nullptr;
    std::unique_ptr<job_table> jobs_;
    std::unique_ptr<entrance> entrance_;
    std::function<void()> end_log_; // on the first loop
};

} // namespace cofferdam::gateway
