// The attacker in a job: PROBE VERB ARGUMENT... tries one thing and prints what came of it.

#include "probe.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace probe {
namespace {

std::string connect_unix(const words& arguments)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, arguments.at(0).c_str(), sizeof address.sun_path - 1);
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0'; // abstract; the name fills the address
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return verdict(::connect(fd, static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address));
}

std::string connect_inet(const words& arguments)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(443);
    ::inet_pton(AF_INET, arguments.at(0).c_str(), &address.sin_addr);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return verdict(::connect(fd, static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address));
}

std::string list_descriptors(const words&)
{
    std::vector<int> found;
    auto* directory = ::opendir("/proc/self/fd");
    while (const auto* entry = ::readdir(directory)) {
        const int fd = std::atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != ::dirfd(directory)) found.push_back(fd);
    }
    ::closedir(directory);
    std::sort(found.begin(), found.end());
    std::string text;
    for (const int fd : found) text += (text.empty() ? "" : " ") + std::to_string(fd);
    return text;
}

std::string open_to_write(const words& arguments)
{
    return verdict(::open(arguments.at(0).c_str(), O_WRONLY | O_CLOEXEC));
}

std::string open_to_read(const words& arguments)
{
    const int fd = ::open(arguments.at(0).c_str(), O_RDONLY | O_CLOEXEC);
    char byte = 0;
    return verdict(fd < 0 ? fd : ::read(fd, &byte, 1));
}

std::string truncate_file(const words& arguments)
{
    return verdict(::truncate(arguments.at(0).c_str(), 0));
}
std::string unlink_file(const words& arguments)
{
    return verdict(::unlink(arguments.at(0).c_str()));
}
std::string change_mode(const words& arguments)
{
    return verdict(::chmod(arguments.at(0).c_str(), 0666));
}

std::string rename_file(const words& arguments)
{
    return verdict(::rename(arguments.at(0).c_str(), arguments.at(1).c_str()));
}

std::string link_file(const words& arguments)
{
    return verdict(::linkat(AT_FDCWD, arguments.at(0).c_str(), AT_FDCWD, arguments.at(1).c_str(), AT_SYMLINK_FOLLOW));
}

/// Opens for reading, which is allowed, and reopens the descriptor for writing.
std::string reopen(const words& arguments)
{
    const int fd = ::open(arguments.at(0).c_str(), O_RDONLY | O_CLOEXEC);
    return verdict(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_WRONLY | O_CLOEXEC));
}

std::string link_descriptor(const words& arguments)
{
    const int fd = ::open(arguments.at(0).c_str(), O_RDONLY | O_CLOEXEC);
    return verdict(::linkat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(fd)).c_str(), AT_FDCWD, arguments.at(1).c_str(),
                            AT_SYMLINK_FOLLOW));
}

std::string make_device(const words& arguments)
{
    return verdict(::mknod(arguments.at(0).c_str(), S_IFBLK | 0600, static_cast<dev_t>(std::atoi(arguments.at(1).c_str()))));
}

std::string make_raw_socket(const words&)
{
    return verdict(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

std::string write_text(const words& arguments)
{
    const int fd = ::open(arguments.at(0).c_str(), O_WRONLY | O_CLOEXEC);
    return verdict(fd < 0 ? fd : ::write(fd, arguments.at(1).data(), arguments.at(1).size()));
}

} // namespace

std::string verdict(long result)
{
    return result >= 0 ? "done" : std::string("refused ") + ::strerrorname_np(errno);
}

} // namespace probe

int main(int count, char** values)
{
    using namespace probe;
    static const std::map<std::string, std::string (*)(const words&)> verbs{{"connect-unix", connect_unix},
                                                                            {"connect-inet", connect_inet},
                                                                            {"descriptors", list_descriptors},
                                                                            {"write", open_to_write},
                                                                            {"read", open_to_read},
                                                                            {"truncate", truncate_file},
                                                                            {"unlink", unlink_file},
                                                                            {"chmod", change_mode},
                                                                            {"rename", rename_file},
                                                                            {"link", link_file},
                                                                            {"reopen", reopen},
                                                                            {"link-descriptor", link_descriptor},
                                                                            {"mknod", make_device},
                                                                            {"write-text", write_text},
                                                                            {"socket", make_socket},
                                                                            {"socket-32bit", make_socket_32bit},
                                                                            {"type", type_on_terminal},
                                                                            {"request-key", request_key},
                                                                            {"io-uring", make_io_uring},
                                                                            {"unlink-nested", unlink_from_nested_mounts},
                                                                            {"clone3", clone3_with_mounts},
                                                                            {"unshare", unshare_flags},
                                                                            {"trace", trace},
                                                                            {"signal-group", signal_group},
                                                                            {"setsig", set_terminal_signal},
                                                                            {"newer-call", newer_call},
                                                                            {"raw-socket", make_raw_socket}};
    const words given(values + 1, values + count);
    const auto verb = given.empty() ? verbs.end() : verbs.find(given[0]);
    if (verb == verbs.end()) return 64;
    std::puts(verb->second(words(given.begin() + 1, given.end())).c_str());
    std::fflush(stdout);
    ::_exit(0); // where the probe has gone, a sanitizer's last look at /proc fails
}
