"""Names: judged before they are resolved, rebuilt on the way out, virtual on the way in, explained when refused."""
from __future__ import annotations

import re

import pytest

from world import names

ALLOW = ["https://echo.example/", "https://svc.example/", "dns:many.example", "dns:missing.example", "dns:broken.example",
         "dns:silent.example", "https://alias.example/", "dns:v6only.example"]
DIG = "dig +tries=1 +time=5 "


def test_allowed_name_has_a_virtual_address(gateway):
    done = gateway.run(DIG + "+short echo.example A; " + DIG + "+short svc.example A; " + DIG + "+short echo.example A", ALLOW)
    first, second, again = done.out.split()
    assert re.fullmatch(r"198\.1[89]\.\d+\.\d+", first) and re.fullmatch(r"198\.1[89]\.\d+\.\d+", second), done
    assert first == again != second, "each name has its own, and keeps it"


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_both_transports_get_the_same_verdict(world, gateway, nonce, transport):
    done = gateway.run(f"{DIG}{transport} +short echo.example; {DIG}{transport} {nonce}.test", ALLOW)
    assert done.out.startswith("198.1") and "EDE:" in done.out, done
    assert world.traces(nonce) == []
    record = done.about(nonce, "dns")
    assert len(record) == 1 and record[0]["dns"]["transport"] == ("tcp" if transport == "+tcp" else "udp"), done


def test_aaaa_is_no_data_and_https_says_nothing_of_ech_or_h3(gateway):
    done = gateway.run(f"{DIG}echo.example AAAA; {DIG}svc.example HTTPS; {DIG}svc.example TYPE64; {DIG}v6only.example AAAA",
                       ALLOW)
    assert done.out.count("status: NOERROR") >= 2 and "2606:4700" not in done.out, done
    assert "ech=" not in done.out and "h3" not in done.out and names.ORIGIN not in done.out, done


def test_reverse_name_of_a_virtual_address(gateway):
    done = gateway.run("dig +short -x $(dig +short echo.example)", ALLOW)
    assert done.out == "echo.example.\n", done


def test_system_resolver_finds_the_name(gateway, user):
    done = gateway.run("getent hosts echo.example; getent ahosts svc.example | head -1; cat /etc/resolv.conf", ALLOW, user=user)
    assert done.out.count("198.1") >= 2, done
    assert names.DNS not in done.out, "the job's resolv.conf names our resolver"


@pytest.mark.parametrize("name, status", [("missing.example", "NXDOMAIN"), ("broken.example", "SERVFAIL"),
                                          ("silent.example", "SERVFAIL")])
def test_upstream_failures_are_told(gateway, name, status):
    done = gateway.run(f"dig +tries=1 +time=20 {name}", ALLOW)
    assert f"status: {status}" in done.out and done.seconds < 25, done


def test_long_answers_come_over_tcp(gateway):
    done = gateway.run(DIG + "+short many.example | wc -l", ALLOW, policy={"dns": {"answers": "real"}})
    assert done.out == "80\n" and any(q["transport"] == "tcp" for q in done.queries()), done


def test_real_answers_where_the_policy_wants_them(gateway):
    done = gateway.run(DIG + "+short echo.example; curl -fsS https://echo.example/real", ALLOW,
                       policy={"dns": {"answers": "real"}})
    assert done.out.startswith(names.ORIGIN + "\n") and '"target": "/real"' in done.out, done


def test_upstreams_are_the_systems_where_the_policy_names_none(world, gateway):
    policy = f"version: 1\nallow: ['https://echo.example/']\ntls: {{ extra_roots: ['{world.root_file}'] }}\n"
    done = gateway.run("curl -fsS https://echo.example/system", policy=policy)
    assert '"target": "/system"' in done.out and done.queries(), done


@pytest.mark.parametrize("name", ["{}.test", "{}.echo.example", "a.{}.svc.example", "{}"])
def test_nonce_label_never_leaves(world, gateway, nonce, name):
    wanted = name.format(nonce)
    done = gateway.run(f"{DIG}{wanted}; {DIG}{wanted} TXT; {DIG}+tcp {wanted} AAAA; getent hosts {wanted}; "
                       f"curl -s https://{wanted}/; true", ALLOW)
    assert world.traces(nonce) == [], done
    denied = done.about(nonce, "dns")
    assert denied and all(r["decision"]["action"] == "deny" for r in denied), done


def test_reverse_name_of_a_stranger_never_leaves(world, gateway):
    done = gateway.run(f"{DIG}-x 8.8.8.8; {DIG}-x 2001:db8::1", ALLOW)
    assert done.queries() == [], done


def test_denied_queries_are_one_record_each(world, gateway, nonce):
    done = gateway.run(f"for n in $(seq 50); do {DIG}+short $n-{nonce}.tunnel.test TXT; done; {DIG}+short echo.example", ALLOW)
    assert len(done.about(nonce, "dns")) == 50 and world.traces(nonce) == [], done
    assert done.out.strip().splitlines()[-1].startswith("198.1"), done


def test_upstream_query_is_rebuilt(world, gateway, nonce):
    """Nothing covert of the client's query survives: case, EDNS options, cookie, subnet, padding, flags."""
    hexed = nonce.encode().hex()
    done = gateway.run(f"{DIG}+short +ednsopt=65001:{hexed} +cookie=0123456789abcdef +subnet=203.0.113.0/24 +padding=128 +dnssec "
                       "+cdflag +adflag +zflag +noedns eChO.eXaMpLe; "
                       f"{DIG}+short +ednsopt=65001:{hexed} +cookie=0123456789abcdef +subnet=203.0.113.0/24 svc.example", ALLOW)
    assert done.out.count("198.1") == 2 and done.queries(), done
    assert world.traces(nonce) == []
    for query in done.queries():
        assert query["qname"] == query["qname"].lower(), query
        assert "0123456789abcdef" not in query["raw"] and "cb0071" not in query["raw"], query
        assert query["flags"] & 0x0070 == 0, query


@pytest.mark.parametrize("server", ["8.8.8.8", names.DNS, "2606:4700:4700::1111"])
def test_other_resolvers_are_not_reached(world, gateway, nonce, server):
    """The client's choice of server is a hint at most: it gets our verdict or a refusal, and no packet goes there."""
    since = world.evidence.mark()
    done = gateway.run(f"{DIG}@{server} {nonce}.test; {DIG}+tcp @{server} {nonce}.test; {DIG}@{server} echo.example; true", ALLOW)
    world.settle()
    assert world.traces(nonce) == [], done
    strangers = [p for p in world.evidence.packets(since) if p.destination == server and server != names.DNS]
    assert strangers == [] and done.seconds < 20


@pytest.mark.parametrize("name", ["private.example.com", "alias-private.example.com", "loopback.example",
                                  "metadata.example", "virtual.example"])
def test_allowed_name_that_points_inside_is_refused(world, gateway, name):
    """Rebinding: no connection to a private address on the word of a public name."""
    since = world.evidence.mark()
    done = gateway.run(f"curl -sS -m 20 -o body -w 'status %{{http_code}}' http://{name}/; true", [f"http://{name}/"])
    world.settle()
    assert "status 200" not in done.out, done
    assert not [p for p in world.evidence.packets(since) if p.is_syn], "nothing is dialled"
    assert "private_address" in str(done.about(name)), done


def test_internal_name_may_point_inside(world, gateway):
    """A name of an internal zone belongs to somebody's own zone: an internal mirror works."""
    since = world.evidence.mark()
    gateway.run("curl -sS -m 20 http://mirror.internal/", ["http://mirror.internal/"])
    world.settle()
    assert "10.1.2.3" in [p.destination for p in world.evidence.packets(since) if p.is_syn]


def test_alias_is_followed(gateway):
    done = gateway.run("curl -fsS https://alias.example/x", ALLOW)
    assert '"host": "alias.example"' in done.out, done


def test_odd_queries_are_refused(world, gateway, nonce):
    done = gateway.run(f"{DIG}CH TXT version.bind; {DIG}+opcode=NOTIFY echo.example; {DIG}echo.example AXFR;"
                       f"{DIG}echo.example ANY; {DIG}+header-only; {DIG}+short echo.example; true", ALLOW)
    assert done.out.strip().splitlines()[-1].startswith("198.1"), done
    assert all(q["qtype"] in ("A", "AAAA", "HTTPS") for q in done.queries()), done


def test_malformed_datagrams_do_not_hurt(world, gateway):
    done = gateway.run(f"/usr/bin/python3 {world.scripts}/dns_messages.py mutate; {DIG}+short echo.example", ALLOW)
    assert done.out.strip().splitlines()[-1].startswith("198.1"), done
    assert {q.get("qname") for q in done.queries()} <= {"echo.example"}, done


def test_tcp_in_small_pieces_and_pipelined(world, gateway):
    done = gateway.run(["/usr/bin/python3", f"{world.scripts}/dns_messages.py", "dribble"], ALLOW)
    assert done.out in ("[(1, 0), (2, 5), (3, 0)]\n", "[(1, 0), (2, 3), (3, 0)]\n"), done
