#include "gateway/tls_flow.hpp"

#include "core/io/coroutine.hpp"
#include "core/text.hpp"
#include "gateway/address_guard.hpp"
#include "gateway/dial.hpp"
#include "gateway/encrypted_dns.hpp"
#include "gateway/evidence.hpp"
#include "gateway/flow.hpp"
#include "gateway/http2_session.hpp"
#include "gateway/http_session.hpp"
#include "gateway/relay.hpp"
#include "gateway/verified_origins.hpp"
#include "policy/name.hpp"
#include "tls/openssl_error.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>

namespace cofferdam::gateway {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);

std::string join(const std::vector<std::string>& words)
{
    std::string out;
    for (const auto& word : words) {
        if (word.size() >= 2 && (word[0] & 0x0F) == 0x0A && word[0] == word[1]) continue; // GREASE (RFC 8701)
        if (!out.empty()) out += ',';
        out += escape_line(word);
    }
    return out;
}

// The name that this connection is for, canonical, or the literal that was dialled. The reason if there is none.
reason find_host(connection_facts& facts, const tls::client_hello& hello)
{
    if (hello.sni) {
        facts.sni = escape_line(*hello.sni);
        auto name = policy::canonical_name(*hello.sni);
        if (!name) return reason::malformed_name;
        facts.host = std::move(*name);
        facts.sni = facts.host; // what is judged is what is dialled and verified
        return reason::completed;
    }
    facts.host = facts.bound_name.empty() ? facts.destination.address.to_string() : facts.bound_name;
    return reason::completed;
}

policy::connection_attempt make_attempt(flow& owner)
{
    const auto& facts = owner.facts();
    policy::connection_attempt out;
    out.app = policy::application::tls;
    if (is_gateway_host(facts.host))
        out.host = "host";
    else if (!ip_address::parse(facts.host))
        out.host = facts.host;
    out.destination = facts.destination;
    out.sni = facts.sni;
    out.alpn = facts.alpn;
    out.source = &facts.source;
    return out;
}

asio::awaitable<void> splice_unopened(std::shared_ptr<flow> owner, policy::decision verdict)
{
    auto& facts = owner->facts();
    if (verdict.would == policy::action::allow) verdict.why = reason::allowed_by_passthrough;
    auto evidence = open_connection_evidence(*owner, "tls", verdict);
    if (!evidence) {
        reset_connection(owner->socket());
        co_return;
    }
    dialled up = co_await dial(owner->home(), facts.host, facts.destination.port);
    if (up.why != reason::completed) {
        evidence->fail(up.why, up.detail);
        reset_connection(owner->socket());
        co_return;
    }
    facts.upstream = up.peer.to_string();
    tls::plain_stream downstream(std::move(owner->socket()));
    tls::plain_stream upstream(std::move(up.socket));
    const flow::watch watch_downstream(*owner, downstream);
    const flow::watch watch_upstream(*owner, upstream);
    const relay_totals totals = co_await relay(*owner, downstream, upstream);
    evidence->finish(totals);
}

// Made while the origin is waited for, and shown only once that is verified. Whether it was not in the cache is written to
// `missed`.
void make_leaf_early(std::shared_ptr<flow> owner, std::shared_ptr<bool> missed)
{
    asio::post(owner->home().context(), [owner, missed] {
        try {
            const auto leaf = owner->job().leaves().get(owner->facts().host, tls::leaf_kind::origin);
            *missed = leaf && !leaf->hit;
        }
        catch (const std::exception& e) {
            owner->job().count_internal_error(e.what());
        }
    });
}

// Opens TLS towards the job. Null, and the record is written, if the client does not go along.
asio::awaitable<std::unique_ptr<tls::tls_stream>> open_downstream(flow& owner, tls::leaf_kind kind, tls::alpn_offer offer,
                                                                  bool leaf_missed)
{
    auto& job = owner.job();
    const auto leaf = job.leaves().get(owner.facts().host, kind);
    tls::ssl_ptr connection(SSL_new(&job.server_tls()));
    if (!leaf || !connection || job.ca().present(*connection, leaf->certificate)) {
        refuse_connection(owner, "tls", gateway_decision(reason::internal_error, policy::stage::connection),
                          "no leaf could be made");
        reset_connection(owner.socket());
        co_return nullptr;
    }
    job.metrics().leaf(leaf->hit && !leaf_missed ? audit::leaf_cache::hit : audit::leaf_cache::miss);
    SSL_set_accept_state(connection.get());
    const auto failed = tls::accept_protocols(*connection, offer);
    if (failed) throw std::runtime_error("ALPN: " + failed.message());
    auto stream = std::make_unique<tls::tls_stream>(std::move(owner.socket()), std::move(connection));
    const flow::watch watch(owner, *stream);
    owner.arm(job.settings().tls.handshake_timeout);
    const error_code ec = co_await stream->async_handshake();
    owner.disarm();
    if (!ec) co_return stream;
    const auto& facts = owner.facts();
    const bool distrust = ec == tls::stream_errc::client_rejected_leaf || ec == tls::stream_errc::closed_after_leaf;
    if (!facts.standing.allowed())
        refuse_connection(owner, "tls", facts.standing, ec.message());
    else if (distrust) {
        const auto target = policy::join_host_port(facts.host, facts.destination.port);
        const std::string line = "tls.passthrough: [\"" + target + "\"]";
        if (job.rules()->passthrough_on_reject(facts.host, facts.destination.port)) job.rejections().add(target);
        refuse_connection(owner, "tls", gateway_decision(reason::client_rejected_leaf, policy::stage::connection, line),
                          ec.message());
    }
    else {
        close_unused(owner, "tls", owner.expired() ? reason::client_timed_out : reason::client_closed, ec.message());
    }
    co_return nullptr;
}

bool offers(const tls::client_hello& hello, std::string_view protocol)
{
    return std::find(hello.alpn.begin(), hello.alpn.end(), protocol) != hello.alpn.end();
}

bool offers_http2_alone(const tls::client_hello& hello)
{
    return offers(hello, "h2") && !offers(hello, "http/1.1");
}

// What the client may choose: what the origin chose; without an origin, what it likes best.
tls::alpn_offer offer_downstream(const tls::client_hello& hello, const upstream_link& link)
{
    if (link.why != reason::completed) return tls::alpn_offer::http2_or_http1;
    if (link.http2 || offers_http2_alone(hello)) return tls::alpn_offer::http2; // bridged where the two differ
    return tls::alpn_offer::http1;
}

/// Whatever ends the attempt, those who wait for it are told.
class attempt_end {
public:
    attempt_end(flow& owner, const upstream_purpose& what)
        : origins_(owner.home().origins()), what_(what),
          mine_(origins_.begin(owner.home().context(), what, owner.job().rules(), std::chrono::steady_clock::now()))
    {
    }
    ~attempt_end() { origins_.end(what_, *mine_, std::move(found), std::chrono::steady_clock::now()); }
    attempt_end(const attempt_end&) = delete;
    attempt_end& operator=(const attempt_end&) = delete;
    origin_finding found;

private:
    verified_origins& origins_;
    upstream_purpose what_;
    std::shared_ptr<verified_origins::attempt> mine_;
};

asio::awaitable<upstream_link> verify_upstream(flow& owner, upstream_purpose what)
{
    attempt_end attempt(owner, what);
    upstream_link link = co_await connect_upstream(owner, what.host, what.port, true, what.offer);
    attempt.found = {link.why, link.detail, link.http2};
    co_return link;
}

// A client of HTTP/2 alone, or of an origin that chose it, gets a connection of its own. Every other may be served by one of
// HTTP/1.1 that is there, or that will be found for its request: what it needs now is that the origin is verified.
asio::awaitable<upstream_link> find_upstream(flow& owner, const tls::client_hello& hello,
                                             std::shared_ptr<const policy::policy> rules)
{
    const auto& facts = owner.facts();
    const upstream_purpose what{owner.job().id(), facts.host, facts.destination.port, true, tls::offer_upstream(hello.alpn)};
    upstream_link link;
    link.offer = what.offer;
    if (offers_http2_alone(hello)) {
        link = co_await connect_upstream(owner, what.host, what.port, true, what.offer);
        co_return link;
    }
    const auto known = owner.home().origins().find(what, *rules, std::chrono::steady_clock::now());
    while (known && !known->over) co_await known->done.async_wait(use_tuple);
    if (known && !known->found.http2) {
        link.why = known->found.why;
        link.detail = known->found.detail;
        co_return link;
    }
    if (!known) link = take_idle_upstream(owner, what.host, what.port, true, what.offer);
    if (link.stream) co_return link;
    if (!known)
        link = co_await verify_upstream(owner, what);
    else if (owner.job().rules() == rules)
        link = co_await connect_upstream(owner, what.host, what.port, true, what.offer);
    else { // this connection's verdict is not that of the rules now in force
        link.why = reason::upstream_closed;
        link.detail = "the policy changed while the server was dialled";
    }
    co_return link;
}

// Requests until the client or the upstream ends. Without a link each is judged and refused, or answered with its failure.
template <class Session>
asio::awaitable<void> serve_requests(std::shared_ptr<Session> session, reason why, std::string detail)
{
    if (why != reason::completed) session->fail_with(why, std::move(detail));
    co_await session->run();
}

// TLS, then HTTP.
asio::awaitable<void> serve(std::shared_ptr<flow> owner, upstream_link link, tls::alpn_offer offer, bool leaf_missed)
{
    const bool verified = link.why == reason::completed;
    const auto kind = verified ? tls::leaf_kind::origin : tls::leaf_kind::refusal;
    auto downstream = co_await open_downstream(*owner, kind, offer, verified && leaf_missed);
    if (!downstream) co_return;
    const reason why = link.why;
    std::string detail = std::move(link.detail);
    const bool http2 = tls::chose_http2(downstream->native());
    if (verified &&
        (http2 ? !link.stream : link.http2)) { // the second of two ClientHellos offered something else (RFC 8446, 4.1.2)
        refuse_connection(*owner, "tls", gateway_decision(reason::malformed_client_hello, policy::stage::connection),
                          "another offer of protocols after HelloRetryRequest");
        co_return;
    }
    if (http2) {
        auto session = std::make_shared<http2_session>(owner, std::move(downstream), std::move(link), true);
        co_await serve_requests(std::move(session), why, std::move(detail));
    }
    else {
        auto session = std::make_shared<http_session>(owner, std::move(downstream), std::move(link), true);
        co_await serve_requests(std::move(session), why, std::move(detail));
    }
}

bool passes_unopened(flow& owner, const policy::policy& rules)
{
    const auto& host = owner.facts().host;
    const auto port = owner.facts().destination.port;
    if (rules.passthrough(host, port)) return true;
    return rules.passthrough_on_reject(host, port) && owner.job().rejections().reached(policy::join_host_port(host, port));
}

} // namespace

asio::awaitable<void> run_tls(std::shared_ptr<flow> owner, tls::client_hello hello)
{
    auto& facts = owner->facts();
    facts.alpn = join(hello.alpn);
    const reason named = find_host(facts, hello);
    if (named != reason::completed) {
        refuse_connection(*owner, "tls", gateway_decision(named, policy::stage::connection), "server name: " + facts.sni);
        reset_connection(owner->socket());
        co_return;
    }
    const auto rules = owner->job().rules();
    const bool unopened = hello.sni && passes_unopened(*owner, *rules);
    const bool names = is_dns_over_tls(facts.destination.port, hello.alpn);
    const auto attempt = make_attempt(*owner);
    const policy::decision verdict = judge_tls(*rules, attempt, names, unopened, rules->decide(attempt));
    facts.standing = verdict;
    if (verdict.allowed() && (unopened || names)) { // what is no HTTP inside can't be opened, in mode audit neither
        co_await splice_unopened(owner, verdict);
        co_return;
    }
    if (names) { // a client that would not read an answer over HTTP
        refuse_connection(*owner, "tls", verdict);
        reset_connection(owner->socket());
        co_return;
    }
    upstream_link link;
    const auto leaf_missed = std::make_shared<bool>(false);
    if (verdict.allowed()) {
        auto place = owner->job().audit().reserve(); // nothing goes out while nothing can be recorded (law 5)
        if (!place) {
            owner->job().metrics().connection(audit::connection_kind::tls, audit::verdict_label::deny);
            reset_connection(owner->socket());
            co_return;
        }
        make_leaf_early(owner, leaf_missed);
        link = co_await find_upstream(*owner, hello, rules);
        place->cancel();
        if (link.stream)
            facts.upstream = link.peer.to_string();
        else if (is_dial_refusal(link.why)) {
            facts.standing = gateway_decision(link.why, policy::stage::connection);
        }
    }
    else {
        link.why = verdict.why;
        link.detail = "refused before the connection was made";
    }
    const auto offer = offer_downstream(hello, link);
    co_await serve(owner, std::move(link), offer, *leaf_missed);
}

} // namespace cofferdam::gateway
