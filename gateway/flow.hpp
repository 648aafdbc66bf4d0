#pragma once

#include "gateway/connection_facts.hpp"
#include "gateway/sniff.hpp"
#include "gateway/worker.hpp"
#include "tls/io/stream.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <string>

namespace cofferdam::http {
struct request_head;
}

namespace cofferdam::gateway {

/// One connection of the job, from accept to close. Owns its sockets and lives on its worker's thread; kept alive by its
/// coroutine. The watchdog closes every registered stream when the deadline passes.
class flow final : public expirable, public std::enable_shared_from_this<flow> {
public:
    flow(worker& w, tcp::socket socket, const ip_endpoint& client);
    ~flow() override;

    asio::awaitable<void> run();
    /// The same for a connection to the explicit proxy: CONNECT, or requests for whole URLs.
    asio::awaitable<void> run_proxied();
    void expire() noexcept override;
    /// From now on streams are relayed, of which nobody knows where they may end: what is too late is reset, not closed.
    void begin_relay() noexcept { relays_ = true; }

    worker& home() noexcept { return worker_; }
    job_context& job() noexcept { return worker_.job(); }
    connection_facts& facts() noexcept { return facts_; }
    tcp::socket& socket() noexcept { return socket_; }
    bool expired() const noexcept { return expired_; }
    /// As arm(), for a wait for the origin: when it passes, only `stream` is closed and the client can still be told.
    void arm_upstream(std::chrono::steady_clock::duration from_now, tls::stream& stream) noexcept;
    bool upstream_expired() const noexcept { return upstream_expired_; }
    void arm(std::chrono::steady_clock::duration from_now) noexcept;

    /// Streams closed at expiry; the slot forgets the stream when it is destroyed.
    class watch {
    public:
        watch(flow& owner, tls::stream& stream) noexcept;
        ~watch();
        watch(const watch&) = delete;
        watch& operator=(const watch&) = delete;

    private:
        flow& owner_;
        std::size_t slot_;
    };

private:
    void prepare_socket();
    asio::awaitable<void> dispatch();
    void refuse_proxied(const policy::decision& verdict, const std::string& detail, const http::request_head& head);
    asio::awaitable<void> run_http();
    asio::awaitable<void> run_http2();
    asio::awaitable<void> serve(sniffed first);
    asio::awaitable<sniffed> first_to_speak(tcp::socket& upstream);
    asio::awaitable<void> run_opaque(bool silent);
    bool refuse_destination();

    worker& worker_;
    tcp::socket socket_;
    connection_facts facts_;
    std::array<tls::stream*, 4> watched_{};
    tls::stream* awaited_ = nullptr; // closed first; one of watched_
    bool expired_ = false;
    bool relays_ = false;
    bool upstream_expired_ = false;
    worker::registration registration_;
};

enum class arrival { redirected, proxied };
/// Takes an accepted connection of that client: starts its flow, or resets it where there are too many already.
void start_flow(worker& w, tcp::socket socket, const ip_endpoint& client, arrival how = arrival::redirected);

/// Records and resets a connection for which that limit left no place.
void refuse_overload(job_context& job, tcp::socket& socket, const ip_endpoint& client, const char* limit);

/// Closes with a TCP reset: the client sees a refusal at once.
void reset_connection(tcp::socket& socket) noexcept;

} // namespace cofferdam::gateway
