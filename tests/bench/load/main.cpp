// bench_load: HTTP/1.1 over TLS 1.3 offered in the ways that tests/bench/bench.py measures. Prints one line of JSON.
//
//   bench_load MODE ADDRESS HOST PATH ROOTS [KEY=VALUE]...   modes: handshakes, keep_alive, offered, cold, burst, idle
//   bench_load sink CERTIFICATE PORT ADDRESS...              a server that reads uploads
//
// Keys: connections, threads, seconds, rate, resume (0 or 1), hosts (a file, one name a line), status (of the answers wanted).
#include "loads.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <stdexcept>

namespace {

using namespace bench;

const std::map<std::string, outcome (*)(const options&)> modes = {{"handshakes", handshakes}, {"keep_alive", keep_alive},
                                                                  {"offered", offered},       {"cold", cold},
                                                                  {"burst", burst},           {"idle", idle}};

std::vector<std::string> lines_of(const std::string& file)
{
    std::ifstream in(file);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

void apply(options& given, const std::string& word)
{
    const auto at = word.find('=');
    const std::string key = word.substr(0, at), value = at == word.npos ? "" : word.substr(at + 1);
    if (key == "connections")
        given.connections = std::stoi(value);
    else if (key == "threads")
        given.threads = std::stoi(value);
    else if (key == "seconds")
        given.seconds = std::stod(value);
    else if (key == "rate")
        given.rate = std::stod(value);
    else if (key == "resume")
        given.resume = value == "1";
    else if (key == "hosts")
        given.hosts = lines_of(value);
    else if (key == "status")
        given.wanted.status = value;
    else
        throw std::runtime_error("unknown key " + key);
}

options parse(int count, char** words)
{
    options given;
    given.wanted.address.sin_family = AF_INET;
    given.wanted.address.sin_port = htons(443);
    if (inet_pton(AF_INET, words[2], &given.wanted.address.sin_addr) != 1) throw std::runtime_error("not an address");
    given.wanted.host = words[3];
    given.wanted.path = words[4];
    given.roots = words[5];
    for (int i = 6; i < count; ++i) apply(given, words[i]);
    return given;
}

void print(outcome& got)
{
    auto& all = got.latencies;
    std::sort(all.begin(), all.end());
    const auto percentile = [&](std::size_t share) {
        return all.empty() ? 0.0 : all[std::min(all.size() - 1, all.size() * share / 100)];
    };
    std::replace_if(
        got.error.begin(), got.error.end(), [](unsigned char c) { return c < 32 || c == '"' || c == '\\'; }, '\'');
    std::printf("{\"answered\": %zu, \"failed\": %zu, \"resumed\": %zu, \"elapsed\": %.6f, \"p50\": %.6f, \"p99\": %.6f, "
                "\"max\": %.6f, \"error\": \"%s\"}\n",
                all.size(), got.failed, got.resumed, got.elapsed, percentile(50), percentile(99), percentile(100),
                got.error.c_str());
}

} // namespace

int main(int count, char** words)
{
    std::signal(SIGPIPE, SIG_IGN);
    try {
        if (count >= 5 && std::string(words[1]) == "sink")
            return run_sink(words[2], std::stoi(words[3]), {words + 4, words + count});
        if (count < 6 || !modes.contains(words[1])) throw std::runtime_error("usage: see tests/bench/load/main.cpp");
        auto got = modes.at(words[1])(parse(count, words));
        print(got);
        return got.failed == 0 ? 0 : 1;
    }
    catch (const std::exception& wrong) {
        std::fprintf(stderr, "bench_load: %s\n", wrong.what());
        return 2;
    }
}
