#pragma once

#include "nft/io/sealed_network.hpp"

namespace cofferdam::nft {

/// The sockets of a sealed network, made one by one. Throws sealed_network_error with what it was about to do.
class sealed_sockets {
public:
    explicit sealed_sockets(const sealed_network_options& options) : options_(options) {}

    descriptor stream_listener(const ip_address& address, std::uint16_t port, bool shared) const;
    descriptor name_socket(const ip_address& address) const;
    descriptor relay_socket(std::uint16_t port, bool v6) const;
    descriptor log_socket() const;
    descriptor diagnostics_socket() const;
    descriptor queue_socket(std::uint16_t number) const;
    descriptor answer_socket(bool v6) const;
    /// All of them; the options' rules are those that were loaded.
    sealed_descriptors make() const;

private:
    const sealed_network_options& options_;
};

[[noreturn]] void throw_sealed(const error_code& ec, const std::string& what);

} // namespace cofferdam::nft
