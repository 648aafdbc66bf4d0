"""Names asked past the gateway's resolver, over TLS, QUIC, HTTPS or of the local network: refused and called what they are."""
from __future__ import annotations

import base64
import shlex
import time

import pytest

from world import names

ALLOW = ["https://echo.example/", "http://echo.example/"]
DOH = "https://echo.example/dns-query"


def with_controls(command: str) -> str:
    """`command` between two requests that must work, so that silence is never mistaken for a refusal."""
    control = "curl -fsS -m 20 -o /dev/null https://echo.example/{} && echo control-{};"
    return control.format("before", "before") + command + ";" + control.format("after", "after")


def client(world, how: str, host: str, name: str) -> str:
    return f"/usr/bin/python3 {world.scripts}/doh_client.py {how} {host} {name}"


def in_base64(name: str) -> list[str]:
    """What base64 makes of `name`, wherever in a text it stands; without the ends, which hang on what is beside it."""
    return [base64.urlsafe_b64encode(b"x" * shift + name.encode()).decode()[4:-4] for shift in range(3)]


def assert_refused(world, done, nonce: str, reason: str = "encrypted_dns", kinds: tuple[str, ...] = ("http", "connection")) -> dict:
    """Controls worked, the world saw no trace of the nonce, and exactly one record tells of the refusal; that record."""
    assert "control-before" in done.out and "control-after" in done.out, done
    assert world.traces(nonce) == [], done
    assert not any(text in str(done.events) for text in in_base64(nonce)), done
    denied = [r for r in done.denied() if r["type"] in kinds]
    assert len(denied) == 1 and denied[0]["decision"]["reason"] == reason, done
    return denied[0]


DETAILS = {"get": "GET ?dns=", "post": "POST application/dns-message", "json": "GET ?name=&type=",
           "accept": "GET accept application/dns-json", "hidden": "GET ?dns="}
PATHS = {"get": "/dns-query", "post": "/dns-query", "json": "/resolve", "accept": "/resolve", "hidden": "/innocent"}


@pytest.mark.parametrize("how", DETAILS)
def test_doh_through_an_allowed_host(world, gateway, nonce, how):
    done = gateway.run(with_controls(client(world, how, "echo.example", f"{nonce}.test")), ALLOW)
    record = assert_refused(world, done, nonce)
    assert record["type"] == "http" and record["response"]["status"] == 403, record
    assert record["detail"] == f"DNS over HTTPS, {DETAILS[how]}", record
    hint = ("http" if how == "hidden" else "https") + f"://echo.example{PATHS[how]}"
    assert record["decision"]["hint"] == hint, record
    assert "403 encrypted_dns" in done.out and hint in done.out, "the page says why, and how to allow it"
    assert DETAILS[how] in done.err and "encrypted_dns" in done.err and hint in done.err, "so does the summary"


@pytest.mark.parametrize("how", DETAILS)
def test_doh_by_an_entry_for_just_its_url(world, gateway, nonce, how):
    scheme = "http" if how == "hidden" else "https"
    done = gateway.run(client(world, how, "echo.example", f"{nonce}.test"), [*ALLOW, f"{scheme}://echo.example{PATHS[how]}"])
    assert done.out.startswith("200 "), done
    assert len(done.of_type("http")) == 1 and done.denied() == [], done


@pytest.mark.parametrize("entry", ["echo.example:443", "https://echo.example/dns-query/", "GET https://echo.example/dns-query"])
def test_other_entries_do_not_allow_it(world, gateway, nonce, entry):
    done = gateway.run(with_controls(client(world, "post", "echo.example", f"{nonce}.test")), [*ALLOW, entry])
    assert_refused(world, done, nonce)


def test_curl_with_a_doh_url(world, gateway, nonce):
    fetch = f"curl -4 -sS -m 20 --doh-url {DOH} http://{nonce}.test/x"
    refused = gateway.run(with_controls(fetch), [*ALLOW, f"http://{nonce}.test/"])
    record = assert_refused(world, refused, nonce)
    assert record["decision"]["hint"] == DOH and '"target": "/x"' not in refused.out, refused
    allowed = gateway.run(fetch, [*ALLOW, f"http://{nonce}.test/", DOH])
    assert '"target": "/x"' in allowed.out, allowed


def test_doh_to_a_host_on_no_list_is_named(world, gateway, nonce):
    done = gateway.run(with_controls(f"curl -4 -sS -m 20 --resolve resolver.test:443:{names.ATTACKER} -H 'Content-Type: application/dns-message' "
                                     f"--data-binary {nonce} https://resolver.test/dns-query"), ALLOW)
    record = assert_refused(world, done, nonce)
    assert record["decision"]["hint"] == "https://resolver.test/dns-query", record


@pytest.mark.parametrize("dial,url", [("--resolve dns.google:443:8.8.8.8", "https://dns.google/{}"), ("", "https://1.1.1.1/{}"),
                                      ("-g", "https://[2620:fe::fe]/{}")])
def test_known_resolvers_are_named(world, gateway, nonce, dial, url):
    done = gateway.run(with_controls(f"curl -sS -m 20 {dial} {url.format(nonce)}"), ALLOW)
    if "[" in url and not done.denied():
        assert world.traces(nonce) == []  # without an IPv6 route the job's own kernel says no before there is a packet
        return
    record = assert_refused(world, done, nonce)
    assert "a public resolver" in record["detail"] and "encrypted_dns" in done.out, record


def test_the_name_of_a_known_resolver_is_refused_and_named(world, gateway, nonce):
    done = gateway.run(with_controls(f"curl -sS -m 20 https://dns.quad9.net/{nonce}"), ALLOW)
    assert "control-after" in done.out and world.traces(nonce) == [], done
    assert {r["decision"]["reason"] for r in done.of_type("dns") if r["decision"]["action"] == "deny"} == {"encrypted_dns"}, done
    assert not any("quad9" in str(q) for q in done.queries()), done


@pytest.mark.parametrize("server", ["echo.example", "9.9.9.9"])
def test_dns_over_tls(world, gateway, nonce, server):
    done = gateway.run(with_controls(f"kdig +tls +retry=0 +timeout=5 @{server} {nonce}.test A"), [*ALLOW, "echo.example:853"])
    record = assert_refused(world, done, nonce)
    assert record["connection"]["detail"].startswith("DNS over TLS (TCP port 853)"), record
    assert done.seconds < 15 and "udp://" not in record["decision"]["hint"], done


def test_dns_over_tls_that_is_passed_through(world, gateway, nonce):
    done = gateway.run(f"kdig +tls +retry=0 +timeout=5 @echo.example {nonce}.test A", ALLOW,
                       policy={"tls": {"passthrough": ["echo.example:853"]}})
    assert "93.184.216.20" in done.out and world.traces(nonce) != [], done
    assert [r["decision"]["reason"] for r in done.of_type("connection")] == ["allowed_by_passthrough"], done


def test_dns_over_tls_by_alpn_on_another_port(world, gateway, nonce):
    done = gateway.run(with_controls(client(world, "alpn-dot", "echo.example", f"{nonce}.test")), ALLOW)
    record = assert_refused(world, done, nonce)
    assert record["connection"]["detail"] == 'DNS over TLS (ALPN "dot")' and "got" not in done.out, done


def test_kdig_over_https(world, gateway, nonce):
    """A client that speaks HTTP/2 alone."""
    done = gateway.run(with_controls(f"kdig +https +retry=0 +timeout=5 @echo.example {nonce}.test A"), ALLOW)
    record = assert_refused(world, done, nonce)
    assert record["request"]["protocol"] == "http2" and record["response"]["status"] == 403, record


PORTS = {784: "encrypted_dns", 853: "encrypted_dns", 8853: "encrypted_dns", 137: "multicast_dns", 138: "multicast_dns",
         5353: "multicast_dns", 5355: "multicast_dns"}


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("address", ["8.8.8.8", "224.0.0.251"])
def test_datagrams_are_named_by_their_port(world, gateway, nonce, port, address):
    probe = f"/usr/bin/python3 {world.scripts}/datagram.py udp {address} {port} {nonce}"
    done = gateway.run(with_controls(probe), ALLOW)
    if "cannot" in done.out or address.startswith("224") and not done.denied():
        assert world.traces(nonce) == []  # no route for it: there was no packet
        return
    record = assert_refused(world, done, nonce, PORTS[port])
    assert f"(UDP port {port})" in record["connection"]["detail"], record
    assert "process" in record["source"] or "of uid 0" in record["connection"]["detail"], "whoever it was that sent it"
    assert PORTS[port] in done.err and f"(UDP port {port})" in done.err, "the summary tells it too"
    if PORTS[port] == "multicast_dns":
        assert record["decision"]["hint"] == "" and "udp://" not in done.err, record


def test_llmnr_over_tcp(world, gateway, nonce):
    done = gateway.run(with_controls(f"printf '\\0\\0{nonce}' | timeout 10 socat -t1 - TCP:8.8.8.8:5355"), ALLOW)
    record = assert_refused(world, done, nonce, "multicast_dns")
    assert record["connection"]["detail"] == "LLMNR (TCP port 5355)", record


def test_dns_over_tcp_on_another_port(world, gateway, nonce):
    done = gateway.run(with_controls(f"dig +tcp +tries=1 +time=5 -p 5300 @8.8.8.8 {nonce}.test"), ALLOW)
    record = assert_refused(world, done, nonce, "dns_on_other_port")
    assert record["connection"]["detail"] == "a DNS query (TCP port 5300)", record


def test_a_refused_datagram_is_its_processs(world, gateway, nonce):
    send = ("import contextlib, socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            f"with contextlib.suppress(OSError): s.sendto(b'{nonce}', ('8.8.8.8', 5353))\ntime.sleep(60)")
    running = gateway.start(["/usr/bin/python3", "-c", send], ALLOW)
    deadline = time.monotonic() + 30
    while not (denied := [r for r in running.records() if r["decision"]["action"] == "deny"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.process.terminate()
    running.process.wait(20)
    assert len(denied) == 1 and denied[0]["source"]["process"]["exe"].startswith("/usr/bin/python3"), denied
    assert nonce in str(denied[0]["source"]["process"]["cmdline"]) and world.traces(nonce) == []


def test_icmp_records_say_what_is_known(world, gateway):
    done = gateway.run(with_controls("ping -c1 -W3 8.8.8.8"), ALLOW)
    assert "control-before" in done.out and "control-after" in done.out, done
    denied = done.denied()
    if not denied:  # where the kernel gives the job no ping socket there is no packet
        assert "ermitted" in done.err, done
        return
    assert len(denied) == 1 and denied[0]["connection"]["protocol"] == "icmp", done
    assert denied[0]["connection"]["destination"] == "8.8.8.8", done
    assert denied[0]["connection"]["detail"].startswith("echo request, 84 bytes"), done


def test_an_answer_that_is_dns_is_not_passed_on(world, gateway):
    done = gateway.run(with_controls("curl -sS -w ' status %{http_code} ' -d hello https://echo.example/dns-answer"), ALLOW)
    assert "secret-answer" not in done.out and "status 403" in done.out and "control-after" in done.out, done
    denied = done.denied()
    assert len(denied) == 1 and denied[0]["decision"]["reason"] == "encrypted_dns", done
    assert denied[0]["decision"]["stage"] == "content" and denied[0]["response"]["upstream_status"] == 200, done
    assert "the server's answer is application/dns-message" in denied[0]["detail"], done
    allowed = gateway.run("curl -fsS -d hello https://echo.example/dns-answer", [*ALLOW, "https://echo.example/dns-answer"])
    assert "secret-answer" in allowed.out and allowed.denied() == [], allowed


def test_mode_audit_lets_it_through_and_says_so(world, gateway, nonce):
    done = gateway.run(client(world, "post", "echo.example", f"{nonce}.test"), ALLOW, options=["--mode", "audit"])
    assert done.out.startswith("200 "), done
    decisions = [r["decision"] for r in done.of_type("http")]
    assert [(d["action"], d["would"], d["reason"]) for d in decisions] == [("allow", "deny", "encrypted_dns")], done


# Trailers of requests: fields like those of the head, and judged like them.

RULES = [{"name": "no secrets", "expr": 'http.req.headers.x-secret contains "n"', "action": "deny"}]
CHUNKED = ("POST /{n} HTTP/1.1\\r\\nHost: echo.example\\r\\nTransfer-Encoding: chunked\\r\\nConnection: close\\r\\n\\r\\n"
           "4\\r\\nbody\\r\\n0\\r\\n{trailer}\\r\\n\\r\\n")


def post_with_trailer(world, nonce: str, trailer: str, tls: bool) -> str:
    content = CHUNKED.format(n="path", trailer=trailer)
    options = "--tls echo.example 443" if tls else "echo.example 80"
    return f"printf {shlex.quote(content)} | /usr/bin/python3 {world.scripts}/raw_client.py {options}"


@pytest.mark.parametrize("tls", [False, True])
def test_a_trailer_that_a_rule_refuses_is_not_sent(world, gateway, nonce, tls):
    done = gateway.run(with_controls(post_with_trailer(world, nonce, f"X-Secret: {nonce}", tls)), ALLOW, policy={"rules": RULES})
    record = assert_refused(world, done, nonce, "denied_by_rule")
    assert record["decision"]["rule"] == "no secrets" and record["decision"]["stage"] == "content", record
    assert "trailers" in record["detail"] and "HTTP/1.1 403" in done.out, done
    assert not [e for e in done.events if e["kind"] == "http" and e["target"] == "/path"], "the origin saw no whole request"


def test_a_trailer_that_no_rule_refuses_is_sent(world, gateway, nonce):
    done = gateway.run(post_with_trailer(world, nonce, f"X-Sum: {nonce}", False), ALLOW, policy={"rules": RULES})
    assert [e["trailers"] for e in done.requests()] == [[f"X-Sum: {nonce}"]], done
    assert done.denied() == [] and len(done.of_type("http")) == 1, done
