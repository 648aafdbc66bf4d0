"""The real clients of DNS tunnels, in front of their real servers: no session, and what got out is within the budget."""
from __future__ import annotations

import pytest

from world import names, tunnels
from world.tunnels import SESSION_OF_IODINE, Tunnels, subdomains

CONTROL = "dig +tries=2 +time=5 +short echo.example"
ALLOW = ["https://echo.example/"]
WILDCARDS = {"one label": ["*.t.evil.example:443", "*.d.evil.example:443"], "any depth": ["**.evil.example:443"]}
WILDCARD_BITS = 1024  # dns.exfiltration.wildcard_bits
BITS_OF_A_LETTER = 5  # base32, the densest code that survives lower case; iodine's and dns2tcp's own


@pytest.fixture(scope="module")
def tools(world):
    made = Tunnels(world)
    yield made
    made.close()


def through(world, transport: str, command: str) -> str | list[str]:
    """`command` between two controls; over TCP it talks to a stub that turns its datagrams into TCP queries."""
    framed = f"{CONTROL}; {command}; {CONTROL}"
    return framed if transport == "udp" else ["/usr/bin/python3", f"{world.scripts}/udp_to_tcp.py", framed]


def resolver(transport: str) -> str:
    return tunnels.RESOLVER if transport == "udp" else "127.0.0.53"


def check_controls(done) -> None:
    lines = done.out.strip().splitlines()
    assert lines[0].startswith("198.1") and lines[-1].startswith("198.1"), done


def report(world, done, zone: str, capsys) -> int:
    """Prints and returns how many bits the zone's authoritative server can have learnt at most from names."""
    seen = subdomains(done.queries(), zone)
    letters = sum(len(name.replace(".", "")) for name in seen)
    asked = len([q for q in done.queries() if q.get("qname", "").lower().endswith(zone)])
    with capsys.disabled():
        print(f"\n  authority of {zone}: {asked} queries, {len(seen)} names, {letters} letters, "
              f"at most {letters * BITS_OF_A_LETTER} bits: {sorted(seen)}")
    return letters * BITS_OF_A_LETTER


def test_tunnels_work_without_a_gateway(world, tools, nonce):
    """The positive control of everything below."""
    folder = world.job_folder()
    iodine = world.run(tools.iodine(folder, nonce, names.DNS), folder)
    assert SESSION_OF_IODINE in iodine.out and tools.came_through(nonce), iodine
    dns2tcp = world.run(tools.dns2tcp(nonce, server=names.DNS))
    assert nonce in dns2tcp.out, dns2tcp


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_iodine_under_a_denied_zone(world, gateway, tools, nonce, capsys, transport):
    folder = world.job_folder()
    done = gateway.run(through(world, transport, tools.iodine(folder, nonce, resolver(transport))), ALLOW, folder=folder)
    check_controls(done)
    assert SESSION_OF_IODINE not in done.out and not tools.came_through(nonce), done
    assert report(world, done, names.IODINE_ZONE, capsys) == 0
    tried = [r for r in done.of_type("dns") if r["dns"]["qname"].endswith(names.IODINE_ZONE)]
    assert tried and all(r["decision"]["action"] == "deny" and r["dns"]["transport"] == transport for r in tried), done


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_dns2tcp_under_a_denied_zone(world, gateway, tools, nonce, capsys, transport):
    done = gateway.run(through(world, transport, tools.dns2tcp(nonce, resolver(transport))), ALLOW)
    check_controls(done)
    assert nonce not in done.out and world.traces(nonce) == [], done
    assert report(world, done, names.DNS2TCP_ZONE, capsys) == 0
    assert done.denied(), done


@pytest.mark.parametrize("transport, depth, options", [
    ("udp", "one label", ""), ("tcp", "any depth", ""), ("udp", "any depth", "-T TXT -O base32 -L0 -m 200 -M 100"),
    ("tcp", "one label", "-T CNAME -O base32 -m 100")])
def test_iodine_under_a_wildcard(world, gateway, tools, nonce, capsys, transport, depth, options):
    """Logging in takes sixteen random bytes in a name, which is more than one query below a wildcard may cost."""
    folder = world.job_folder()
    command = tools.iodine(folder, nonce, resolver(transport), options)
    done = gateway.run(through(world, transport, command), ALLOW + WILDCARDS[depth], folder=folder)
    check_controls(done)
    assert not tools.came_through(nonce) and SESSION_OF_IODINE not in done.out, done
    assert report(world, done, names.IODINE_ZONE, capsys) <= WILDCARD_BITS
    charged = [r for r in done.of_type("dns") if r["dns"].get("tier") == "wildcard"]
    assert charged and max(r["dns"]["spent_bits"] for r in charged) <= WILDCARD_BITS, done
    told = [r["alert"]["message"] for r in done.of_type("alert")]
    assert told and len(told) == len(set(told)), "one alert for each domain that is cut"


@pytest.mark.parametrize("transport, depth, options", [("udp", "any depth", "-T TXT"), ("tcp", "one label", "-T TXT"),
                                                       ("udp", "any depth", "-T KEY")])
def test_dns2tcp_under_a_wildcard(world, gateway, tools, nonce, capsys, transport, depth, options):
    done = gateway.run(through(world, transport, tools.dns2tcp(nonce, resolver(transport), options)), ALLOW + WILDCARDS[depth])
    check_controls(done)
    assert nonce not in done.out and world.traces(nonce) == [], done
    assert report(world, done, names.DNS2TCP_ZONE, capsys) <= WILDCARD_BITS
    assert done.denied(), done
