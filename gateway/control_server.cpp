#include "gateway/control_server.hpp"

#include "core/io/coroutine.hpp"
#include "gateway/descriptor_message.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <cstring>
#include <grp.h>
#include <limits>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace cofferdam::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using unix_socket = asio::local::stream_protocol;
using unix_stream = beast::basic_stream<unix_socket>;

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t max_connections = 64;
constexpr std::size_t max_strangers = 8; // who may not ask, and is told so
constexpr std::size_t max_request = 8U << 20;
constexpr std::size_t first_read = 4096;
constexpr std::size_t max_groups = 1024;
constexpr std::chrono::seconds request_limit{30};
constexpr std::chrono::seconds stranger_limit{5};

std::optional<std::uint32_t> find_group(const std::string& name)
{
    if (name.empty()) return std::nullopt;
    const auto* found = ::getgrnam(name.c_str());
    if (!found) throw std::runtime_error("serve.control_group: there is no group " + name);
    return found->gr_gid;
}

/// Nobody is everybody's: what runs as it is not the gateway for that.
std::optional<std::uint32_t> own_user()
{
    constexpr uid_t nobody = 65534;
    const auto own = ::geteuid();
    return own == nobody ? std::nullopt : std::optional<std::uint32_t>(own);
}

std::optional<control_peer> peer_of(int socket)
{
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
    std::vector<std::uint32_t> groups(max_groups);
    socklen_t bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) != 0) bytes = 0;
    groups.resize(bytes / sizeof(gid_t));
    return control_peer{credentials.uid, credentials.gid, std::move(groups)};
}

} // namespace

struct control_server::impl : std::enable_shared_from_this<impl> {
    impl(asio::io_context& context, control_api& made, control_socket listening, std::function<void(std::string_view)> failed)
        : api(made), path(std::move(listening.path)), file(listening.file), group(listening.group), own(own_user()),
          acceptor(context, unix_socket(), listening.descriptor), on_failure(std::move(failed))
    {
    }

    static asio::awaitable<void> accept(std::shared_ptr<impl> self)
    {
        while (self->acceptor.is_open()) {
            auto [ec, socket] = co_await self->acceptor.async_accept(use_tuple);
            if (!self->acceptor.is_open()) co_return;
            if (ec) {
                asio::steady_timer pause(self->acceptor.get_executor(), std::chrono::milliseconds(20));
                co_await pause.async_wait(use_tuple);
                continue;
            }
            self->admit(std::move(socket));
        }
    }

    /// An exception ends one connection, and is told.
    void admit(unix_socket::socket socket)
    {
        const auto failed = [self = shared_from_this()](const std::exception_ptr& failure) { self->count_failure(failure); };
        try {
            const auto peer = peer_of(socket.native_handle());
            const bool known = peer && may_control(*peer, own, group);
            if ((known ? open : strangers) >= (known ? max_connections : max_strangers)) return;
            auto task = known ? serve(shared_from_this(), std::move(socket)) : refuse(shared_from_this(), std::move(socket));
            asio::co_spawn(acceptor.get_executor(), std::move(task), failed);
        }
        catch (...) {
            failed(std::current_exception());
        }
    }

    void count_failure(const std::exception_ptr& failure)
    {
        if (!failure) return;
        try {
            std::rethrow_exception(failure);
        }
        catch (const std::exception& e) {
            if (on_failure) on_failure(e.what());
        }
        catch (...) {
            if (on_failure) on_failure("unknown exception");
        }
    }

    /// Without a look at what is asked.
    static asio::awaitable<void> refuse(std::shared_ptr<impl> self, unix_socket::socket socket)
    {
        const counted here(self->strangers);
        unix_stream stream(std::move(socket));
        stream.expires_after(stranger_limit);
        beast::flat_buffer buffer;
        beast::http::request_parser<beast::http::string_body> parser;
        parser.body_limit(std::numeric_limits<std::uint64_t>::max()); // none of it is read
        auto [read_error, size] = co_await beast::http::async_read_header(stream, buffer, parser, use_tuple);
        if (read_error || size == 0) co_return;
        control_reply reply{403, "application/json", "{\"error\":\"only root and the gateway's user and group may ask\"}\n"};
        auto response = to_response(std::move(reply), parser.get());
        response.keep_alive(false);
        auto [write_error, written] = co_await beast::http::async_write(stream, response, use_tuple);
        (void)write_error;
        (void)written;
    }

    static asio::awaitable<void> serve(std::shared_ptr<impl> self, unix_socket::socket socket)
    {
        const counted here(self->open);
        const auto shared = std::make_shared<unix_stream>(std::move(socket));
        auto& stream = *shared;
        auto [buffer, descriptors] = co_await read_first(shared);
        if (buffer.size() == 0) co_return;
        for (;;) {
            beast::http::request_parser<beast::http::string_body> parser;
            parser.body_limit(max_request);
            stream.expires_after(request_limit);
            auto [read_error, size] = co_await beast::http::async_read(stream, buffer, parser, use_tuple);
            if (read_error || size == 0) co_return;
            stream.expires_never();
            const auto& message = parser.get();
            control_request request{std::string(message.method_string()), std::string(message.target()), message.body(),
                                    std::exchange(descriptors, {})};
            control_reply reply = co_await ask(self, std::move(request));
            auto response = to_response(std::move(reply), message);
            stream.expires_after(request_limit);
            auto [write_error, written] = co_await beast::http::async_write(stream, response, use_tuple);
            if (write_error || written == 0 || !message.keep_alive()) co_return;
        }
    }

    struct first_bytes {
        beast::flat_buffer bytes; ///< none: the connection is over
        std::vector<nft::descriptor> descriptors;
    };

    /// Descriptors come with the first bytes of a connection: what Beast reads would lose them.
    static asio::awaitable<first_bytes> read_first(std::shared_ptr<unix_stream> stream)
    {
        first_bytes out;
        asio::steady_timer limit(stream->get_executor(), request_limit);
        auto give_up = [stream](boost::system::error_code ec) {
            if (!ec) stream->socket().close(ec);
        };
        limit.async_wait(std::move(give_up));
        auto [failed] = co_await stream->socket().async_wait(unix_socket::socket::wait_read, use_tuple);
        if (failed) co_return out;
        const auto room = out.bytes.prepare(first_read);
        auto got = receive_with_descriptors(stream->socket().native_handle(), {static_cast<char*>(room.data()), room.size()});
        if (!got) co_return out;
        out.bytes.commit(got->size);
        out.descriptors = std::move(got->descriptors);
        co_return out;
    }

    /// The answer may come much later.
    static asio::awaitable<control_reply> ask(std::shared_ptr<impl> self, control_request request)
    {
        struct pending {
            asio::steady_timer event;
            std::optional<control_reply> reply;
        };
        auto state = std::make_shared<pending>(pending{asio::steady_timer(self->acceptor.get_executor()), std::nullopt});
        state->event.expires_at(std::chrono::steady_clock::time_point::max());
        auto answer = [state](control_reply reply) {
            state->reply = std::move(reply);
            state->event.cancel();
        };
        self->api.handle(std::move(request), std::move(answer));
        if (!state->reply) co_await state->event.async_wait(use_tuple);
        control_reply out = state->reply ? std::move(*state->reply) : control_reply{503, "application/json", "{}\n"};
        co_return out;
    }

    using response = beast::http::response<beast::http::string_body>;
    static response to_response(control_reply reply, const beast::http::request<beast::http::string_body>& asked)
    {
        response out;
        out.version(asked.version());
        out.keep_alive(asked.keep_alive());
        out.result(reply.status);
        out.set(beast::http::field::content_type, reply.content_type);
        out.body() = std::move(reply.body);
        out.prepare_payload();
        return out;
    }

    struct counted {
        explicit counted(std::size_t& n) : number(n) { ++number; }
        ~counted() { --number; }
        counted(const counted&) = delete;
        counted& operator=(const counted&) = delete;
        std::size_t& number;
    };

    control_api& api;
    std::string path;
    file_identity file;
    std::optional<std::uint32_t> group, own;
    unix_socket::acceptor acceptor;
    std::function<void(std::string_view)> on_failure;
    std::size_t open = 0, strangers = 0;
};

namespace {

std::optional<file_identity> identity_of(const std::string& path)
{
    struct stat there {};
    if (::lstat(path.c_str(), &there) != 0) return std::nullopt;
    return file_identity{there.st_dev, there.st_ino};
}

/// A gateway that ended without taking its socket away leaves one that nobody listens on. 0, or the error of connect(2).
int try_connection(const sockaddr_un& name)
{
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) return errno;
    const bool connected = ::connect(probe, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
    const int failed = connected ? 0 : errno;
    ::close(probe);
    return failed;
}

} // namespace

control_socket open_control_socket(const std::string& path, const std::string& group)
{
    const auto fail = [&path] { throw std::runtime_error("serve.control " + path + ": " + std::strerror(errno)); };
    control_socket out{-1, path, find_group(group), {}};
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    errno = ENAMETOOLONG;
    if (path.size() >= sizeof name.sun_path) fail();
    std::memcpy(name.sun_path, path.data(), path.size());
    struct stat there {};
    if (::lstat(path.c_str(), &there) == 0) {
        errno = EEXIST;
        if (!S_ISSOCK(there.st_mode)) fail();
        const int refused = try_connection(name);
        if (refused == EACCES)
            throw std::runtime_error("serve.control " + path + ": a socket of user " + std::to_string(there.st_uid) +
                                     "; end the gateway that listens there, or remove it");
        if (refused != ECONNREFUSED) throw std::runtime_error("serve.control " + path + ": another gateway answers there");
        ::unlink(path.c_str());
    }
    out.descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out.descriptor < 0) fail();
    const mode_t before = ::umask(out.group ? 0117 : 0177);
    const int bound = ::bind(out.descriptor, reinterpret_cast<const sockaddr*>(&name), sizeof name);
    ::umask(before);
    if (bound != 0 || ::listen(out.descriptor, 64) != 0) fail();
    out.file = identity_of(path).value_or(file_identity{});
    if (!out.group) return out;
    // The folder may be another user's, who puts something else there: links are not followed.
    if (::lchown(path.c_str(), static_cast<uid_t>(-1), *out.group) != 0) fail();
    return out;
}

control_server::control_server(asio::io_context& context, control_api& api, control_socket listening,
                               std::function<void(std::string_view)> on_failure)
    : impl_(std::make_shared<impl>(context, api, std::move(listening), std::move(on_failure)))
{
}

control_server::~control_server()
{
    stop();
}

void control_server::start()
{
    auto failed = [self = impl_](const std::exception_ptr& failure) { self->count_failure(failure); };
    asio::co_spawn(impl_->acceptor.get_executor(), impl::accept(impl_), std::move(failed));
}

void control_server::stop()
{
    if (!impl_->acceptor.is_open()) return;
    boost::system::error_code ignored;
    impl_->acceptor.close(ignored);
    if (identity_of(impl_->path) == impl_->file) ::unlink(impl_->path.c_str());
}

} // namespace cofferdam::gateway
