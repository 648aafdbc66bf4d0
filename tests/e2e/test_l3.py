"""Below HTTP and TLS: whatever is not a judged TCP connection or query goes nowhere, at once, with one record."""
from __future__ import annotations

import pytest

from world import names

ALLOW = ["https://echo.example/"]
UNSEEN = {"http://[2606:4700:1::20]/", "http://100.64.0.2:15001/"}  # no route to it; the job's own address


def probe(world, protocol: str, address: str, port: int, text: str, way: str = "connected") -> str:
    return f"/usr/bin/python3 {world.scripts}/datagram.py {protocol} {address} {port} {text} {way}"


def outgoing(world, since) -> list:
    """Packets of the gateway's machine to anywhere but the resolver and honest servers."""
    honest = {names.DNS, names.ORIGIN, names.PACKAGES, names.DNS6, names.ORIGIN6, names.PACKAGES6, "192.0.2.9"}
    return [p for p in world.evidence.packets(since)
            if p.source in ("10.99.0.2", "2001:470:77::2") and p.destination not in honest and p.protocol != 58]


@pytest.mark.parametrize("address", ["8.8.8.8", names.ORIGIN, "2a00::1"])
@pytest.mark.parametrize("port", [123, 443, 853, 5353, 5355])
@pytest.mark.parametrize("way", ["connected", "unconnected"])
def test_udp_is_refused_at_once(world, gateway, nonce, address, port, way):
    since = world.evidence.mark()
    done = gateway.run(probe(world, "udp", address, port, nonce, way), ALLOW)
    outcome, seconds = done.out.split()[:2]
    assert outcome in ("refused", "cannot") and float(seconds) < 1, f"an immediate refusal, not silence: {done}"
    assert world.traces(nonce) == [] and outgoing(world, since) == [], done
    if ":" not in address:  # without an IPv6 route the job's own kernel says no before there is a packet
        records = [r for r in done.of_type("connection") if r["decision"]["action"] == "deny"]
        assert len(records) == 1 and records[0]["connection"]["protocol"] == "udp", done
        assert records[0]["connection"]["destination"] == f"{address}:{port}", done


@pytest.mark.parametrize("protocol", ["icmp", "sctp", "gre"])
def test_other_protocols_go_nowhere(world, gateway, nonce, protocol):
    since = world.evidence.mark()
    done = gateway.run(probe(world, protocol, "8.8.8.8", 0, nonce), ALLOW)
    outcome, seconds = done.out.split()[:2]
    assert outcome in ("refused", "cannot") and float(seconds) < 1, done
    assert world.traces(nonce) == [] and outgoing(world, since) == [], done
    if outcome == "refused":
        records = [r for r in done.of_type("connection") if r["decision"]["action"] == "deny"]
        assert len(records) == 1 and "8.8.8.8" in str(records[0]), done


def test_ping_fails_at_once(world, gateway, user):
    since = world.evidence.mark()
    done = gateway.run("ping -c1 -W3 8.8.8.8; echo ended $?", ALLOW, user=user)
    world.settle()
    assert "ended 0" not in done.out and done.seconds < 5, done
    assert [p for p in outgoing(world, since) if p.protocol == 1] == []


@pytest.mark.parametrize("target", [f"http://{names.ORIGIN}/", f"https://{names.ATTACKER}/", "http://8.8.8.8:8080/",
                                    "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://100.64.0.2:15001/",
                                    "http://[2606:4700:1::20]/", "http://[::ffff:93.184.216.20]/", "http://0.0.0.0:80/"])
def test_direct_address_is_refused(world, gateway, nonce, target):
    since = world.evidence.mark()
    done = gateway.run(f"curl -gsS -m 10 -o body -w 'status %{{http_code}}' {target}{nonce}; true", ALLOW)
    assert "status 200" not in done.out and done.seconds < 10, done
    assert world.traces(nonce) == [] and outgoing(world, since) == [], done
    if "0.0.0.0" not in target:
        decided = [r for r in done.records if r["type"] in ("http", "connection")]
        assert len([r for r in decided if r["decision"]["action"] == "deny"]) == 1 or not decided and target in UNSEEN, done


@pytest.mark.parametrize("entry", [f"{names.RAW}:7", "93.184.216.0/24:7"])
def test_literal_address_on_the_list_is_reached(world, gateway, nonce, entry):
    done = gateway.run(f"printf {nonce} | socat -t2 - TCP:{names.RAW}:7; printf {nonce}-other | socat -t1 - TCP:{names.RAW}:2222;"
                       f"printf {nonce}-far | socat -t1 - TCP:{names.ATTACKER}:80; true", [entry])
    assert done.out.startswith(nonce), done
    assert world.traces(f"{nonce}-other") == [] and world.traces(f"{nonce}-far") == []


def test_origin_with_ipv6_only_is_reached_by_a_client_with_ipv4_only(gateway):
    done = gateway.run("curl -4 -fsS https://v6only.example/six", ["https://v6only.example/"])
    assert '"target": "/six"' in done.out, done
    assert names.ORIGIN6 in done.of_type("http")[0].get("connection", {}).get("upstream", "") or \
        any(e.get("server", "").startswith("2606") for e in done.events), done


def test_loopback_servers_of_the_job_work(gateway, user):
    """And none of it is recorded or judged."""
    done = gateway.run("/usr/bin/python3 -m http.server 8123 --bind 127.0.0.1 >/dev/null 2>&1 & "
                       "for n in $(seq 50); do curl -fs http://127.0.0.1:8123/ >/dev/null && break; sleep 0.1; done; "
                       "curl -fsS http://localhost:8123/ >/dev/null && echo one; "
                       "socat UDP-LISTEN:5555,bind=127.0.0.1,fork PIPE & sleep 0.3; printf hi | socat -t1 - UDP:127.0.0.1:5555",
                       ALLOW, user=user)
    assert "one\n" in done.out and "hi" in done.out, done
    assert done.of_type("http") == [] and done.of_type("connection") == []


def test_service_on_the_gateways_machine_needs_an_entry(world, gateway, nonce):
    """Its loopback is not the job's; by an entry host:PORT it is reached by the name `host`."""
    service = world.start(["socat", "TCP-LISTEN:5432,fork,reuseaddr,bind=127.0.0.1", "EXEC:cat"], world.job_folder())
    send = f"printf {nonce} | socat -t1 - TCP:{{}}:5432; true"
    without = [gateway.run(send.format(name), ALLOW) for name in ("127.0.0.1", "host", "10.99.0.2")]
    allowed = gateway.run(send.format("host"), ["host:5432"])
    service.kill()
    assert not any(nonce in done.out for done in without), without
    assert allowed.out == nonce, allowed
