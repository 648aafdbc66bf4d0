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
    done = gateway.run(f"{DIG}echo.example AAAA; {DIG}svc.example HTTPS; {DIG}svc.example TYPE64; {DIG}v6only.example AAAA", ALLOW)
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
    done = gateway.run(DIG + "+short echo.example; curl -fsS https://echo.example/real", ALLOW, policy={"dns": {"answers": "real"}})
    assert done.out.startswith(names.ORIGIN + "\n") and '"target": "/real"' in done.out, done


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


@pytest.mark.parametrize("name", ["private.example", "loopback.example", "metadata.example", "virtual.example",
                                  "alias-private.example"])
def test_allowed_name_that_points_inside_is_refused(world, gateway, name):
    """Rebinding: no connection to a private address on the word of a public name."""
    since = world.evidence.mark()
    done = gateway.run(f"curl -sS -m 20 -o body -w 'status %{{http_code}}' http://{name}/; true", [f"http://{name}/"])
    world.settle()
    assert "status 200" not in done.out, done
    assert not [p for p in world.evidence.packets(since) if p.is_syn], "nothing is dialled"
    assert "private_address" in str(done.about(name)), done


def test_alias_is_followed(gateway):
    done = gateway.run("curl -fsS https://alias.example/x", ALLOW)
    assert '"host": "alias.example"' in done.out, done


def test_odd_queries_are_refused(world, gateway, nonce):
    done = gateway.run(f"{DIG}CH TXT version.bind; {DIG}+opcode=NOTIFY echo.example; {DIG}echo.example AXFR; {DIG}echo.example ANY;"
                       f"{DIG}+header-only; {DIG}+short echo.example; true", ALLOW)
    assert done.out.strip().splitlines()[-1].startswith("198.1"), done
    assert all(q["qtype"] in ("A", "AAAA", "HTTPS") for q in done.queries()), done


def test_malformed_datagrams_do_not_hurt(world, gateway, nonce):
    script = ("import os, socket, random\nrandom.seed(7)\n"
              "server = [l.split()[1] for l in open('/etc/resolv.conf') if l.startswith('nameserver')][0]\n"
              "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "good = b'\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4echo\\7example\\0\\0\\1\\0\\1'\n"
              "for n in range(500):\n"
              "    packet = bytearray(good)\n"
              "    for _ in range(random.randrange(6)): packet[random.randrange(len(packet))] = random.randrange(256)\n"
              "    s.sendto(bytes(packet[:random.randrange(len(packet) + 1)]), (server, 53))\n"
              "s.sendto(good[:12] + b'\\xc0\\x0c\\0\\1\\0\\1', (server, 53))\n")
    done = gateway.run(f"/usr/bin/python3 -c \"{script}\"; {DIG}+short echo.example", ALLOW)
    assert done.out.strip().splitlines()[-1].startswith("198.1"), done
    assert all(q.get("qname", "") in ("echo.example",) for q in done.queries()), [q["qname"] for q in done.queries()]


def test_tcp_in_small_pieces_and_pipelined(gateway):
    script = ("import socket, struct, time\n"
              "server = [l.split()[1] for l in open('/etc/resolv.conf') if l.startswith('nameserver')][0]\n"
              "def ask(n, name): q = struct.pack('!6H', n, 0x100, 1, 0, 0, 0) + b''.join(bytes([len(l)]) + l for l in name.split(b'.')) + b'\\0\\0\\1\\0\\1'; return struct.pack('!H', len(q)) + q\n"
              "s = socket.create_connection((server, 53), 5)\n"
              "for b in ask(1, b'echo.example') + ask(2, b'denied.test') + ask(3, b'svc.example'):\n"
              "    s.sendall(bytes([b])); time.sleep(0.002)\n"
              "f, got = s.makefile('rb'), {}\n"
              "for _ in range(3):\n"
              "    a = f.read(struct.unpack('!H', f.read(2))[0]); got[a[1]] = a[3] & 15\n"
              "print(sorted(got.items()))\n")
    done = gateway.run(["/usr/bin/python3", "-c", script], ALLOW)
    assert done.out in ("[(1, 0), (2, 5), (3, 0)]\n", "[(1, 0), (2, 3), (3, 0)]\n"), done
