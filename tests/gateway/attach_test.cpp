#include "core/error.hpp"
#include "gateway/attach_namespace.hpp"
#include "gateway/container_process.hpp"
#include "gateway/descriptor_message.hpp"

#include <array>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace cofferdam;
using namespace cofferdam::gateway;

namespace {

const std::string one = "3f1c09aa12de" + std::string(52, '0');
const std::string other = "3f1c09aa12de" + std::string(52, '1');

/// The id of the container, or nothing.
std::string id_in(const std::string& cgroups, const std::string& id)
{
    const auto found = container_of(cgroups, id);
    return found ? found->id : "";
}

TEST(container_of, finds_the_id_wherever_an_engine_puts_it)
{
    for (const auto& path :
         {"0::/system.slice/docker-" + one + ".scope\n", "0::/docker/" + one + "\n",
          "1:name=systemd:/\n12:pids:/kubepods/burstable/pod9b1c2d3e-aaaa/cri-containerd-" + one + ".scope\n0::/\n",
          "0::/machine.slice/libpod-" + one + ".scope/container"})
        for (const auto& id : {one, one.substr(0, 12), one.substr(0, 40)}) EXPECT_EQ(one, id_in(path, id)) << path << id;
}

TEST(container_of, finds_none_elsewhere)
{
    for (const std::string path :
         {"", "\n", "0::/\n", "0::/user.slice/session-3f1c09aa12de.scope\n", "0::/docker/3f1c09aa12de\n"})
        EXPECT_EQ("", id_in(path, "3f1c09aa12de")) << path;
    EXPECT_EQ("", id_in("0::/docker/" + one + "0\n", one)) << "65 digits";
    EXPECT_EQ("", id_in("0::/docker/" + one + "\n", one.substr(1, 12))) << "its middle";
    EXPECT_EQ(other, id_in("0::/docker/" + one + "/docker/" + other + "\n", one.substr(0, 12))) << "the inner one";
    EXPECT_EQ("", id_in("0::/docker/" + one + "/docker/" + other + "\n", one));
}

TEST(is_container_id, twelve_to_sixty_four_digits)
{
    EXPECT_TRUE(is_container_id(one));
    EXPECT_TRUE(is_container_id(one.substr(0, 12)));
    for (const auto& id :
         {std::string(), one.substr(0, 11), one + "0", std::string("3F1C09AA12DE"), std::string("web-container")})
        EXPECT_FALSE(is_container_id(id)) << id;
}

/// A /proc of processes in control groups.
class processes {
public:
    processes() : folder_(testing::TempDir() + "proc-" + std::to_string(::getpid()))
    {
        std::filesystem::create_directories(folder_);
    }
    ~processes() { std::filesystem::remove_all(folder_); }
    void add(const std::string& name, const std::string& cgroups) const
    {
        std::filesystem::create_directories(folder_ + '/' + name);
        std::ofstream(folder_ + '/' + name + "/cgroup") << cgroups;
    }
    const std::string& folder() const { return folder_; }

private:
    std::string folder_;
};

std::string failure_of(const std::function<void()>& what)
{
    try {
        what();
    }
    catch (const std::exception& e) {
        return e.what();
    }
    return {};
}

TEST(find_container_process, is_the_first_of_the_container)
{
    const processes proc;
    proc.add("1", "0::/init.scope\n");
    proc.add("900", "0::/docker/" + one + "\n");
    proc.add("31", "0::/docker/" + one + "\n");
    proc.add("net", "0::/docker/" + one + "\n");
    EXPECT_EQ(31, find_container_process(one, proc.folder()));
    EXPECT_EQ(31, find_container_process(one.substr(0, 12), proc.folder()));
    EXPECT_NE("", failure_of([&] { find_container_process(other, proc.folder()); }));
    proc.add("32", "0::/docker/" + other + "\n");
    EXPECT_NE(std::string::npos,
              failure_of([&] { find_container_process(one.substr(0, 12), proc.folder()); }).find("more than one"));
    EXPECT_EQ(32, find_container_process(other, proc.folder()));
    EXPECT_NE(std::string::npos, failure_of([&] { find_container_process("web", proc.folder()); }).find("12 to 64"));
}

TEST(find_container_process, is_not_misled_by_groups_that_another_container_makes)
{
    const processes proc;
    proc.add("20", "0::/docker/" + other + "/" + one + "\n");
    proc.add("400", "0::/docker/" + one + "/init\n");
    proc.add("500", "0::/docker/" + one + "\n");
    EXPECT_EQ(500, find_container_process(one, proc.folder()));
}

TEST(namespace_request, is_named_as_it_was_given)
{
    EXPECT_EQ("pid:7", to_string(namespace_request{7, {}, {}}));
    EXPECT_EQ("netns:/run/netns/x", to_string(namespace_request{0, "/run/netns/x", {}}));
    EXPECT_EQ("container:" + one, to_string(namespace_request{0, {}, one}));
}

TEST(target_namespace, says_what_is_wrong_with_a_namespace)
{
    const auto said = [](const namespace_request& request) {
        return failure_of([&] { const target_namespace target(request); });
    };
    EXPECT_NE(std::string::npos, said({0, "/nothing/here", {}}).find("/nothing/here: No such file"));
    EXPECT_NE(std::string::npos, said({0, "/etc/passwd", {}}).find("not that of a network namespace"));
    EXPECT_NE(std::string::npos, said({0, "/proc/self/ns/mnt", {}}).find("not that of a network namespace"));
    EXPECT_NE(std::string::npos, said({::getpid(), {}, {}}).find("network namespace of this command"));
}

struct pair {
    pair() { EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data())); }
    ~pair()
    {
        for (const int each : ends) ::close(each);
    }
    std::array<int, 2> ends{};
};

TEST(descriptor_message, brings_bytes_and_descriptors)
{
    const pair sockets, sent;
    ASSERT_EQ(5U, send_with_descriptors(sockets.ends[0], "hello", sent.ends).value());
    std::array<char, 64> room{};
    auto got = receive_with_descriptors(sockets.ends[1], room);
    ASSERT_TRUE(got);
    EXPECT_EQ("hello", std::string_view(room.data(), got->size));
    ASSERT_EQ(2U, got->descriptors.size());
    ASSERT_EQ(1, ::write(got->descriptors[0].number(), "x", 1));
    EXPECT_EQ(1, ::read(sent.ends[1], room.data(), 1));
    EXPECT_EQ(FD_CLOEXEC, ::fcntl(got->descriptors[0].number(), F_GETFD));
    ASSERT_TRUE(send_with_descriptors(sockets.ends[0], "bytes alone", {}));
    EXPECT_EQ(0U, receive_with_descriptors(sockets.ends[1], room)->descriptors.size());
    EXPECT_FALSE(receive_with_descriptors(sockets.ends[1], room)) << "nothing there";
}

std::size_t open_descriptors()
{
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(descriptor_message, keeps_none_of_too_many)
{
    const pair sockets, sent;
    const std::vector<int> most(most_descriptors, sent.ends[0]), more(most_descriptors + 1, sent.ends[0]);
    EXPECT_EQ(make_error_code(errc::too_large), send_with_descriptors(sockets.ends[0], "x", more).error());
    // Another program's message.
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * (most_descriptors + 1))> control{};
    char byte = 'x';
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto* item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int) * more.size());
    std::memcpy(CMSG_DATA(item), more.data(), sizeof(int) * more.size());
    ASSERT_EQ(1, ::sendmsg(sockets.ends[0], &message, 0));
    const auto before = open_descriptors();
    std::array<char, 8> room{};
    EXPECT_EQ(make_error_code(errc::too_large), receive_with_descriptors(sockets.ends[1], room).error());
    EXPECT_EQ(before, open_descriptors());
    ASSERT_TRUE(send_with_descriptors(sockets.ends[0], "x", most));
    EXPECT_EQ(most_descriptors, receive_with_descriptors(sockets.ends[1], room)->descriptors.size());
    EXPECT_EQ(before, open_descriptors());
}

} // namespace
