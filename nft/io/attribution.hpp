#pragma once

#include "core/identity.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cofferdam::nft {

inline constexpr std::size_t recent_process_limit = 16;    ///< asked first
inline constexpr std::size_t scanned_process_limit = 4096; ///< of one search
inline constexpr std::size_t cmdline_limit = 4096;         ///< bytes kept of /proc/PID/cmdline
inline constexpr std::size_t argument_limit = 64;          ///< arguments kept

struct process_finder_options {
    std::string proc = "/proc"; ///< a procfs of the PID namespace whose numbers are wanted
    std::optional<std::uint64_t>
        pid_namespace;                ///< inode of the job's PID namespace (stat of /proc/PID/ns/pid): only its processes
    std::optional<std::uint32_t> uid; ///< only processes whose files belong to this user (outside numbers)
};

/// Finds whose socket a flow is: sock_diag gives the inode, /proc/PID/fd the process. Looks at processes that were found before
/// first, so a busy client costs the listing of one process. Blocking (tens of microseconds to milliseconds) and not
/// thread-safe: it lives on a thread of its own.
class process_finder {
public:
    /// `diagnostics`: a NETLINK_SOCK_DIAG socket of the job's network namespace, borrowed for the finder's lifetime.
    process_finder(int diagnostics, process_finder_options options);

    /// `transport`: IANA number of TCP, UDP or UDP-Lite. `client` and `dialled`: the ends as the client's own socket has them.
    /// Null if the socket is gone, belongs to nobody, or its process may not be looked at.
    std::shared_ptr<const process_identity> find(std::uint8_t transport, const ip_endpoint& client, const ip_endpoint& dialled);

private:
    std::optional<std::uint32_t> inode_of(std::uint8_t transport, const ip_endpoint& client, const ip_endpoint& dialled);
    bool is_eligible(const std::string& pid) const;
    std::shared_ptr<const process_identity> remember(std::int64_t pid);
    std::int64_t search_all(const std::string& link) const;

    int diagnostics_;
    process_finder_options options_;
    std::uint32_t sequence_ = 0;
    std::vector<std::shared_ptr<const process_identity>> recent_; // most recent first
};

} // namespace cofferdam::nft
