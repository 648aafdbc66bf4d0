// Properties: canonical_target is idempotent; no reading of what it accepts, decoded up to three times and with merged
// slashes, has a dot segment, backslash or control; a prefix covers a path only if it covers all of those readings.
#include "policy/endpoint.hpp"
#include "policy/url.hpp"

#include <cstdlib>

using namespace cofferdam::policy;

namespace {

void require(bool holds)
{
    if (!holds) std::abort();
}

int nibble(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string decoded(std::string_view text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && nibble(text[i + 1]) >= 0 && nibble(text[i + 2]) >= 0) {
            out += static_cast<char>(nibble(text[i + 1]) * 16 + nibble(text[i + 2]));
            i += 2;
        }
        else {
            out += text[i];
        }
    }
    return out;
}

void require_plain(std::string_view path)
{
    for (const char c : path) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F && c != '\\');
    for (std::size_t begin = 0; begin <= path.size();) {
        const auto end = std::min(path.find('/', begin), path.size());
        auto segment = path.substr(begin, end - begin);
        segment = segment.substr(0, segment.find(';'));
        require(segment != "." && segment != "..");
        begin = end + 1;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size)
{
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const auto target = canonical_target(text);
    if (!target) return 0;
    const auto again = canonical_target(target->to_string());
    require(again && *again == *target);
    require(target->has_encoded_slash == (target->path.find("%2F") != std::string::npos));
    const auto merged = merged_path(target->path);
    require(has_second_reading(target->path) == (merged != target->path));
    std::string reading = target->path;
    for (int layer = 0; layer < 3; ++layer) {
        reading = decoded(reading);
        require_plain(reading);
        require_plain(merged_path(reading));
    }
    for (const auto* prefix : {"/a", "/a/", "/a/b", "/a/b/"}) {
        if (covers_path(prefix, target->path)) require(covers_path(prefix, merged));
    }
    return 0;
}
