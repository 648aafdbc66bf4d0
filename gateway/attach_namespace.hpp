#pragma once

#include "nft/io/attached_network.hpp"

#include <functional>
#include <string>

namespace cofferdam::gateway {

/// How a network namespace is named on the command line: exactly one of them.
struct namespace_request {
    int pid = 0;           ///< of a process in it
    std::string path;      ///< of a file that stands for it, such as /run/netns/NAME
    std::string container; ///< id of a container, of which at least one process runs
};

/// "pid:123", "netns:PATH", "container:ID": as lists and records call it.
std::string to_string(const namespace_request& request);

/// A network namespace that this process is not in. What is done in it, is done by a thread that enters it.
class target_namespace {
public:
    /// Throws std::runtime_error: there is none, it is the caller's own, or may not be looked at.
    explicit target_namespace(const namespace_request& request);

    /// The sockets of a gateway; nothing is changed. Throws nft::sealed_network_error, std::runtime_error: it has a gateway, or
    /// may not be entered.
    nft::attached_sockets open_sockets() const;
    /// See nft::unplug_interfaces().
    void unplug() const;

private:
    void inside(const std::function<void()>& what) const;

    nft::descriptor file_;
};

} // namespace cofferdam::gateway
