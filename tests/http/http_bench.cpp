#include "http/body.hpp"
#include "http/forward.hpp"

#include <benchmark/benchmark.h>
#include <string>

using namespace cofferdam::http;

namespace {

const limits bounds;

/// What a package manager sends for one tarball.
const std::string request_text =
    "GET /left-pad/-/left-pad-1.3.0.tgz HTTP/1.1\r\n"
    "connection: keep-alive\r\n"
    "user-agent: npm/10.2.4 node/v20.11.0 linux x64 workspaces/false ci/github-actions\r\n"
    "npm-auth-type: web\r\n"
    "npm-command: ci\r\n"
    "npm-session: 2f8c1b7d9e4a6f30\r\n"
    "pacote-version: 17.0.4\r\n"
    "pacote-req-type: tarball\r\n"
    "pacote-pkg-id: registry:left-pad@https://registry.npm.example/left-pad/-/left-pad-1.3.0.tgz\r\n"
    "pacote-integrity: sha512-XI5MPzVNApjAyhQzphX8BkmKsKUxD4LdyK24iZeQGinBN9yTQT3bFlCBy/aVx2HrNcqQGsdot8ghrjyrvMCoEA==\r\n"
    "accept: */*\r\n"
    "accept-encoding: gzip,deflate\r\n"
    "Host: registry.npm.example\r\n\r\n";

const std::string response_text = "HTTP/1.1 200 OK\r\n"
                                  "Date: Mon, 05 Feb 2024 10:00:00 GMT\r\n"
                                  "Content-Type: application/octet-stream\r\n"
                                  "Content-Length: 3619\r\n"
                                  "Connection: keep-alive\r\n"
                                  "CF-Ray: 850a1b2c3d4e5f60-FRA\r\n"
                                  "Accept-Ranges: bytes\r\n"
                                  "Cache-Control: public, immutable, max-age=31557600\r\n"
                                  "ETag: \"e6ec8d1e1a2b3c4d5e6f708192a3b4c5\"\r\n"
                                  "Last-Modified: Mon, 09 Apr 2018 01:10:45 GMT\r\n"
                                  "Vary: Accept-Encoding\r\n\r\n";

void parse_request(benchmark::State& state)
{
    request_head head;
    for (auto _ : state) benchmark::DoNotOptimize(parse_request_head(request_text, bounds, head));
    state.SetBytesProcessed(static_cast<std::int64_t>(request_text.size()) * state.iterations());
}
BENCHMARK(parse_request);

void parse_response(benchmark::State& state)
{
    response_head head;
    const response_context context{"GET", false};
    for (auto _ : state) benchmark::DoNotOptimize(parse_response_head(response_text, bounds, context, head));
    state.SetBytesProcessed(static_cast<std::int64_t>(response_text.size()) * state.iterations());
}
BENCHMARK(parse_response);

void rebuild_and_write_request(benchmark::State& state)
{
    request_head head;
    if (!parse_request_head(request_text, bounds, head)) state.SkipWithError("refused");
    forward_request request;
    std::string out;
    for (auto _ : state) {
        out.clear();
        rebuild(head, request);
        write_request_head(out, request);
        benchmark::DoNotOptimize(out.data());
    }
}
BENCHMARK(rebuild_and_write_request);

void rebuild_and_write_response(benchmark::State& state)
{
    response_head head;
    if (!parse_response_head(response_text, bounds, {"GET", false}, head)) state.SkipWithError("refused");
    forward_response response;
    std::string out;
    for (auto _ : state) {
        out.clear();
        rebuild(head, 1, true, response);
        write_response_head(out, response);
        benchmark::DoNotOptimize(out.data());
    }
}
BENCHMARK(rebuild_and_write_response);

/// A 64 KiB head that arrives byte by byte: linear, not quadratic.
void scan_head_in_single_bytes(benchmark::State& state)
{
    const std::string start = "GET / HTTP/1.1\r\nHost: a.example\r\nA: ";
    const std::string text = start + std::string(bounds.max_head - start.size() - 4, 'x') + "\r\n\r\n";
    request_head head;
    for (auto _ : state) {
        head_scanner scanner(message_kind::request);
        for (std::size_t i = 1; i <= text.size(); ++i)
            benchmark::DoNotOptimize(parse_request_head(std::string_view(text).substr(0, i), bounds, head, scanner));
    }
}
BENCHMARK(scan_head_in_single_bytes);

void decode_chunked(benchmark::State& state)
{
    const auto size = static_cast<std::size_t>(state.range(0));
    std::string text;
    for (int i = 0; i < 64; ++i) {
        write_chunk_header(text, size);
        text.append(size, 'x');
        text += chunk_end;
    }
    write_last_chunk(text);
    for (auto _ : state) {
        body_decoder decoder(body_kind::chunked, 0, bounds);
        std::string_view rest = text;
        while (!decoder.done()) rest.remove_prefix(decoder.next(rest)->consumed);
    }
    state.SetItemsProcessed(64 * state.iterations());
}
BENCHMARK(decode_chunked)->Arg(16)->Arg(1024)->Arg(16384);

} // namespace
