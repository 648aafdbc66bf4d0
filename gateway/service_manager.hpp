#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace cofferdam::gateway {

/// Tells systemd (or whoever set NOTIFY_SOCKET) one state, "READY=1" for instance: sd_notify(3). Nothing happens without one.
void notify_service_manager(const std::string& state) noexcept;

/// How often WATCHDOG=1 is expected of this process, by WATCHDOG_USEC and WATCHDOG_PID; nothing if it is not.
std::optional<std::chrono::microseconds> watchdog_interval();

} // namespace cofferdam::gateway
