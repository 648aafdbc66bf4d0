#pragma once

#include <string>
#include <vector>

namespace cofferdam::sandbox {

/// Paths that a gateway uses after its start.
struct gateway_paths {
    std::vector<std::string> read;   ///< files
    std::vector<std::string> write;  ///< files: logs
    std::vector<std::string> change; ///< folders
};

/// Who a gateway that was started as root becomes if nobody said: cofferdam, where there is such a user, or nobody.
struct default_user {
    std::string name; ///< empty: it stays who it is
    std::string why;  ///< it stays root
};
default_user find_default_user();

/// Makes the log at `path` if it is not there, and gives it to `user` (by name; empty: the caller), if it was root's or a default
/// user's. What is no file of one name is left to the log's own checks. Does nothing unless the caller is root. Throws
/// launch_error.
void make_gateway_log(const std::string& path, const std::string& user);

/// Makes `folder` if it is not there, for `user` (by name; empty: the caller). One that belongs to a default user of gateways is
/// given to it. Throws launch_error.
void make_gateway_folder(const std::string& folder, const std::string& user);

/// The first path that `user` can't use, empty if there is none. The caller is root, and this is before there are other threads.
/// Throws launch_error.
std::string find_closed(const std::string& user, const gateway_paths& paths);

} // namespace cofferdam::sandbox
