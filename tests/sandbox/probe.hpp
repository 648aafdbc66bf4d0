#pragma once

#include <string>
#include <vector>

namespace probe {

using words = std::vector<std::string>;

/// "done" for 0 or more, else "refused ENAME" by errno.
std::string verdict(long result);

// Attempts on kernel interfaces (probe_kernel.cpp). Each returns what to print.
std::string make_socket(const words& arguments);
std::string make_socket_32bit(const words& arguments);
std::string type_on_terminal(const words& arguments);
std::string request_key(const words& arguments);
std::string make_io_uring(const words& arguments);
std::string unlink_from_nested_mounts(const words& arguments);
std::string clone3_with_mounts(const words& arguments);
std::string unshare_flags(const words& arguments);
std::string trace(const words& arguments);
std::string signal_group(const words& arguments);
std::string set_terminal_signal(const words& arguments);
std::string newer_call(const words& arguments);

} // namespace probe
