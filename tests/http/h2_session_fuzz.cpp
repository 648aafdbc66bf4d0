#include "tests/http/fuzz_input.hpp"
#include "tests/http/h2_peer.hpp"

#include <set>
#include <string>

using namespace cofferdam;
using namespace cofferdam::http;

namespace {

constexpr std::string_view preface("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
constexpr std::size_t most_output = 8U << 20;

limits small_limits()
{
    limits out;
    out.max_head = 4096;
    out.http2.max_streams = 8;
    out.http2.stream_window = 65535;
    out.http2.connection_window = 65535 * 4;
    out.http2.max_resets = 20;
    out.http2.max_idle_frames = 50;
    return out;
}
const limits bounds = small_limits();

/// Answers what it gets, and holds every event to its order.
class strict_peer final : public h2_peer {
public:
    void on_head(stream_id id, field_list fields, bool ends, bool too_large) override
    {
        FUZZ_REQUIRE(closed_.count(id) == 0 && malformed_.count(id) == 0);
        std::size_t size = 0;
        for (const auto& [name, value] : fields) size += name.size() + value.size() + 32;
        FUZZ_REQUIRE(size <= bounds.max_head);
        headed_.insert(id);
        streams[id].to_send = "answer";
        if (session && !too_large) session->answer(id, {{":status", "200"}}, (id & 2) != 0);
        if (session && ends && id % 3 == 0) session->reset(id, h2_code::cancel);
    }
    void on_malformed(stream_id id, const field_list&) override
    {
        FUZZ_REQUIRE(malformed_.insert(id).second && closed_.count(id) == 0);
    }
    void on_data(stream_id id, std::string_view data) override
    {
        FUZZ_REQUIRE(headed_.count(id) == 1 && closed_.count(id) == 0);
        held_ += data.size();
        FUZZ_REQUIRE(held_ <= bounds.http2.connection_window);
        if (session && id % 5 != 0) {
            session->consume(id, data.size());
            held_ -= data.size();
        }
        else {
            held_by_[id] += data.size();
        }
    }
    void on_end(stream_id id, field_list) override { FUZZ_REQUIRE(headed_.count(id) == 1 && closed_.count(id) == 0); }
    void on_closed(stream_id id, std::uint32_t) override
    {
        FUZZ_REQUIRE(closed_.insert(id).second);
        held_ -= held_by_[id];
    }

    h2_session* session = nullptr; // a server's

private:
    std::set<stream_id> headed_, closed_, malformed_;
    std::map<stream_id, std::size_t> held_by_;
    std::size_t held_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0) return 0;
    const bool server = (data[0] & 1U) == 0;
    strict_peer peer;
    h2_session session(server ? h2_session::role::server : h2_session::role::client, bounds, peer, (data[0] & 2U) != 0);
    std::string output;
    h2_session::time_point now{std::chrono::seconds(1)};
    if (server) {
        peer.session = &session;
        session.receive(as_bytes(preface), now);
    }
    else {
        for (int i = 0; i < 3; ++i)
            session.request({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}}, i == 0);
        session.send(output, most_output);
        session.receive(as_bytes(preface.substr(24)), now);
    }
    cut_points cuts(data[0]);
    byte_view rest(data + 1, size - 1);
    while (!rest.empty()) {
        const auto piece = std::min(cuts.next(200), rest.size());
        const bool goes_on = session.receive(rest.first(piece), now);
        output.clear();
        session.send(output, most_output);
        FUZZ_REQUIRE(output.size() <= most_output + (1U << 20));
        if (!goes_on) break;
        rest = rest.subspan(piece);
    }
    return 0;
}
