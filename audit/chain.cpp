#include "audit/chain.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <openssl/evp.h>

namespace cofferdam::audit {
namespace {

constexpr std::string_view chain_member = R"(,"chain":")";
constexpr std::size_t chain_digits = 64;

struct free_context {
    void operator()(EVP_MD_CTX* c) const noexcept { EVP_MD_CTX_free(c); }
};

struct sha256_engine {
    std::unique_ptr<EVP_MD_CTX, free_context> context{EVP_MD_CTX_new()};
    EVP_MD* algorithm =
        EVP_MD_fetch(nullptr, "SHA256", nullptr); // fetched once: an implicit fetch a call costs as much as the hash
    sha256_engine() = default;
    sha256_engine(const sha256_engine&) = delete;
    sha256_engine& operator=(const sha256_engine&) = delete;
    ~sha256_engine() { EVP_MD_free(algorithm); }
};

using hex_digest = std::array<char, chain_digits>;

hex_digest sha256_hex(std::initializer_list<std::string_view> parts)
{
    static thread_local const sha256_engine engine;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    bool good = engine.context && engine.algorithm && EVP_DigestInit_ex2(engine.context.get(), engine.algorithm, nullptr) == 1;
    for (const auto part : parts) good = good && EVP_DigestUpdate(engine.context.get(), part.data(), part.size()) == 1;
    good = good && EVP_DigestFinal_ex(engine.context.get(), digest.data(), &length) == 1 && length == chain_digits / 2;
    if (!good) std::abort(); // no SHA-256, no evidence: a broken invariant of the installation
    static constexpr char hex[] = "0123456789abcdef";
    hex_digest out{};
    for (std::size_t i = 0; i < out.size() / 2; ++i) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15U];
    }
    return out;
}

} // namespace

std::string chain_start(std::string_view job)
{
    const auto value = sha256_hex({"cofferdam audit ", job});
    return {value.begin(), value.end()};
}

std::string chain_next(std::string_view previous, std::string_view body)
{
    std::string value(previous);
    advance_chain(value, body);
    return value;
}

void advance_chain(std::string& chain, std::string_view body)
{
    const auto value = sha256_hex({chain, body});
    chain.assign(value.begin(), value.end());
}

result<chained_line> split_chain(std::string_view line)
{
    constexpr auto tail = chain_member.size() + chain_digits + 2; // and the last quote and brace
    if (line.size() < tail + 2 || !line.ends_with("\"}")) return errc::not_found;
    const auto member = line.size() - tail;
    if (line.substr(member, chain_member.size()) != chain_member) return errc::not_found;
    const auto value = line.substr(member + chain_member.size(), chain_digits);
    const bool hex =
        std::all_of(value.begin(), value.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    if (!hex) return errc::not_found;
    chained_line out;
    out.body.assign(line.substr(0, member)).append("}");
    out.value = value;
    return out;
}

chain_checker::verdict chain_checker::check(const chained_line& line, std::uint64_t seq, std::string_view job)
{
    const bool start = seq == 1;
    const bool first = head_.empty();
    const auto expected_seq = last_seq_ + 1;
    const auto previous = start ? chain_start(job) : head_;
    const bool follows = !previous.empty() && chain_next(previous, line.body) == line.value;
    head_ = line.value;
    last_seq_ = seq;
    if (start) return follows ? verdict::whole : verdict::edited;
    if (first) return verdict::start_missing;
    if (seq < expected_seq) return verdict::out_of_order;
    if (seq > expected_seq) return verdict::gap;
    return follows ? verdict::whole : verdict::edited;
}

std::string_view to_string(chain_checker::verdict v) noexcept
{
    switch (v) {
    case chain_checker::verdict::whole: return "whole";
    case chain_checker::verdict::edited: return "this line or the one before was changed";
    case chain_checker::verdict::gap: return "lines before this one are missing";
    case chain_checker::verdict::out_of_order: return "this line is out of order or repeated";
    case chain_checker::verdict::start_missing: return "the log does not start with its first line";
    }
    return "";
}

} // namespace cofferdam::audit
