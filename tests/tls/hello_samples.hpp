#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace cofferdam::tls::test {

using bytes = std::vector<std::uint8_t>;

/// One of the recorded hellos in tests/tls/hellos (hexadecimal, made by real clients).
inline bytes sample(const std::string& name)
{
    std::ifstream in(std::filesystem::path(COFFERDAM_HELLOS) / (name + ".hex"));
    if (!in) throw std::runtime_error("no recorded hello " + name);
    std::string text((std::istreambuf_iterator<char>(in)), {});
    text.erase(std::remove(text.begin(), text.end(), '\n'), text.end());
    bytes out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        out.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
    }
    return out;
}

inline void put16(bytes& out, std::size_t n)
{
    out.push_back(static_cast<std::uint8_t>(n >> 8));
    out.push_back(static_cast<std::uint8_t>(n));
}

/// `message` in records of at most `size` bytes.
inline bytes in_records(const bytes& message, std::size_t size)
{
    bytes out;
    for (std::size_t at = 0; at < message.size(); at += size) {
        const auto n = std::min(size, message.size() - at);
        out.insert(out.end(), {22, 3, 1});
        put16(out, n);
        const auto from = message.begin() + static_cast<std::ptrdiff_t>(at);
        out.insert(out.end(), from, from + static_cast<std::ptrdiff_t>(n));
    }
    return out;
}

struct raw_extension {
    std::uint16_t type;
    bytes body;
};

/// A hello message (without records) with these extensions and nothing else of interest.
inline bytes hello_message(const std::vector<raw_extension>& extensions)
{
    bytes list;
    for (const auto& e : extensions) {
        put16(list, e.type);
        put16(list, e.body.size());
        list.insert(list.end(), e.body.begin(), e.body.end());
    }
    bytes body{3, 3};
    body.insert(body.end(), 32, 0xab);
    body.insert(body.end(), {0, 0, 2, 0x13, 0x01, 1, 0});
    put16(body, list.size());
    body.insert(body.end(), list.begin(), list.end());
    bytes out{1, static_cast<std::uint8_t>(body.size() >> 16)};
    put16(out, body.size() & 0xffff);
    out.insert(out.end(), body.begin(), body.end());
    return out;
}

inline raw_extension server_name(const std::string& name, std::uint8_t type = 0)
{
    raw_extension out{0, {}};
    put16(out.body, name.size() + 3);
    out.body.push_back(type);
    put16(out.body, name.size());
    out.body.insert(out.body.end(), name.begin(), name.end());
    return out;
}

} // namespace cofferdam::tls::test
