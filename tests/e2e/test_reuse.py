"""Connections to origins that the job's next connection finds waiting: the same purpose, a whole exchange, or none."""
from __future__ import annotations

import json
import subprocess

import pytest

from world import names

ALLOW = ["https://echo.example/", "http://echo.example/", "https://files.example/1k", "https://chain.tls.example/"]
ONE = {"limits": {"workers": 1}}  # each worker thread keeps connections of its own


def run(gateway, script: str, **http):
    return gateway.run(script, ALLOW, policy={**ONE, "http": http} if http else ONE)


def connections(done) -> dict[str, list[int]]:
    """By path: the connections on which the origin saw requests for it."""
    out: dict[str, list[int]] = {}
    for event in done.requests():
        out.setdefault(event["target"], []).append(event["conn"])
    return out


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_next_connection_of_the_job_finds_it(gateway, scheme):
    done = run(gateway, f"for n in 1 2 3; do curl -fsS {scheme}://echo.example/$n || exit 1; done")
    assert done.code == 0 and len({e["conn"] for e in done.requests()}) == 1, done
    served = done.of_type("http")
    assert [r["request"]["path"] for r in served] == ["/1", "/2", "/3"] and len(served) == 3, done
    assert all(r["close_reason"] == "completed" for r in served), done


def test_every_request_is_judged_as_ever(world, gateway, nonce):
    done = gateway.run(f"curl -fsS https://echo.example/a/1; curl -sS -o /dev/null -w '%{{http_code}} ' "
                       f"https://echo.example/b/{nonce}; curl -fsS https://echo.example/a/2",
                       ["https://echo.example/a/"], policy=ONE)
    assert "403" in done.out and world.traces(nonce) == [], done
    assert list(connections(done)) == ["/a/1", "/a/2"] and len(done.denied()) == 1, done


def test_not_for_another_name_or_port_or_without_tls(gateway):
    done = run(gateway, "curl -fsS https://echo.example/tls; curl -fsS http://echo.example/plain; "
                        "curl -fsS https://chain.tls.example/ok")
    seen = connections(done)
    assert len(seen) == 3 and len({conn for each in seen.values() for conn in each}) == 3, done


def test_none_where_none_are_wanted(gateway):
    done = run(gateway, "curl -fsS https://echo.example/1; curl -fsS https://echo.example/2", upstream_idle_connections=0)
    assert done.code == 0 and len({e["conn"] for e in done.requests()}) == 2, done


@pytest.mark.parametrize("request_", ["-d x", "-X DELETE -d x", "-X PATCH"])
def test_what_may_not_be_sent_twice_has_a_connection_of_its_own(gateway, request_):
    done = run(gateway, f"curl -fsS https://echo.example/1; curl -fsS {request_} https://echo.example/change")
    seen = connections(done)
    assert len(seen["/change"]) == 1 and seen["/change"] != seen["/1"], done


@pytest.mark.parametrize("header", ["Authorization: NTLM TlRMTVNTUAAB", "Authorization: Negotiate YII", "Authorization: Odd x"])
def test_authenticated_connections_are_for_nobody_else(gateway, header):
    done = run(gateway, f"curl -fsS -H '{header}' https://echo.example/as-somebody; curl -fsS https://echo.example/next")
    seen = connections(done)
    assert seen["/as-somebody"] != seen["/next"], done


def test_authentication_of_each_message_does_not_matter(gateway):
    done = run(gateway, "curl -fsS -u a:b https://echo.example/1; curl -fsS -H 'Authorization: Bearer x' https://echo.example/2")
    assert done.code == 0 and len({e["conn"] for e in done.requests()}) == 1, done


def test_connection_that_offers_to_authenticate_is_for_nobody_else(gateway):
    done = run(gateway, "curl -sS https://echo.example/challenge; curl -fsS https://echo.example/next")
    seen = connections(done)
    assert seen["/challenge"] != seen["/next"], done


@pytest.mark.parametrize("route", ["until-close", "hang-up", "surplus", "bad/short-body", "bad/two-lengths", "reset"])
def test_only_after_whole_and_lasting_answers(gateway, route):
    done = run(gateway, f"curl -sS -o /dev/null https://echo.example/{route}; curl -fsS https://echo.example/next")
    seen = connections(done)
    assert '"target": "/next"' in done.out and "poison" not in done.out, done
    assert seen[f"/{route}"] != seen["/next"], done


def test_request_is_sent_again_once_where_the_kept_connection_dies(gateway):
    done = run(gateway, "curl -fsS https://echo.example/once; curl -fsS https://echo.example/next")
    assert done.code == 0 and json.loads(done.out.splitlines()[-1])["target"] == "/next", done
    record = done.about("/next", "http")
    assert len(record) == 1 and record[0]["close_reason"] == "completed", done


def test_what_may_not_be_sent_twice_is_not_where_the_kept_connection_dies(gateway):
    done = run(gateway, "curl -fsS https://echo.example/once; curl -fsS -d x https://echo.example/change")
    assert done.code == 0 and len(connections(done)["/change"]) == 1, done


def test_kept_connection_is_closed_after_its_time(world, gateway):
    done = run(gateway, "curl -fsS https://echo.example/1; sleep 1.5; curl -fsS https://echo.example/2",
               upstream_idle_timeout="500ms")
    assert len({e["conn"] for e in done.requests()}) == 2, done


KEPT = """
import http.client, ssl, sys, time
one, two = (http.client.HTTPSConnection("echo.example", context=ssl.create_default_context()) for _ in range(2))
def ask(connection, method, path, body=None):
    connection.request(method, path, body, {"Authorization": sys.argv[1]} if sys.argv[1:] else {})
    connection.getresponse().read()
ask(one, "GET", "/one"); time.sleep(1); ask(two, "GET", "/two"); ask(one, "GET", "/again"); ask(one, "POST", "/change", b"x")
"""


def run_kept(gateway, *arguments: str, **http):
    done = gateway.run(["/usr/bin/python3", "-c", KEPT, *arguments], ALLOW, policy={**ONE, "http": http})
    seen = {path: conns[0] for path, conns in connections(done).items()}
    assert done.code == 0 and len(seen) == 4, done
    return seen


@pytest.mark.parametrize("authorization", ["", "Negotiate abc"])
def test_client_that_pauses_lends_its_connection(gateway, authorization):
    """Unless it is authenticated as somebody: then it is neither closed nor anybody else's."""
    seen = run_kept(gateway, *filter(None, [authorization]))
    assert (seen["/one"] == seen["/two"]) == (not authorization), seen
    assert not authorization or seen["/one"] == seen["/again"] == seen["/change"], seen


@pytest.mark.parametrize("hold, kept", [("50ms", False), ("60s", True)])
def test_client_that_pauses_holds_a_connection_for_a_while(gateway, hold, kept):
    seen = run_kept(gateway, upstream_hold=hold, upstream_idle_connections=0)
    assert (seen["/again"] == seen["/one"]) == kept and seen["/two"] != seen["/one"], seen


VERIFIED = """
import http.client, ssl, sys, threading
def ask(n):
    connection = http.client.HTTPSConnection(sys.argv[1], context=ssl.create_default_context())
    connection.connect()
    ready.wait()
    connection.request("GET", f"/{n}")
    print(connection.getresponse().status)
count = int(sys.argv[2]); ready = threading.Barrier(count)
threads = [threading.Thread(target=ask, args=(n,)) for n in range(count)]
for each in threads: each.start()
for each in threads: each.join()
"""


@pytest.mark.parametrize("verified_for, dialled", [("10s", 1), ("0", 30)])
def test_connections_that_come_at_once_are_verified_once(world, gateway, verified_for, dialled):
    """None has asked when all stand: what the origin has seen until then is one connection, or one for each."""
    since = world.evidence.mark()
    script = VERIFIED.replace("    ready.wait()", "    if ready.wait() == 0: open('all', 'w').close()\n    sys.stdin.readline()")
    running = gateway.start(["/usr/bin/python3", "-c", script, "echo.example", "30"], ALLOW, stdin=subprocess.PIPE,
                            policy={**ONE, "tls": {"verified_for": verified_for}, "http": {"upstream_idle_connections": 0}})
    running.wait_for("all")
    seen = len(world.evidence.events(since, "tls"))
    out, err = running.process.communicate(b"go\n" * 30, timeout=60)
    assert out.split() == [b"200"] * 30, err
    assert seen == dialled and len([r for r in running.records() if r["type"] == "http"]) == 30


def test_what_fails_is_asked_for_again(gateway):
    """Who waited is told the same, each with its record; nothing of it is remembered."""
    done = gateway.run(["/usr/bin/python3", "-c", VERIFIED, "expired.tls.example", "10"], ["https://expired.tls.example/"],
                       policy={**ONE, "tls": {"verified_for": "10s"}})
    assert done.out.split() == ["502"] * 10, done
    assert len([r for r in done.denied() if "expired" in str(r)]) == 10 and done.requests() == [], done


def test_job_ends_at_once_with_connections_kept(gateway):
    done = run(gateway, "curl -fsS https://echo.example/1")
    assert done.code == 0 and done.seconds < 3, "nobody waits for them"
