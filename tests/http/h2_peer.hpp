#pragma once

#include "http/h2_session.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace cofferdam::http {

/// A listener that remembers everything, and sends what `to_send` has.
class h2_peer : public h2_listener {
public:
    struct seen {
        std::vector<field_list> heads;
        std::string data;
        field_list trailers;
        bool headed_end = false, ended = false, sent_end = false, malformed = false, too_large = false, closed = false;
        std::uint32_t code = 0;
        field_list malformed_fields;
        std::string to_send;
        bool ends = true;
        field_list trailers_to_send;
        std::size_t largest_piece = 0;
    };

    void on_head(stream_id id, field_list fields, bool ends, bool too_large) override
    {
        auto& s = streams[id];
        s.heads.push_back(std::move(fields));
        s.headed_end |= ends;
        s.too_large |= too_large;
    }
    void on_malformed(stream_id id, const field_list& fields) override
    {
        streams[id].malformed = true;
        streams[id].malformed_fields = fields;
    }
    void on_refused(stream_id id) override { refused.push_back(id); }
    void on_data(stream_id id, std::string_view data) override { streams[id].data += data; }
    void on_end(stream_id id, field_list trailers) override
    {
        streams[id].ended = true;
        streams[id].trailers = std::move(trailers);
    }
    void on_sent_end(stream_id id) override { streams[id].sent_end = true; }
    void on_closed(stream_id id, std::uint32_t code) override
    {
        streams[id].closed = true;
        streams[id].code = code;
    }
    void on_goaway(std::uint32_t code) override { goaways.push_back(code); }
    void on_settings(bool enables_connect) override { connect = enables_connect; }
    body_piece take_body(stream_id id, std::span<std::uint8_t> into) override
    {
        auto& s = streams[id];
        body_piece out;
        out.size = std::min(into.size(), s.to_send.size());
        std::copy_n(s.to_send.begin(), out.size, into.begin());
        s.to_send.erase(0, out.size);
        s.largest_piece = std::max(s.largest_piece, out.size);
        out.ends = s.ends && s.to_send.empty();
        out.trailers = &s.trailers_to_send;
        return out;
    }

    std::map<stream_id, seen> streams;
    std::vector<stream_id> refused;
    std::vector<std::uint32_t> goaways;
    bool connect = false;
};

} // namespace cofferdam::http
