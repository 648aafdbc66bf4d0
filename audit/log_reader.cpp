#include "audit/log_reader.hpp"

#include "audit/json_text.hpp"
#include "audit/record_json.hpp"

#include <boost/json/parser.hpp>
#include <boost/json/stream_parser.hpp>

namespace cofferdam::audit {
namespace {

namespace json = boost::json;

std::optional<std::uint64_t> unsigned_member(const json::object& line, const char* key)
{
    const auto* value = line.if_contains(key);
    if (!value || !value->is_number()) return std::nullopt;
    boost::system::error_code ec;
    const auto out = value->to_number<std::uint64_t>(ec);
    if (ec || out == 0) return std::nullopt;
    return out;
}

std::string text_member(const json::object& line, const char* key)
{
    const auto* value = line.if_contains(key);
    const auto* text = value ? value->if_string() : nullptr;
    return text ? std::string(text->data(), text->size()) : std::string();
}

std::string_view trimmed(std::string_view text)
{
    const auto first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

} // namespace

result<std::string> log_reader::read_line()
{
    std::string out;
    auto* buffer = in_.rdbuf();
    using traits = std::istream::traits_type;
    bool any = false, too_long = false;
    for (auto c = buffer->sbumpc();; c = buffer->sbumpc()) {
        if (traits::eq_int_type(c, traits::eof())) break;
        any = true;
        if (traits::to_char_type(c) == '\n') break;
        if (out.size() < max_line_)
            out += traits::to_char_type(c);
        else
            too_long = true;
    }
    if (!any) return errc::closed;
    ++next_line_;
    if (too_long) return errc::too_large;
    return out;
}

result<log_entry> log_reader::next()
{
    for (;;) {
        line_ = next_line_;
        auto text = read_line();
        if (!text) return text.error();
        const auto visible = trimmed(*text);
        if (visible.empty()) continue;
        if (visible.front() != '{') return errc::unsupported;
        if (any_ours_ || visible.back() == '}') return convert(*text);
        // A transaction printed over several lines: take lines until the object is complete.
        json::stream_parser parser;
        boost::system::error_code ec;
        parser.write(text->data(), text->size(), ec);
        while (!ec && !parser.done()) {
            const auto more = read_line();
            if (!more) return errc::malformed;
            if (text->size() + more->size() > max_line_) return errc::too_large;
            text->append("\n").append(*more);
            parser.write("\n", 1, ec);
            if (!ec) parser.write(more->data(), more->size(), ec);
        }
        if (ec) return errc::malformed;
        return convert(*text);
    }
}

result<log_entry> log_reader::convert(const std::string& text)
{
    json::parser parser;
    boost::system::error_code ec;
    parser.write(text.data(), text.size(), ec);
    if (ec) return errc::malformed;
    const auto value = parser.release();
    const auto* object = value.if_object();
    if (!object) return errc::malformed;

    log_entry out;
    out.line = line_;
    const auto chained = split_chain(text);
    const auto seq = unsigned_member(*object, "seq");
    if (chained && seq) {
        out.seq = *seq;
        any_ours_ = true;
        out.chain = checker_.check(*chained, *seq, raw_text(text_member(*object, "job")));
    }
    auto entry = record_from_json(*object, out.ours());
    if (!entry) return entry.error();
    out.entry = std::move(*entry);
    return out;
}

} // namespace cofferdam::audit
