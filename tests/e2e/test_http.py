"""HTTP/1.1 through the gateway: honest messages arrive as they are, ambiguous ones are refused and end the connection."""
from __future__ import annotations

import hashlib
import re
import shlex
from datetime import datetime

import pytest

ALLOW = ["https://echo.example/", "http://echo.example/", "http://echo.example:8080/", "dns:denied.example"]
HOST = "Host: echo.example\\r\\n"
GET = "GET /{n} HTTP/1.1\\r\\n" + HOST
POST = "POST /{n} HTTP/1.1\\r\\n" + HOST
FOLLOWER = "GET /follower-{n} HTTP/1.1\\r\\nHost: echo.example\\r\\n\\r\\n"

# Refused by their head: the origin sees nothing of them.
HEADS = {
    "length-and-chunked": POST + "Content-Length: 5\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n",
    "chunked-and-length": POST + "Transfer-Encoding: chunked\\r\\nContent-Length: 5\\r\\n\\r\\n0\\r\\n\\r\\n",
    "two-lengths": POST + "Content-Length: 3\\r\\nContent-Length: 4\\r\\n\\r\\nabcd",
    "length-list": POST + "Content-Length: 3, 4\\r\\n\\r\\nabcd",
    "length-plus": POST + "Content-Length: +3\\r\\n\\r\\nabc",
    "length-negative": POST + "Content-Length: -1\\r\\n\\r\\nabc",
    "length-huge": POST + "Content-Length: 99999999999999999999999\\r\\n\\r\\nabc",
    "length-hex": POST + "Content-Length: 0x3\\r\\n\\r\\nabc",
    "coding-unknown": POST + "Transfer-Encoding: xchunked\\r\\n\\r\\n0\\r\\n\\r\\n",
    "coding-not-last": POST + "Transfer-Encoding: chunked, identity\\r\\n\\r\\n0\\r\\n\\r\\n",
    "coding-twice": POST + "Transfer-Encoding: chunked\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n",
    "coding-vertical-tab": POST + "Transfer-Encoding: \\013chunked\\r\\n\\r\\n0\\r\\n\\r\\n",
    "coding-in-1.0": "POST /{n} HTTP/1.0\\r\\n" + HOST + "Transfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n",
    "obs-fold": GET + "X-A: 1\\r\\n 2\\r\\n\\r\\n",
    "bare-lf": "GET /{n} HTTP/1.1\\nHost: echo.example\\n\\n",
    "bare-lf-in-field": GET + "X-A: 1\\nX-B: 2\\r\\n\\r\\n",
    "bare-cr": GET + "X-A: 1\\rX-B: 2\\r\\n\\r\\n",
    "nul": GET + "X-A: a\\000b\\r\\n\\r\\n",
    "space-before-colon": POST + "Content-Length : 3\\r\\n\\r\\nabc",
    "leading-space": "GET /{n} HTTP/1.1\\r\\n X-A: 1\\r\\n" + HOST + "\\r\\n",
    "no-colon": GET + "nonsense\\r\\n\\r\\n",
    "empty-name": GET + ": x\\r\\n\\r\\n",
    "no-host": "GET /{n} HTTP/1.1\\r\\n\\r\\n",
    "two-hosts": "GET /{n} HTTP/1.1\\r\\n" + HOST + HOST + "\\r\\n",
    "host-userinfo": "GET /{n} HTTP/1.1\\r\\nHost: user@echo.example\\r\\n\\r\\n",
    "host-list": "GET /{n} HTTP/1.1\\r\\nHost: echo.example, other.example\\r\\n\\r\\n",
    "host-path": "GET /{n} HTTP/1.1\\r\\nHost: echo.example/x\\r\\n\\r\\n",
    "absolute-form-other-host": "GET http://denied.example/{n} HTTP/1.1\\r\\n" + HOST + "\\r\\n",
    "rootless-target": "GET {n} HTTP/1.1\\r\\n" + HOST + "\\r\\n",
    "fragment-in-target": "GET /{n}#x HTTP/1.1\\r\\n" + HOST + "\\r\\n",
    "space-in-target": "GET /{n} x HTTP/1.1\\r\\n" + HOST + "\\r\\n",
    "bad-version": "GET /{n} HTTP/1.1x\\r\\n" + HOST + "\\r\\n",
    "bad-method": "GE(T /{n} HTTP/1.1\\r\\n" + HOST + "\\r\\n",
    "dot-segments": "GET /a/../{n} HTTP/1.1\\r\\n" + HOST + "\\r\\n",
    "overlong-utf8": "GET /%%c0%%ae%%c0%%ae/{n} HTTP/1.1\\r\\n" + HOST + "\\r\\n",
}
MAY_BE_CARRIED_AS_JUDGED = {"dot-segments", "overlong-utf8"}  # refused, or exactly the judged bytes are forwarded
NOT_400 = {"absolute-form-other-host": (400, 403, 421), "length-huge": (400, 413), "bad-version": (400, 505),
           "bad-method": (400, 0)}  # 0: not taken for HTTP at all, and cut off

# Refused in their body: the head may have gone out, but the origin sees no complete request.
BODIES = {
    "chunk-size-text": "zz\\r\\nabc\\r\\n0\\r\\n\\r\\n",
    "chunk-size-overflow": "FFFFFFFFFFFFFFFFF\\r\\nabc\\r\\n0\\r\\n\\r\\n",
    "chunk-size-minus": "-3\\r\\nabc\\r\\n0\\r\\n\\r\\n",
    "chunk-size-0x": "0x3\\r\\nabc\\r\\n0\\r\\n\\r\\n",
    "chunk-bare-lf": "3\\nabc\\n0\\n\\n",
    "chunk-too-long": "3\\r\\nabcd\\r\\n0\\r\\n\\r\\n",
    "chunk-no-crlf": "3\\r\\nabc0\\r\\n\\r\\n",
    "chunk-extension-lf": "3;x\\ny\\r\\nabc\\r\\n0\\r\\n\\r\\n",
    "trailer-bare-lf": "3\\r\\nabc\\r\\n0\\r\\nX-T: 1\\n\\r\\n",
    "trailer-fold": "3\\r\\nabc\\r\\n0\\r\\nX-T: 1\\r\\n 2\\r\\n\\r\\n",
}


def raw(world, content: str, options: str = "echo.example 80") -> str:
    return f"printf {shlex.quote(content)} | /usr/bin/python3 {world.scripts}/raw_client.py {options}"


def complete_requests(done, nonce: str) -> list[dict]:
    return [e for e in done.events if e["kind"] == "http" and nonce in e["target"]]


@pytest.mark.parametrize("shape", HEADS)
def test_ambiguous_head_is_refused_and_ends_the_connection(world, gateway, nonce, shape):
    content = HEADS[shape].format(n=nonce) + FOLLOWER.format(n=nonce)
    done = gateway.run("curl -fsS http://echo.example/before >/dev/null && echo control;" + raw(world, content)
                       + ";curl -fsS http://echo.example/after >/dev/null && echo control", ALLOW)
    assert done.out.count("control\n") == 2, done
    if shape in MAY_BE_CARRIED_AS_JUDGED and "200 Fixture" in done.out:
        seen, judged = complete_requests(done, nonce)[0], done.about(nonce, "http")[0]
        assert seen["target"] == judged["request"]["path"] and ".." not in seen["target"], done
        return
    status = int(done.out.split("HTTP/1.1 ", 1)[1].split()[0]) if "HTTP/1.1 " in done.out else 0
    assert status in NOT_400.get(shape, (400,)), done
    assert world.traces(nonce) == [], "the origin sees neither the request nor what follows it"
    assert "peer-closed" in done.err or "ConnectionReset" in done.err, "400 and close"
    denied = [r for r in done.of_type("http") + done.of_type("connection") if r["decision"]["action"] == "deny"]
    assert len(denied) == 1, done


@pytest.mark.parametrize("shape", BODIES)
def test_ambiguous_body_never_completes(world, gateway, nonce, shape):
    head = POST + "Transfer-Encoding: chunked\\r\\n\\r\\n"
    content = head.format(n=nonce) + BODIES[shape] + FOLLOWER.format(n=nonce)
    done = gateway.run(raw(world, content), ALLOW)
    assert complete_requests(done, nonce) == [], done
    assert "200 Fixture" not in done.out and "peer-closed" in done.err, done
    assert f"follower-{nonce}" not in str(done.events)


@pytest.mark.parametrize("content", [
    "CONNECT denied.example:443 HTTP/1.1\\r\\nHost: denied.example:443\\r\\n\\r\\n{n}",
    "CONNECT echo.example:443 HTTP/1.1\\r\\nHost: echo.example:443\\r\\n\\r\\n{n}",
    "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n{n}",
])
def test_no_tunnel(world, gateway, nonce, content):
    done = gateway.run(raw(world, content.format(n=nonce)), ALLOW)
    assert " 200 " not in done.out.split("\r\n")[0] and world.traces(nonce) == [], done


def test_upgrade_to_h2c_is_not_carried(world, gateway):
    content = (f"GET /up HTTP/1.1\\r\\n{HOST}Connection: Upgrade, HTTP2-Settings\\r\\nUpgrade: h2c\\r\\n"
               "HTTP2-Settings: AAA\\r\\n\\r\\n")
    done = gateway.run(raw(world, content), ALLOW)
    assert "101" not in done.out.split("\r\n")[0], done
    assert all("h2c" not in str(e.get("headers")) for e in done.requests()), done


@pytest.mark.parametrize("named", ["X-Named", "Host", "Content-Length", "Transfer-Encoding", "Connection, close, X-Named"])
def test_fields_that_connection_names_end_here_or_the_request_does(world, gateway, nonce, named):
    """What frames and routes a message is no field of one hop, whatever it says: the origin sees the judged message, or none."""
    content = POST + f"Connection: {named}\\r\\nX-Named: {nonce}-named\\r\\nContent-Length: 3\\r\\n\\r\\nabc" + FOLLOWER
    done = gateway.run(raw(world, content.format(n=nonce)), ALLOW)
    for request in complete_requests(done, nonce):
        assert (request["host"], request["length"]) == ("echo.example", 0 if "follower" in request["target"] else 3), done
    assert complete_requests(done, nonce) or " 400 " in done.out, done
    assert "X-Named" not in named or world.traces(f"{nonce}-named") == [], done
    assert len(done.of_type("http")) == max(1, len(complete_requests(done, nonce))), done


def test_asterisk_is_a_target_of_its_own(world, gateway):
    """RFC 9112, 3.2.4: of OPTIONS alone, and about the server: no entry for a path below it is one for all of it."""
    content = f"OPTIONS * HTTP/1.1\\r\\n{HOST}Connection: close\\r\\n\\r\\n"
    done = gateway.run(raw(world, content) + ";" + raw(world, content.replace("OPTIONS", "GET")), ["http://echo.example/public/"])
    assert done.requests() == [] and len(done.denied()) == 2, done


def test_pipelined_requests_are_each_judged(world, gateway, nonce):
    requests = [("/one", "echo.example"), (f"/{nonce}", "denied.example"), ("/three", "echo.example")]
    content = "".join(f"GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n" for path, host in requests)
    done = gateway.run(raw(world, content), ALLOW)
    statuses = re.findall(r"HTTP/1\.1 (\d{3})", done.out)
    assert statuses[:2] in (["200", "403"], ["200", "421"]) and world.traces(nonce) == [], done
    assert len(done.about(nonce, "http")) == 1


def test_pipelining_keeps_order(world, gateway):
    content = "".join(f"GET /p{n} HTTP/1.1\\r\\n{HOST}\\r\\n" for n in range(20))
    done = gateway.run(raw(world, content), ALLOW)
    order = [int(part.split('"')[0]) for part in done.out.split('"target": "/p')[1:]]
    assert order == list(range(20)), done
    assert len(done.of_type("http")) == 20


def test_one_byte_at_a_time(world, gateway):
    content = (f"POST /bytewise HTTP/1.1\\r\\n{HOST}Transfer-Encoding: chunked\\r\\n\\r\\n"
               "3\\r\\nabc\\r\\n0\\r\\nX-T: 1\\r\\n\\r\\n")
    done = gateway.run(raw(world, content, "--segments 1 echo.example 80"), ALLOW)
    assert '"target": "/bytewise"' in done.out and '"length": 3' in done.out, done


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_bodies_arrive_unchanged(world, gateway, scheme):
    """Both ways, by length and chunked, and kept alive."""
    url = f"{scheme}://echo.example"
    done = gateway.run("head -c 5000000 /dev/urandom > up; sha256sum < up;"
                       f"curl -fsS --data-binary @up {url}/length; curl -fsS -T - {url}/chunked < up;"
                       f"curl -fsS '{url}/stream?bytes=3000000' | sha256sum;"
                       f"curl -fsS '{url}/stream?bytes=3000000&chunked' | sha256sum", ALLOW)
    digest = done.out.split()[0]
    assert done.out.count(f'"sha256": "{digest}"') == 2, done
    pattern = bytes(range(256)) * 11719
    assert done.out.count(hashlib.sha256(pattern[:3000000]).hexdigest()) == 2, done
    records = {r["request"]["path"]: r["metadata"] for r in done.of_type("http")}
    assert int(records["/length"]["bytes_sent"]) >= 5000000 and int(records["/stream"]["bytes_received"]) >= 3000000


def test_headers_arrive_as_sent(gateway):
    done = gateway.run("curl -fsS -H 'X-CaSe: Value  with   spaces' -H 'X-Twice: 1' -H 'X-Twice: 2' -H 'Cookie: a=b' "
                       "-H \"$(printf 'X-Latin: \\351')\" https://echo.example/headers", ALLOW)
    headers = done.requests()[0]["headers"]
    for expected in (["X-CaSe", "Value  with   spaces"], ["X-Twice", "1"], ["X-Twice", "2"], ["Cookie", "a=b"],
                     ["X-Latin", "\xe9"]):
        assert expected in headers, headers
    assert not {"via", "x-forwarded-for", "forwarded"} & {name.lower() for name, _ in headers}


def test_expect_continue(gateway):
    done = gateway.run("head -c 2000000 /dev/zero > up;"
                       "curl -fsSv -H 'Expect: 100-continue' --data-binary @up https://echo.example/e;"
                       "curl -sS -o /dev/null -w 'status %{http_code}' -H 'Expect: 100-continue' --data-binary @up "
                       "https://echo.example/refuse-expect", ALLOW)
    assert "HTTP/1.1 100" in done.err and '"length": 2000000' in done.out and "status 417" in done.out, done


def test_answers_without_a_body(gateway):
    done = gateway.run("u=https://echo.example; curl -sSI $u/x $u/y -o /dev/null -o /dev/null -w 'head %{http_code}\n';"
                       "for s in 204 304 404 500; do"
                       " curl -sS -o b -o c -w \"got %{http_code} %{num_connects}\n\" $u/status/$s $u/z;"
                       "done", ALLOW)
    for line in ("head 200", "got 204 1\ngot 200 0", "got 304 1\ngot 200 0", "got 404 1\ngot 200 0", "got 500 1\ngot 200 0"):
        assert line in done.out, done


def test_interim_answers_and_trailers_and_close(world, gateway):
    content = f"GET /trailers HTTP/1.1\\r\\n{HOST}TE: trailers\\r\\nConnection: TE\\r\\n\\r\\n"
    done = gateway.run("curl -fsSv https://echo.example/early; curl -fsS https://echo.example/until-close;" + raw(world, content),
                       ALLOW)
    assert "HTTP/1.1 103" in done.err and "after hints" in done.out and "until the end" in done.out, done
    assert "X-Sum: 42" in done.out, done


def test_redirects_are_the_clients_business(gateway):
    done = gateway.run("curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' "
                       "'https://echo.example/redirect?to=https://denied.example/'", ALLOW)
    assert done.out == "302 https://denied.example/" and len(done.requests()) == 1, done


@pytest.mark.parametrize("shape", ["two-lengths", "length-and-chunked", "bare-lf", "obs-fold", "space-before-colon",
                                   "unsolicited-101", "interim-flood", "bad-chunk", "short-body", "not-http", "nul-in-header"])
def test_hostile_answer_is_not_passed_on(gateway, shape):
    """502, or an aborted transfer that the client notices; never a success."""
    done = gateway.run(f"curl -sS -o body -w 'status %{{http_code}}' https://echo.example/bad/{shape}; echo \" exit $?\"", ALLOW)
    assert "status 502 exit 0" in done.out or "exit 0" not in done.out, done
    assert "raw bytes" not in done.out


def test_origin_that_breaks_off_is_noticed(gateway):
    done = gateway.run("curl -sS -o body -w 'status %{http_code}' https://echo.example/reset; echo \" exit $?\";"
                       "curl -fsS https://echo.example/fine", ALLOW)
    assert ("status 502 exit 0" in done.out or "exit 0" not in done.out) and '"target": "/fine"' in done.out, done


def test_unreachable_origin_is_502_and_says_so(gateway):
    done = gateway.run("curl -sS -w 'status %{http_code}' http://dead.example:81/", ["http://dead.example:81/"])
    assert "status 502" in done.out and "connect" in done.out, done


def test_head_limits(world, gateway, nonce):
    """Too long a head is refused by the gateway, whatever the origin would do."""
    done = gateway.run(f"curl -sS -o /dev/null -w '%{{http_code}}' -H \"X-Big: $(head -c 100000 /dev/zero | tr '\\0' a)\" "
                       f"http://echo.example/{nonce}", ALLOW)
    assert done.out in ("431", "400") and world.traces(nonce) == [], done


def test_slow_origin_is_waited_for(gateway):
    done = gateway.run("curl -fsS 'https://echo.example/slow?ms=3000'", ALLOW)
    assert done.out == "late\n", done

def test_record_of_a_request_begins_with_the_request(gateway):
    """Not with the connection's pause before it: in the record's time and duration, and so in the metric's."""
    done = gateway.run("/usr/bin/python3 -c 'import http.client, time; c = http.client.HTTPConnection(\"echo.example\")\n"
                       "for _ in range(2): c.request(\"GET\", \"/\"); c.getresponse().read(); time.sleep(1.5)'", ALLOW)
    first, second = done.of_type("http")
    assert second["duration_ms"] < 1000 and "connection_id" in second["metadata"], done
    assert first["metadata"]["connection_id"] == second["metadata"]["connection_id"], done
    apart = datetime.fromisoformat(second["transaction_time"][:26]) - datetime.fromisoformat(first["transaction_time"][:26])
    assert apart.total_seconds() > 1.4, done
