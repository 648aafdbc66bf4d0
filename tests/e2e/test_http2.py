"""HTTP/2 through the gateway: real clients and servers, and down to the frame where no honest client goes."""
from __future__ import annotations

import base64
import json
import os
import subprocess

import pytest

from world import cargo_packages, names
from world.fake_internet import PYTHON, SERVERS

ALLOW = ["https://h2.example/", "http://h2.example/", "https://h2.example:8443/", "https://echo.example/",
         "https://files.example/", "http://echo.example/"]


@pytest.fixture(scope="session", autouse=True)
def h2_origin(world):
    config = world.folder / "state" / "h2.json"
    config.write_text(json.dumps({
        "records": str(world.evidence.origin), "certificate": str(world.authority.folder / "h2.example.pem"),
        "listen": [{"address": names.H2, "port": 443, "tls": True, "alpn": ["h2"]},
                   {"address": names.H2, "port": 8443, "tls": True, "alpn": ["h2", "http/1.1"]},
                   {"address": names.H2, "port": 80, "tls": False}]}))
    world.serve_at("h2", (names.H2, 80), PYTHON, str(SERVERS / "h2_origin.py"), str(config))


def run_client(gateway, text: str, allow: list[str], **more):
    """Runs `text` as a client with everything of job_scripts/h2_client.py in reach. On stdin: records name command lines."""
    code = f"import sys; sys.path.insert(0, {str(gateway.world.scripts)!r})\nfrom h2_client import *\n{text}"
    return gateway.run([PYTHON, "-"], allow, input=code.encode(), **more)


def http2_records(done, text: str = "") -> list[dict]:
    return [r for r in done.about(text, "http") if r["request"]["protocol"] == "http2"]


def test_curl(gateway):
    done = gateway.run("curl --http2 -fsS -w '%{http_version}\\n' https://h2.example/a https://h2.example/b", ALLOW)
    assert done.out.count('"protocol": "http2"') == 2 and done.out.endswith("2\n"), done
    seen = done.requests()
    assert [e["target"] for e in seen] == ["/a", "/b"] and len({e["conn"] for e in seen}) == 1, "one connection"
    assert [r["request"]["path"] for r in http2_records(done)] == ["/a", "/b"]


def test_protocol_is_the_origins_choice(gateway):
    """ALPN is mirrored: an origin of HTTP/1.1 alone gets that, and the client is offered nothing else."""
    done = gateway.run("curl --http2 -fsS -o /dev/null -w '%{http_version}\\n' https://echo.example/one;"
                       "curl --http1.1 -fsS -o /dev/null -w '%{http_version}\\n' https://h2.example:8443/two || echo failed;"
                       "curl --http2 -fsS -o /dev/null -w '%{http_version}\\n' https://h2.example:8443/three", ALLOW)
    assert done.out.split()[0] == "1.1" and done.out.split()[-1] == "2", done
    assert [r["request"]["path"] for r in http2_records(done)] == ["/three"], done


def test_kept_connection_does_not_choose_the_protocol(gateway):
    """What a client of HTTP/1.1 left behind was made from its offer; a client that offers more gets a connection from its own."""
    done = gateway.run("for v in http1.1 http2 http1.1 http2; do curl --$v -fsS -o /dev/null -w '%{http_version}\\n' "
                       "https://h2.example:8443/$v; done", ["https://h2.example:8443/"], policy={"limits": {"workers": 1}})
    assert done.out.split() == ["1.1", "2", "1.1", "2"], done


def test_client_of_http2_alone_before_an_origin_of_http1(world, gateway):
    done = run_client(gateway, """
c = Client("echo.example")
a = c.request("/first")
b = c.request("/second", "POST", b"x" * 300000)
d = c.request("/trailers")
e = c.request("/early")
f = c.request("/none", "HEAD")
g = c.request("/status/204")
for n in (a, b, d, e, f, g):
    got = c.answer(n)
    print(got["status"], got["interim"], got["trailers"], len(got["body"]), got["reset"], got["body"][:2000])
""", ALLOW)
    lines = done.out.splitlines()
    assert lines[0].startswith("200 [] None") and '"target": "/first"' in lines[0], done
    assert '"length": 300000' in lines[1], done
    assert "{'x-sum': '42'} 4 None" in lines[2], done
    assert lines[3].startswith("200 ['103'] None 12"), done
    assert lines[4].startswith("200 [] None 0 None") and lines[5].startswith("204 [] None 0 None"), done
    assert len(http2_records(done)) == 6 and all(r["close_reason"] == "completed" for r in http2_records(done)), done


def test_prior_knowledge_on_a_plain_connection(world, gateway, nonce):
    done = gateway.run("curl --http2-prior-knowledge -fsS -w '%{http_version}\\n' http://h2.example/plain;"
                       f"curl --http2-prior-knowledge -sS -o /dev/null -w '%{{http_code}}' http://denied.example/{nonce};"
                       "curl --http2-prior-knowledge -fsS http://h2.example/after", [*ALLOW, "dns:denied.example"])
    assert '"target": "/plain"' in done.out and "403" in done.out and '"target": "/after"' in done.out, done
    assert world.traces(nonce) == [] and len(done.about(nonce, "http")) == 1, done


def test_nghttp_and_h2load(gateway):
    done = gateway.run("nghttp -ns https://h2.example/one https://h2.example/two | tail -4;"
                       "h2load -n 500 -c 2 -m 20 https://h2.example/status/200", ALLOW)
    assert "500 succeeded, 0 failed, 0 errored" in done.out, done
    assert len(http2_records(done)) == 502, done


def test_many_at_once_over_one_connection(gateway):
    done = gateway.run("curl --http2 -fsSZ --parallel-max 50 -o /dev/null 'https://h2.example/stream?bytes=200000&[1-60]'"
                       " -w '%{size_download}\\n'", ALLOW)
    assert done.out.split() == ["200000"] * 60, done
    assert len({e["conn"] for e in done.requests()}) == 1 and len(http2_records(done)) == 60, done


def test_bodies_arrive_unchanged(gateway):
    done = gateway.run("head -c 5000000 /dev/urandom > up; sha256sum < up;"
                       "curl --http2 -fsS --data-binary @up https://h2.example/length;"
                       "curl --http2 -fsS -T - https://h2.example/unknown < up;"
                       "curl --http2 -fsS --data-binary @up https://h2.example/echo | sha256sum;"
                       "curl --http2 -fsS 'https://h2.example/stream?bytes=5000000' | wc -c", ALLOW)
    digest = done.out.split()[0]
    assert done.out.count(f'"sha256": "{digest}"') == 2 and done.out.count(digest) == 4 and "5000000" in done.out.split(), done
    sent = {r["request"]["path"]: r["metadata"] for r in http2_records(done)}
    assert sent["/length"]["bytes_sent"] >= 5000000 and sent["/echo"]["bytes_received"] >= 5000000, done


def test_headers_arrive_as_sent(gateway):
    done = gateway.run("curl --http2 -fsS -H 'X-CaSe: Value  with   spaces' -H 'X-Twice: 1' -H 'X-Twice: 2' -H 'TE: trailers' "
                       "-H 'Cookie: a=b' https://h2.example/headers", ALLOW)
    headers = done.requests()[0]["headers"]
    for expected in (["x-case", "Value  with   spaces"], ["x-twice", "1"], ["x-twice", "2"], ["te", "trailers"],
                     ["cookie", "a=b"]):
        assert expected in headers, headers
    assert not {"via", "x-forwarded-for", "forwarded"} & {name for name, _ in headers}


def test_messages_of_every_shape(world, gateway):
    done = run_client(gateway, """
c = Client("h2.example")
def show(n):
    got = c.answer(n)
    print(got["status"], got["interim"], got["trailers"], len(got["body"]), got["reset"])
show(c.request("/trailers"))
show(c.request("/x", "POST", b"abc", trailers=[("x-checksum", "7")]))
show(c.request("/early"))
show(c.request("/x", "HEAD"))
show(c.request("/status/204"))
show(c.request("/status/304"))
show(c.request("/status/404"))
show(c.request("/e", "POST", b"x" * 1000, extra=[("expect", "100-continue"), ("content-length", "1000")]))
show(c.request("/echo", "POST", b"y" * 100000, extra=[("te", "trailers")]))
show(c.request("*", "OPTIONS"))
""", ALLOW)
    lines = done.out.splitlines()
    assert lines[0] == "200 [] {'x-sum': '42', 'grpc-status': '0'} 4 None", done
    assert lines[2].startswith("200 ['103'] None 12 None"), done
    assert lines[3:6] == ["200 [] None 0 None", "204 [] None 0 None", "304 [] None 0 None"], done
    assert lines[6].startswith("404"), done
    assert lines[7].startswith("200 ['100']"), done
    assert lines[8] == "200 [] {'x-length': '100000'} 100000 None" and lines[9].startswith("200"), done
    assert [["x-checksum", "7"]] in [e["trailers"] for e in done.requests()], done
    assert len(http2_records(done)) == 10, done


def test_answer_before_the_whole_request(world, gateway):
    done = run_client(gateway, """
c = Client("h2.example")
n = c.request("/early-end", "POST", b"x" * 1000, end=False)
print(c.answer(n)["status"])
print(c.answer(c.request("/after"))["status"])
""", ALLOW)
    assert done.out.split() == ["413", "200"], done
    assert [r["close_reason"] for r in http2_records(done)] == ["completed"] * 2, done


def test_resets_are_carried_over(world, gateway):
    done = run_client(gateway, """
c = Client("h2.example")
print(c.answer(c.request("/reset?code=7"))["reset"])
print(c.answer(c.request("/reset?code=13"))["reset"])
late = c.answer(c.request("/reset-late?code=5"))
print(late["status"], late["reset"])
n = c.request("/never")
c.request("/mark"); c.pump()
c.h2.reset_stream(n, 8); c.flush()
print(c.answer(c.request("/after"))["status"])
""", ALLOW)
    assert done.out.split() == ["7", "13", "200", "5", "200"], done
    assert [e["code"] for e in done.events if e["kind"] == "h2-reset" and e["remote"]] == [8], done
    reasons = {r["request"]["path"]: r["close_reason"] for r in http2_records(done)}
    assert reasons["/reset-late"] == "upstream_closed" and reasons["/never"] == "client_closed", done


def test_goaway_is_carried_over(world, gateway):
    done = run_client(gateway, """
c = Client("h2.example")
print(c.answer(c.request("/goaway"))["status"])
while c.goaway is None: c.pump()
print("goaway", c.goaway)
d = Client("h2.example")
print(d.answer(d.request("/before"))["status"])
d.h2.close_connection(0); d.flush()
""", ALLOW)
    assert done.out.split() == ["200", "goaway", "0", "200"], done
    assert [e["code"] for e in done.events if e["kind"] == "h2-goaway"][-1:] == [0], done


def test_origin_that_breaks_off(world, gateway):
    done = gateway.run("curl --http2 -sS -D - -o /dev/null https://h2.example/close; curl --http2 -fsS https://h2.example/after", ALLOW)
    assert "HTTP/2 502" in done.out and "x-cofferdam-reason: upstream_closed" in done.out, done
    assert '"target": "/after"' in done.out, done


@pytest.mark.parametrize("shape", ["upper-case", "connection", "line-break", "no-status", "status-101", "two-status",
                                   "pseudo-late", "short-body", "long-body"])
def test_hostile_answer_is_not_passed_on(world, gateway, shape):
    done = run_client(gateway, f"""
c = Client("h2.example")
got = c.answer(c.request("/bad/{shape}"))
print(got["status"], got["reset"])
c = Client("h2.example")
print(c.answer(c.request("/after"))["status"])
""", ALLOW)
    first = done.out.splitlines()[0]
    assert first.startswith("502") or not first.endswith("None"), done
    assert done.out.splitlines()[1] == "200", done


def test_interim_flood_is_cut(world, gateway):
    done = run_client(gateway, """
c = Client("h2.example")
got = c.answer(c.request("/early-flood"))
print(len(got["interim"]), got["status"], got["reset"])
""", ALLOW)
    count, status, _ = done.out.split(None, 2)
    assert int(count) <= 16 and status == "502", done


def test_request_given_up_while_the_origin_is_dialled_is_not_sent(gateway):
    """In one segment, so that both are read before a connection to the origin can stand."""
    done = run_client(gateway, """
c = Raw("h2.example", preface=b"", port=80, tls=False)
get = lambda n, path: c.headers(n, [(":method", "GET"), (":scheme", "http"), (":authority", "h2.example"), (":path", path)])
c.send(PREFACE + frame(SETTINGS) + get(1, "/given-up") + frame(RST, 0, 1, struct.pack(">I", 8)) + get(3, "/wanted"))
print(dict(c.until(HEADERS, 3))[":status"])
""", ALLOW)
    assert done.out.split() == ["200"], done
    assert [e["target"] for e in done.requests()] == ["/wanted"], done
    ended = {r["request"]["path"]: r["decision"]["reason"] for r in http2_records(done)}
    assert set(ended) == {"/given-up", "/wanted"}, done



# Judgement

def test_refused_stream_explains_itself_and_the_connection_goes_on(world, gateway, nonce):
    done = run_client(gateway, f"""
c = Client("h2.example")
print(c.answer(c.request("/allowed/1"))["status"])
got = c.answer(c.request("/{nonce}", "POST", b"secret-{nonce}"))
print(got["status"], got["headers"]["x-cofferdam-reason"], b"allow" in got["body"])
head = c.answer(c.request("/denied", "HEAD"))
print(head["status"], len(head["body"]))
big = c.answer(c.request("/denied-big", "POST", b"x" * 200000, end=False))
print(big["status"])
print(c.answer(c.request("/allowed/2"))["status"])
""", ["https://h2.example/allowed/"])
    assert done.out.splitlines() == ["200", "403 path_not_allowed True", "403 0", "403", "200"], done
    assert world.traces(nonce) == [] and len(done.about(f"/{nonce}", "http")) == 1, done
    body = base64.b64encode(f"secret-{nonce}".encode()).decode()
    assert body in json.dumps(done.about(nonce)), "what was about to leave is captured"
    assert len({e["conn"] for e in done.requests()}) == 1 and len(http2_records(done)) == 5


def test_refused_host_is_answered_in_http2(world, gateway, nonce):
    done = gateway.run(f"curl --http2 -sS -w '%{{http_version}} %{{http_code}}\\n' https://denied.example/{nonce};"
                       "curl --http2 -fsS -o /dev/null -w '%{http_code}\\n' https://h2.example/", [*ALLOW, "dns:denied.example"])
    assert "2 403" in done.out and done.out.endswith("200\n"), done
    assert world.traces(nonce) == [] and len(done.about(nonce, "http")) == 1, done


def test_unreachable_and_untrusted_origins_are_answered_in_http2(gateway):
    done = gateway.run("for u in https://expired.tls.example/ https://dead.example:444/; do"
                       " curl --http2 -sS -o /dev/null -w '%{http_version} %{http_code}\\n' $u; done", ["https://expired.tls.example/", "https://dead.example:444/"])
    assert done.out.split("\n")[:2] == ["2 502", "2 502"], done
    assert sorted(r["close_reason"] for r in http2_records(done)) == ["connect_failed", "upstream_verify_failed"], done


@pytest.mark.parametrize("authority", ["echo.example", "denied.example", "h2.example:444", "H2.EXAMPLE.evil"])
def test_authority_other_than_the_name_of_tls(world, gateway, nonce, authority):
    """Coalesced streams: each is judged."""
    done = run_client(gateway, f"""
c = Client("h2.example")
a = c.request("/before")
b = c.request("/{nonce}", authority={authority!r})
d = c.request("/after")
print([c.answer(n)["status"] for n in (a, b, d)])
""", ALLOW)
    assert done.out.strip() == "[200, 421, 200]", done
    assert world.traces(nonce) == [], done
    assert [r["close_reason"] for r in done.about(nonce, "http")] == ["host_mismatch"], done


MALFORMED = {
    "line-break": [("x-a", "1\r\nx-b: 2")],
    "nul": [("x-a", "a\0b")],
    "leading-space": [("x-a", " 1")],
    "name-space": [("x a", "1")],
    "name-colon": [("x:a", "1")],
    "upper-case": [("X-A", "1")],
    "connection": [("connection", "close")],
    "keep-alive": [("keep-alive", "1")],
    "proxy-connection": [("proxy-connection", "keep-alive")],
    "transfer-encoding": [("transfer-encoding", "chunked")],
    "upgrade": [("upgrade", "websocket")],
    "te": [("te", "gzip")],
    "pseudo-late": [("x-a", "1"), (":path", "/other")],
    "pseudo-unknown": [(":x", "1")],
    "two-paths": [(":path", "/other")],
    "two-authorities": [(":authority", "denied.example")],
    "two-hosts": [("host", "h2.example"), ("host", "denied.example")],
    "host-differs": [("host", "denied.example")],
    "length-list": [("content-length", "3, 4")],
    "two-lengths": [("content-length", "3"), ("content-length", "4")],
    "length-lies": [("content-length", "5")],
    "status": [(":status", "200")],
    "protocol": [(":protocol", "websocket")],
}


@pytest.mark.parametrize("shape", MALFORMED)
def test_malformed_request_is_refused_alone(world, gateway, nonce, shape):
    done = run_client(gateway, f"""
c = Raw("h2.example")
fields = lambda path: [(":method", "GET"), (":scheme", "https"), (":authority", "h2.example"), (":path", path)]
c.send(c.headers(1, fields("/before")))
c.until(HEADERS, 1)
c.send(c.headers(3, fields("/{nonce}") + {MALFORMED[shape]!r}))
c.send(c.headers(5, fields("/after")))
after = None
for kind, flags, stream, payload in c.frames():
    if kind == HEADERS:
        got = dict(c.decoder.decode(payload))
        print(stream, got[":status"])
    elif kind == RST:
        print(stream, "reset", int.from_bytes(payload, "big"))
    elif kind == DATA and stream == 5 and flags & 1:
        break
""", ALLOW)
    lines = done.out.splitlines()
    assert "5 200" in lines and ("3 400" in lines or "3 reset 1" in lines), done
    assert world.traces(nonce) == [], done
    records = done.about(nonce, "http")
    assert len(records) == 1 and records[0]["decision"]["action"] == "deny", done


TARGETS = ["{n}", "http://denied.example/{n}", "//denied.example/../{n}", "/a/../{n}", "/a/%2e%2e/{n}", "/{n}#x", "/{n} x",
           "/%c0%ae%c0%ae/{n}", "*{n}", ""]


@pytest.mark.parametrize("target", TARGETS)
def test_targets_are_judged_as_sent(world, gateway, nonce, target):
    done = run_client(gateway, f"""
c = Client("h2.example")
got = c.answer(c.request({target.format(n=nonce)!r}))
print(got["status"], got["reset"])
print(c.answer(c.request("/after"))["status"])
""", ["https://h2.example/"])
    assert done.out.splitlines()[-1] == "200", done
    seen = [e for e in done.requests() if nonce in e["target"]]
    assert all(".." not in e["target"] and e["target"].startswith("/") for e in seen), done
    if seen:
        assert [e["target"] for e in seen] == [r["request"]["path"] for r in done.about(nonce, "http")], done
    else:
        assert len([r for r in http2_records(done) if r["decision"]["action"] == "deny"]) == 1, done


@pytest.mark.parametrize("fields", [
    [(":method", "CONNECT"), (":authority", "{n}.denied.example:443")],
    [(":method", "CONNECT"), (":authority", "h2.example:443"), ("x-nonce", "{n}")],
    [(":method", "CONNECT"), (":protocol", "connect-udp"), (":scheme", "https"), (":authority", "h2.example"), (":path", "/{n}")],
])
def test_no_tunnel(world, gateway, nonce, fields):
    fields = [(name, value.format(n=nonce)) for name, value in fields]
    done = run_client(gateway, f"""
c = Client("h2.example")
n = c.h2.get_next_available_stream_id()
c.h2.send_headers(n, {fields!r}); c.flush()
got = c.answer(n)
print(got["status"], got["reset"])
print(c.answer(c.request("/after"))["status"])
""", [*ALLOW, "https://*.denied.example/"])
    assert done.out.splitlines()[0].split()[0] in ("405", "400", "None") and done.out.splitlines()[1] == "200", done
    assert world.traces(nonce) == [], done
    assert len([r for r in http2_records(done) if r["decision"]["action"] == "deny"]) == 1, done


def test_rules_see_trailers_and_dns_over_https(gateway, nonce):
    rule = {"name": "secret", "expr": f'http.req.headers.x-secret == "{nonce}"', "action": "deny"}
    done = run_client(gateway, """
c = Client("h2.example")
print(c.answer(c.request("/before"))["status"])
got = c.answer(c.request("/x", "POST", b"abc", trailers=[("x-secret", "NONCE")]))
print(got["status"], got["headers"].get("x-cofferdam-reason"))
got = c.answer(c.request("/dns-query", "POST", bytes(12) + b"q", extra=[("content-type", "application/dns-message")]))
print(got["status"], got["headers"].get("x-cofferdam-reason"))
print(c.answer(c.request("/after"))["status"])
""".replace("NONCE", nonce), ALLOW, policy={"rules": [rule]})
    assert done.out.splitlines() == ["200", "403 denied_by_rule", "403 encrypted_dns", "200"], done
    assert all(nonce not in json.dumps(e) for e in done.requests()), done
    assert [e["target"] for e in done.requests()] == ["/before", "/after"], done


# WebSocket (RFC 8441)

WEBSOCKET = """
def open_websocket(c, path):
    n = c.h2.get_next_available_stream_id()
    c.h2.send_headers(n, [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
                          (":authority", c.authority), (":path", path), ("sec-websocket-version", "13")])
    c.flush()
    return n
def until_data(c, n, size):
    out, status = b"", None
    while len(out) < size:
        mine = [e for e in c.events if getattr(e, "stream_id", None) == n]
        c.events = [e for e in c.events if getattr(e, "stream_id", None) != n]
        for event in mine:
            if isinstance(event, h2.events.ResponseReceived): status = dict(event.headers)[":status"]
            if isinstance(event, h2.events.DataReceived): out += event.data
            if isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)): return status, out
        if len(out) < size: c.pump()
    return status, out
"""


def test_websocket_over_http2(world, gateway, nonce):
    done = run_client(gateway, WEBSOCKET + f"""
c = Client("h2.example")
c.answer(c.request("/settle"))
n = open_websocket(c, "/chat")
c.body(n, b"hello" * 100000, end=False)
status, got = until_data(c, n, 500000)
print(status, len(got))
c.h2.end_stream(n); c.flush()
print(until_data(c, n, 1))
m = open_websocket(c, "/{nonce}")
print(c.answer(m)["status"])
print(c.answer(c.request("/chat/after"))["status"])
""", ["https://h2.example/chat", "https://h2.example/settle"])
    assert done.out.splitlines() == ["200 500000", "(None, b'')", "403", "200"], done
    record = done.about('"/chat"', "http")[0]
    assert record["close_reason"] == "completed" and record["metadata"]["bytes_sent"] >= 500000, record
    assert record["metadata"]["bytes_received"] >= 500000 and record["request"]["method"] == "GET", record
    assert world.traces(nonce) == [] and len(done.about(nonce, "http")) == 1, done


def test_websocket_over_http2_before_an_origin_of_http1(world, gateway):
    done = run_client(gateway, WEBSOCKET + """
c = Client("echo.example")
n = open_websocket(c, "/ws")
c.body(n, bytes([0x81, 0x85, 0, 0, 0, 0]) + b"hello", end=False)
print(until_data(c, n, 7))
c.body(n, bytes([0x88, 0x80, 0, 0, 0, 0]), end=False)
print(until_data(c, n, 2))
c.h2.end_stream(n); c.flush()
print(until_data(c, n, 1))
""", ALLOW)
    assert done.out.splitlines()[0] == "('200', b'\\x81\\x05hello')" and "\\x88\\x00" in done.out, done
    record = http2_records(done)[0]
    assert record["response"]["status"] in (101, 200) and record["metadata"]["bytes_received"] >= 9, record
    upgrade = done.requests()[0]["headers"]
    assert ["Upgrade", "websocket"] in upgrade and len([1 for n, _ in upgrade if n.lower() == "sec-websocket-key"]) == 1


# Attacks. Each ends with the connection, and leaves the gateway as it was: `control` is a request that must work.

ATTACK = """
def control():
    c = Client("h2.example")
    print("control", c.answer(c.request("/control"))["status"])
def end(c):
    for kind, flags, stream, payload in c.frames():
        if kind == GOAWAY:
            print("goaway", int.from_bytes(payload[4:8], "big"))
            return
    print("closed")
def attempt(c, content, times):
    try:
        for _ in range(times): c.send(content() if callable(content) else content)
    except OSError as error:
        pass
def fields(path, **more):
    return [(":method", "GET"), (":scheme", "https"), (":authority", "h2.example"), (":path", path)]
control()
c = Raw("h2.example")
"""

FLOODS = {
    "rapid-reset": """
numbers = iter(range(1, 100000, 2))
def one():
    n = next(numbers)
    return c.headers(n, fields("/never")) + frame(RST, 0, n, (8).to_bytes(4, "big"))
attempt(c, one, 3000)
""",
    "made-you-reset-window": """
numbers = iter(range(1, 100000, 2))
def one():
    n = next(numbers)
    return c.headers(n, fields("/never")) + frame(WINDOW, 0, n, (0).to_bytes(4, "big"))
attempt(c, one, 3000)
""",
    "made-you-reset-overflow": """
numbers = iter(range(1, 100000, 2))
def one():
    n = next(numbers)
    return c.headers(n, fields("/never")) + frame(WINDOW, 0, n, (0x7fffffff).to_bytes(4, "big"))
attempt(c, one, 3000)
""",
    "made-you-reset-malformed": """
numbers = iter(range(1, 100000, 2))
def one():
    n = next(numbers)
    return c.headers(n, fields("/never") + [("te", "gzip")])
attempt(c, one, 3000)
""",
    "too-many-streams": """
numbers = iter(range(1, 100000, 2))
attempt(c, lambda: c.headers(next(numbers), fields("/never")), 3000)
""",
    "settings": "attempt(c, frame(SETTINGS, 0, 0, b'') * 10, 1000)",
    "settings-values": "attempt(c, frame(SETTINGS, 0, 0, b'\\0\\4\\0\\1\\0\\0' * 30), 5000)",
    "ping": "attempt(c, frame(PING, 0, 0, bytes(8)) * 10, 1000)",
    "priority": """
c.send(c.headers(1, fields("/never")))
attempt(c, frame(2, 0, 1, bytes(5)) * 10, 1000)
""",
    "empty-data": """
c.send(c.headers(1, fields("/x"), end=False))
attempt(c, frame(DATA, 0, 1, b"") * 10, 1000)
""",
    "continuation": """
c.send(frame(HEADERS, 0, 1, c.encoder.encode(fields("/x"), huffman=False)))
attempt(c, frame(CONTINUATION, 0, 1, c.encoder.encode([("x-a", "b" * 1000)], huffman=False)), 5000)
""",
    "empty-continuation": """
c.send(frame(HEADERS, 0, 1, c.encoder.encode(fields("/x"), huffman=False)))
attempt(c, frame(CONTINUATION, 0, 1, b"") * 10, 10000)
""",
    "hpack-bomb": """
block = c.encoder.encode(fields("/x") + [("x-bomb", "b" * 4000)], huffman=False)
block += b"\\xbe" * (16384 - len(block))
attempt(c, frame(HEADERS, 5, 1, block), 1)
""",
    "large-frame": "attempt(c, frame(DATA, 0, 1, bytes(100000)), 1)",
    "flow-control": """
c.send(c.headers(1, [(":method", "POST")] + fields("/never")[1:], end=False))
attempt(c, frame(DATA, 0, 1, bytes(16384)), 2000)
""",
    "even-stream": "c.send(c.headers(2, fields('/x')))",
    "data-on-idle": "c.send(frame(DATA, 0, 5, b'x'))",
    "headers-after-end": """
c.send(c.headers(1, fields("/never")))
c.send(c.headers(1, fields("/never")))
""",
    "push-promise": "c.send(frame(5, 4, 1, (2).to_bytes(4, 'big') + c.encoder.encode(fields('/x'))))",
    "bad-hpack": "c.send(frame(HEADERS, 5, 1, b'\\xff\\xff\\xff\\xff\\xff'))",
}
STREAM_ERRORS = {"flow-control", "headers-after-end"}  # may end the stream only


@pytest.mark.parametrize("attack", FLOODS)
def test_attack_ends_with_its_connection(gateway, attack):
    tail = "" if attack in STREAM_ERRORS else "end(c)\n"
    done = run_client(gateway, ATTACK + FLOODS[attack] + "\n" + tail + "control()\n", ALLOW, timeout=100)
    assert done.out.count("control 200") == 2, done
    if attack not in STREAM_ERRORS:
        assert "goaway" in done.out or "closed" in done.out, done
    seen = len([e for e in done.events if e["kind"] == "head"])
    assert seen <= 2 + 400 + 100, f"the origin was spared: {seen}"
    refused = [r for r in done.of_type("http") + done.of_type("connection") if "/control" not in json.dumps(r)]
    assert refused, "an attack is recorded"
    assert "internal_error" not in json.dumps(done.records), done


def test_memory_under_attack(world, gateway):
    """Ten connections with a hundred stalled streams each: what the gateway holds is bounded by the windows."""
    text = f"""import sys; sys.path.insert(0, {str(world.scripts)!r})
from h2_client import *
held = []
for _ in range(10):
    c = Client("h2.example", window=0)
    for _ in range(100): c.request("/stream?bytes=10000000")
    held.append(c)
    for _ in range(20):
        try: c.pump(0.2)
        except OSError: break
open("stalled", "w").close()
sys.stdin.read()
"""
    running = gateway.start([PYTHON, "-c", text], ALLOW, stdin=-1)
    running.wait_for("stalled", 90)
    memory = running.memory()
    running.process.stdin.close()
    running.process.wait(30)
    assert memory < 200 << 20, f"{memory >> 20} MiB"


def test_slow_head_is_cut(gateway):
    done = run_client(gateway, ATTACK + """
c.send(frame(HEADERS, 0, 1, c.encoder.encode(fields("/slow"), huffman=False)))
end(c)
control()
""", ALLOW, policy={"http": {"head_timeout": "1s"}})
    assert done.out.split() == ["control", "200", "closed", "control", "200"], done


def test_idle_connection_is_closed(gateway):
    done = run_client(gateway, ATTACK + "end(c)\ncontrol()\n", ALLOW, policy={"http": {"idle_timeout": "500ms"}})
    assert done.out.split() == ["control", "200", "goaway", "0", "control", "200"], done
    assert [r["connection"]["close_reason"] for r in done.of_type("connection")] == ["client_timed_out"], done


def test_silent_origin_is_504(gateway):
    done = run_client(gateway, """
c = Client("h2.example")
n, m = c.request("/never"), c.request("/after")
print(c.answer(m)["status"], c.answer(n)["status"])
""", ALLOW, policy={"http": {"response_timeout": "500ms"}})
    assert done.out.split() == ["200", "504"], done


def test_stalled_client_loses_its_stream_alone(gateway):
    done = run_client(gateway, """
c = Client("h2.example", window=0)
n = c.request("/stream?bytes=10000000")
got = c.answer(n, 30)
print(got["status"], got["reset"])
print(c.answer(c.request("/status/204"))["status"])
""", ALLOW, policy={"http": {"body_timeout": "1s"}})
    assert done.out.split() == ["200", "8", "204"], done
    assert http2_records(done)[0]["close_reason"] == "client_timed_out", done


def test_limits_are_settings(gateway):
    done = run_client(gateway, ATTACK + """
for kind, flags, stream, payload in c.frames():
    if kind == SETTINGS and not flags:
        print({payload[i + 1]: int.from_bytes(payload[i + 2:i + 6], "big") for i in range(0, len(payload), 6)})
        break
for n in range(1, 40, 2): c.send(c.headers(n, fields("/never")))
refused = 0
for kind, flags, stream, payload in c.frames(1):
    refused += kind == RST and payload[3] == 7
print("refused", refused)
""", ALLOW, policy={"http": {"max_head": "32KiB", "http2": {"max_streams": 7, "stream_window": "128KiB", "max_frame": "32KiB"}}})
    assert "3: 7" in done.out and "4: 131072" in done.out and "5: 32768" in done.out and "6: 32768" in done.out, done
    assert "refused 13" in done.out, done
    assert [r["close_reason"] for r in http2_records(done)].count("overload") == 13, done


def test_large_head_is_431(gateway):
    done = run_client(gateway, """
c = Client("h2.example")
n = c.request("/large", extra=[(f"x-{i}", "y" * 1000) for i in range(90)])
print(c.answer(n)["status"])
print(c.answer(c.request("/after"))["status"])
""", ALLOW)
    assert done.out.split() == ["431", "200"], done


# Real clients and servers

NODE_SERVER = """
const http2 = require('http2'), fs = require('fs');
const pem = fs.readFileSync(process.argv[2]);
const server = http2.createSecureServer({ key: pem, cert: pem, allowHTTP1: true });
server.on('stream', (stream, headers) => {
  let size = 0;
  stream.on('data', (piece) => size += piece.length);
  stream.on('end', () => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-size': String(size) }));
    stream.end(headers[':path'] + ' ' + size);
  });
});
server.listen(443, process.argv[3]);
"""

NODE_CLIENT = """
const http2 = require('http2');
const session = http2.connect('https://node.example');
let left = 20;
for (let i = 0; i < 20; i++) {
  const stream = session.request({ ':path': '/n' + i, ':method': 'POST' });
  let text = '', size = '';
  stream.on('data', (piece) => text += piece);
  stream.on('trailers', (fields) => size = fields['x-size']);
  stream.on('end', () => { console.log(text, size); if (--left === 0) session.close(); });
  stream.end(Buffer.alloc(100000));
}
"""


def test_node(world, gateway):
    server = world.folder / "state" / "server.js"
    server.write_text(NODE_SERVER)
    world.serve_at("node", (names.NODE_H2, 443), "node", str(server), str(world.authority.folder / "node.example.pem"),
                names.NODE_H2)
    done = gateway.run(["node", "-"], ["https://node.example/"], input=NODE_CLIENT.encode())
    assert sorted(done.out.splitlines()) == sorted(f"/n{i} 100000 100000" for i in range(20)), done
    assert len(http2_records(done)) == 20, done


def test_httpx(gateway):
    done = gateway.run([PYTHON, "-"], ALLOW, input=b"""
import httpx, ssl
with httpx.Client(http2=True, verify=ssl.create_default_context()) as client:
    got = [client.get("https://h2.example/one"), client.post("https://h2.example/two", content=b"x" * 200000)]
    print([(r.status_code, r.http_version) for r in got], got[1].json()["length"])
""")
    assert done.out.strip() == "[(200, 'HTTP/2'), (200, 'HTTP/2')] 200000", done


GO_PROGRAM = """
package main
import ("fmt"; "io"; "net/http"; "os"; "strings"; "sync")
func main() {
	if len(os.Args) > 2 {
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Size")
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%s %s %d", r.Proto, r.URL.Path, n)
			w.Header().Set("X-Size", fmt.Sprint(n))
		})
		panic(http.ListenAndServeTLS(os.Args[1]+":443", os.Args[2], os.Args[2], nil))
	}
	var all sync.WaitGroup
	var mutex sync.Mutex
	for i := 0; i < 30; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			r, err := http.Post(fmt.Sprintf("https://go.example/g%d", i), "text/plain", strings.NewReader(strings.Repeat("x", 300000)))
			if err != nil { fmt.Println(err); return }
			body, _ := io.ReadAll(r.Body)
			mutex.Lock()
			fmt.Println(string(body), r.Proto, r.Trailer.Get("X-Size"))
			mutex.Unlock()
		}(i)
	}
	all.Wait()
}
"""


def test_go(world, gateway):
    source = world.folder / "state" / "go"
    source.mkdir()
    (source / "main.go").write_text(GO_PROGRAM)
    (source / "go.mod").write_text("module fixture\n")
    subprocess.run(["go", "build", "-o", str(world.folder / "tools" / "go-http2"), "."], cwd=source, check=True,
                   env={**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"})
    world.serve_at("go", (names.GO_H2, 443), str(world.folder / "tools" / "go-http2"), names.GO_H2,
                str(world.authority.folder / "go.example.pem"))
    done = gateway.run(["go-http2"], ["https://go.example/"])
    assert sorted(done.out.splitlines()) == sorted(f"HTTP/2.0 /g{i} 300000 HTTP/2.0 300000" for i in range(30)), done
    assert len(http2_records(done)) == 30, done


def test_git(world, gateway):
    """Smart HTTP over HTTP/2: nghttpx in front of the git server."""
    pem = str(world.authority.folder / "git.h2.example.pem")
    world.serve_at("nghttpx", (names.GIT_H2, 443), "nghttpx", f"-f{names.GIT_H2},443", f"-b{names.ORIGIN},80", "--workers=1", pem, pem)
    done = gateway.run("GIT_CURL_VERBOSE=1 git clone -q https://git.h2.example/team/project.git w 2>log; ls w; grep -c 'using HTTP/2' log",
                       ["https://git.h2.example/team/"])
    assert done.code == 0 and len(done.out.split()) > 1, done
    assert len(http2_records(done)) >= 2 and all(r["close_reason"] == "completed" for r in http2_records(done)), done


CARGO_SERVER = """
const http2 = require('http2'), fs = require('fs'), path = require('path');
const [pem, address, index, crates, origin] = process.argv.slice(2);
const key = fs.readFileSync(pem);
const server = http2.createSecureServer({ key, cert: key });
server.on('stream', (stream, headers) => {
  const where = headers[':path'];
  if (where === '/index/config.json') {
    stream.respond({ ':status': 200 });
    stream.end(JSON.stringify({ dl: origin + '/dl' }));
    return;
  }
  const [, kind, ...rest] = where.split('/');
  stream.respondWithFile(path.join(kind === 'dl' ? crates : index, ...rest), {}, { onError() { stream.respond({ ':status': 404 }, { endStream: true }); } });
});
server.listen(8444, address);
"""


def test_cargo(world, gateway):
    """A sparse index and its crates from a server that speaks HTTP/2 alone."""
    origin = "https://node.example:8444"
    server = world.folder / "state" / "cargo_server.js"
    server.write_text(CARGO_SERVER)
    world.serve_at("cargo", (names.NODE_H2, 8444), "node", str(server), str(world.authority.folder / "node.example.pem"),
                   names.NODE_H2, str(world.www / names.CRATES_INDEX), str(world.www / names.CRATES / "crates"), origin)
    folder = world.job_folder(project="cargo")
    (folder / "work" / "Cargo.lock").unlink()  # it names the index of HTTP/1.1
    done = gateway.run(["cargo", "fetch"], [f"{origin}/index/", f"{origin}/dl/"], folder=folder, env={"CARGO_REGISTRIES_FIXTURE_INDEX": f"sparse+{origin}/index/"})
    crates = list((done.folder / "home/.cargo/registry/cache").glob("*/*.crate"))
    assert done.code == 0 and len(crates) == cargo_packages.COUNT, done
    assert len(http2_records(done)) == len(done.of_type("http")) >= 2 * cargo_packages.COUNT + 1, done


WEBSOCKET_SERVER = """
import asyncio, ssl, sys, websockets
async def echo(socket):
    async for message in socket: await socket.send(message)
async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    async with websockets.serve(echo, sys.argv[2], 8443, ssl=context, max_size=None, compression=None,
                                ping_interval=None): await asyncio.Future()
asyncio.run(main())
"""

WEBSOCKET_CLIENT = """
import asyncio, ssl, websockets
async def main():
    context = ssl.create_default_context()
    piece, count = bytes(range(256)) * 4096, 1024
    async with websockets.connect("wss://node.example:8443/chat", ssl=context, max_size=None, compression=None,
                                  ping_interval=None) as socket:  # a ping waits behind megabytes
        async def send():
            for _ in range(count): await socket.send(piece)
        sender = asyncio.create_task(send())
        same = 0
        for _ in range(count): same += await socket.recv() == piece
        await sender
        print(same)
    try:
        await websockets.connect("wss://node.example:8443/denied", ssl=context)
    except websockets.InvalidStatusCode as error:
        print(error.status_code)
asyncio.run(main())
"""


def test_websocket_client_echoes_a_gigabyte(world, gateway):
    server = world.folder / "state" / "websocket.py"
    server.write_text(WEBSOCKET_SERVER)
    world.serve_at("websocket", (names.NODE_H2, 8443), PYTHON, str(server), str(world.authority.folder / "node.example.pem"),
                names.NODE_H2)
    done = gateway.run([PYTHON, "-"], ["https://node.example:8443/chat"], input=WEBSOCKET_CLIENT.encode(), timeout=300)
    assert done.out.split() == ["1024", "403"], done
    record = next(r for r in done.of_type("http") if r["decision"]["action"] == "allow")  # of the two connections' either may be first
    assert record["close_reason"] == "completed" and record["request"]["protocol"] == "http1", record
    assert min(record["metadata"]["bytes_sent"], record["metadata"]["bytes_received"]) > 1 << 30, record


# Frames of a fixed length, masked with zeros by the client and without a mask by the server, so that only heads differ.
WEBSOCKET_H2 = """
const http2 = require('http2'), fs = require('fs');
const SIZE = 1 << 20;
const head = (opcode, size, masked) => {
  const out = Buffer.alloc(masked ? 14 : 10);
  out[0] = 0x80 | opcode; out[1] = (masked ? 0x80 : 0) | 127;
  out.writeBigUInt64BE(BigInt(size), 2);
  return out;
};
function frames(stream, masked, onFrame) {  // onFrame(opcode, piece, whether it begins one)
  let have = Buffer.alloc(0), left = 0, opcode = 0;
  stream.on('data', (data) => {
    while (data.length) {
      if (left) {
        const piece = data.subarray(0, left);
        data = data.subarray(piece.length); left -= piece.length;
        onFrame(opcode, piece, false);
        continue;
      }
      const need = (masked ? 14 : 10) - have.length;
      have = Buffer.concat([have, data.subarray(0, need)]); data = data.subarray(need);
      if (have.length < (masked ? 14 : 10)) continue;
      opcode = have[0] & 15; left = Number(have.readBigUInt64BE(2)); have = Buffer.alloc(0);
      onFrame(opcode, Buffer.alloc(0), true);
    }
  });
}
function serve(pem, address) {
  const key = fs.readFileSync(pem);
  const server = http2.createSecureServer({ key, cert: key, settings: { enableConnectProtocol: true, initialWindowSize: 1 << 20 } });
  server.on('stream', (stream, headers) => {
    if (headers[':protocol'] !== 'websocket') { stream.respond({ ':status': 404 }, { endStream: true }); return; }
    stream.respond({ ':status': 200 });
    frames(stream, true, (opcode, piece, begins) => {
      if (begins) stream.write(head(opcode, opcode === 8 ? 0 : SIZE, false));
      else if (!stream.write(piece)) { stream.pause(); stream.once('drain', () => stream.resume()); }
      if (opcode === 8) stream.end();
    });
  });
  server.listen(8445, address);
}
function connect(count) {
  const session = http2.connect('https://node.example:8445', { settings: { initialWindowSize: 1 << 20 } });
  const open = (path) => session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, 'sec-websocket-version': '13' });
  let begun = false;
  session.on('remoteSettings', (settings) => {
    if (begun || !settings.enableConnectProtocol) return;
    begun = true;
    const denied = open('/denied');
    denied.on('response', (answer) => { console.log(answer[':status']); denied.close(); });
    const stream = open('/chat'), content = Buffer.alloc(SIZE, 'w');
    let sent = 0, got = 0;
    const more = () => {
      while (sent < count) {
        sent++; stream.write(head(2, SIZE, true));
        if (!stream.write(content)) { stream.once('drain', more); return; }
      }
      stream.write(head(8, 0, true)); stream.end();
    };
    frames(stream, false, (opcode, piece) => { if (opcode === 2) got += piece.length; });
    stream.on('end', () => { console.log(got / SIZE); session.close(); });
    more();
  });
}
process.argv[2] === 'serve' ? serve(process.argv[3], process.argv[4]) : connect(Number(process.argv[2]));
"""


def test_websocket_over_http2_echoes(world, gateway):
    """COFFERDAM_WEBSOCKET_MIB there and back (128; 1024 for the real thing), over RFC 8441 on both sides."""
    count = int(os.environ.get("COFFERDAM_WEBSOCKET_MIB", "128"))
    script = world.scripts / "websocket_h2.js"
    script.write_text(WEBSOCKET_H2)
    world.serve_at("websocket-h2", (names.NODE_H2, 8445), "node", str(script), "serve",
                   str(world.authority.folder / "node.example.pem"), names.NODE_H2)
    done = gateway.run(["node", str(script), str(count)], ["https://node.example:8445/chat"], timeout=200)
    assert sorted(done.out.split()) == sorted(["403", str(count)]), done
    record = next(r for r in http2_records(done) if r["request"]["path"] == "/chat")
    assert record["close_reason"] == "completed" and record["request"]["method"] == "GET", record
    assert record["metadata"]["bytes_sent"] >= count * ((1 << 20) + 14) + 14, record
    assert record["metadata"]["bytes_received"] >= count * ((1 << 20) + 10) + 10, record


@pytest.mark.parametrize("first, second, outcome, served", [
    ("echo.example/http/1.1", "echo.example/http/1.1", ["http/1.1", "HTTP/1.1 200 Fixture"], True),
    ("echo.example/h2,http/1.1", "echo.example/http/1.1", ["http/1.1", "HTTP/1.1 200 Fixture"], True),
    ("echo.example/http/1.1", "echo.example/dot", ["alert 120"], False),
    ("echo.example/http/1.1", "echo.example/h2", ["alert 120"], False),
    ("h2.example/h2,http/1.1", "h2.example/http/1.1", ["alert 120"], False),
    ("echo.example/http/1.1", "denied.example/http/1.1", ["http/1.1", "HTTP/1.1 421 Misdirected Request"], False),
    ("denied.example/http/1.1", "echo.example/http/1.1", ["http/1.1", "HTTP/1.1 421 Misdirected Request"], False),
])
def test_second_of_two_hellos_that_differs(world, gateway, nonce, first, second, outcome, served):
    """HelloRetryRequest: RFC 8446, 4.1.2. The first hello is judged; another name or protocol in the second opens nothing."""
    host, dialled = second.split("/")[0], "h2.example" if "h2.example" in first else "echo.example"
    done = gateway.run(f"/usr/bin/python3 {world.scripts}/two_hellos.py {dialled} {first} {second} {host} /{nonce}", ALLOW)
    assert done.out.splitlines() == outcome, done
    assert bool(world.traces(nonce)) == served, done
