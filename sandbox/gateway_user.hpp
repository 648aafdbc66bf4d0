#pragma once

#include <string>
#include <vector>

namespace cofferdam::sandbox {

/// Paths that a gateway uses after its start. What is not there yet will be made for it.
struct gateway_paths {
    std::vector<std::string> read;   ///< files
    std::vector<std::string> write;  ///< files: logs, its control socket
    std::vector<std::string> change; ///< folders
};

struct gateway_identity {
    std::string user; ///< by name; empty: the process stays who it is
    std::string why;  ///< it stays root although nobody said so
};

/// Whose a gateway is to be after its start: `configured` (by name), if that says somebody; `root` asks it to stay who it is.
/// Else, for a gateway that was started as root and may become another: cofferdam, where there is such a user, or nobody, unless
/// the paths can't be used then. Before there are other threads. Throws launch_error.
gateway_identity gateway_user(const std::string& configured, const gateway_paths& paths);

/// Makes the log at `path` if it is not there, and gives it to `user` (by name; empty: the caller), if it was made by a gateway
/// that was root's or one of its default users'. What is no file of one name is left to the log's own checks. Does nothing unless
/// the caller is root. Throws launch_error.
void make_gateway_log(const std::string& path, const std::string& user);

/// Makes `folder` if it is not there, for `user` (by name; empty: the caller). One that belongs to a default user of gateways is
/// given to it. Throws launch_error.
void make_gateway_folder(const std::string& folder, const std::string& user);

} // namespace cofferdam::sandbox
