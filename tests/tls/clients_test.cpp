// Real clients in front of a minted leaf: those that trust the job's CA are served, the others are recognised.
#include "loopback.hpp"
#include "temporary_file.hpp"
#include "tls/authority.hpp"
#include "tls/openssl_error.hpp"
#include "tls/trust_store.hpp"

#include <array>
#include <cstdio>
#include <thread>

namespace cofferdam::tls {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";

constexpr std::string_view java_source = R"(
import javax.net.ssl.*;
public class Client {
    public static void main(String[] a) throws Exception {
        SSLSocketFactory f = (SSLSocketFactory) SSLSocketFactory.getDefault();
        SSLSocket s = (SSLSocket) f.createSocket("127.0.0.1", Integer.parseInt(a[0]));
        SSLParameters p = s.getSSLParameters();
        p.setServerNames(java.util.List.of(new SNIHostName("a.example")));
        s.setSSLParameters(p);
        s.startHandshake();
        s.getOutputStream().write("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".getBytes());
        System.out.print(new String(s.getInputStream().readAllBytes()));
    }
})";

constexpr std::string_view python_source = R"(
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2] if len(sys.argv) > 2 else None)
context.verify_flags |= ssl.VERIFY_X509_STRICT
s = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))), server_hostname="a.example")
s.sendall(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
print(s.recv(4096).decode())
)";

constexpr std::string_view node_source = R"(
const s = require("tls").connect({ host: "127.0.0.1", port: +process.argv[2], servername: "a.example" }, () =>
  s.write("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
s.on("data", (d) => process.stdout.write(d));
s.on("error", (e) => { console.error(e.code); process.exitCode = 1; });
)";

/// What a client printed, and how its connection ended on our side.
struct outcome {
    std::string printed;
    int status = 0;
    error_code seen;
};

class real_clients : public testing::Test {
protected:
    /// Serves one connection to `command`, in which PORT stands for the port.
    outcome serve(std::string command)
    {
        std::signal(SIGPIPE, SIG_IGN);
        asio::io_context io{1};
        asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
        const auto port = std::to_string(acceptor.local_endpoint().port());
        for (auto at = command.find("PORT"); at != std::string::npos; at = command.find("PORT")) command.replace(at, 4, port);

        outcome out;
        std::thread client([&] {
            FILE* pipe = ::popen(("{ " + command + " ; } 2>&1 </dev/null").c_str(), "r");
            std::array<char, 4096> block{};
            while (const auto n = std::fread(block.data(), 1, block.size(), pipe)) out.printed.append(block.data(), n);
            out.status = ::pclose(pipe);
        });
        asio::ip::tcp::socket socket(io);
        acceptor.accept(socket);
        auto connection = test::accepting(*context_);
        EXPECT_FALSE(authority_.present(*connection, *authority_.mint("a.example", leaf_kind::origin)));
        tls_stream gateway(std::move(socket), std::move(connection));
        auto serving = [&]() -> awaitable<void> {
            out.seen = co_await gateway.async_handshake();
            if (out.seen) co_return;
            std::vector<std::uint8_t> request(4096);
            const std::span<std::uint8_t> into(request);
            const auto got = co_await gateway.async_read_some(into);
            out.seen = got.error;
            if (out.seen) co_return;
            const auto reply = as_bytes(answer);
            co_await gateway.async_write(reply);
            co_await gateway.async_shutdown(std::chrono::milliseconds(500));
        };
        asio::co_spawn(io, serving(), [](std::exception_ptr e) {
            if (e) std::rethrow_exception(e);
        });
        io.run_for(std::chrono::seconds(30));
        gateway.close();
        client.join();
        return out;
    }

    void is_served(const std::string& command)
    {
        const auto out = serve(command);
        EXPECT_EQ(out.status, 0) << out.printed;
        EXPECT_NE(out.printed.find("hi"), std::string::npos) << out.printed;
        EXPECT_FALSE(out.seen) << out.seen.message();
    }

    void rejects(const std::string& command, stream_errc how)
    {
        const auto out = serve(command);
        EXPECT_NE(out.status, 0) << out.printed;
        EXPECT_EQ(out.seen, how) << out.seen.message() << "\n" << out.printed;
    }

    authority authority_{"0job1", settings{}, std::chrono::system_clock::now()};
    test::temporary_file ca_{authority_.pem()};
    ssl_ctx_ptr context_ = make_server_context(settings{});
};

TEST_F(real_clients, curl)
{
    const std::string command = "curl -sS --connect-to a.example:443:127.0.0.1:PORT https://a.example/";
    is_served(command + " --cacert " + ca_.path());
    is_served(command + " --tlsv1.2 --tls-max 1.2 --cacert " + ca_.path());
    rejects(command, stream_errc::client_rejected_leaf);
    rejects("curl -sS --connect-to b.example:443:127.0.0.1:PORT https://b.example/ --cacert " + ca_.path(),
            stream_errc::closed_after_leaf); // it compares the name when the handshake is over
}

TEST_F(real_clients, python)
{
    const test::temporary_file source(python_source);
    is_served("python3 " + source.path() + " PORT " + ca_.path());
    rejects("python3 " + source.path() + " PORT", stream_errc::client_rejected_leaf);
}

TEST_F(real_clients, node)
{
    const test::temporary_file source(node_source);
    is_served("NODE_EXTRA_CA_CERTS=" + ca_.path() + " node " + source.path() + " PORT");
    rejects("node " + source.path() + " PORT", stream_errc::closed_after_leaf); // it looks when the handshake is over
}

TEST_F(real_clients, java)
{
    const auto store = java_trust_store(read_system_bundle(), authority_.pem(), std::chrono::system_clock::now());
    ASSERT_TRUE(store);
    const test::temporary_file store_file(as_text(*store));
    const test::temporary_file source(java_source);
    is_served("java -Djavax.net.ssl.trustStore=" + store_file.path() + " --source 11 " + source.path() + " PORT");
    rejects("java --source 11 " + source.path() + " PORT", stream_errc::client_rejected_leaf);
}

} // namespace
} // namespace cofferdam::tls
