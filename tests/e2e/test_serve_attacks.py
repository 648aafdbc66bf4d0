"""What clients of `cofferdam serve` try on the machine that they route through."""
from __future__ import annotations

import json
import subprocess

from served import wait_until
from test_serve import ALLOW, forwarding, leaked, probe, works  # noqa: F401  a fixture
from world import names
from world.network import CAPTURED, ROUTER_ADDRESS, Network, run


def link_local_address(namespace: str, device: str) -> str:
    """When it may be used: the kernel looks for duplicates first."""
    def shown() -> list[dict]:
        listed = run("ip", "-n", namespace, "-json", "-6", "addr", "show", "dev", device, "scope", "link").stdout
        return [a for a in json.loads(listed)[0]["addr_info"] if "local" in a and "tentative" not in a]

    wait_until(shown, lambda: f"no link-local address on {device}")
    return shown()[0]["local"]


def test_link_local_addresses_are_no_way_around_names(served, nonce):
    """The router's own: nothing listens there for clients. One record each; the kernel's refusal does not always arrive (no route)."""
    served.start(ALLOW, {"metrics": "0.0.0.0:9464"})
    works(served, served.world.nonce())
    router = link_local_address(served.network.gw, CAPTURED)
    link_local_address(served.network.client, "up0")
    ports = (22, 80, 443, 9464, 15001, 15053)
    for port in ports:
        done = served.client(f"curl -gsS -m 2 -o /dev/null -w '%{{http_code}}' 'http://[{router}%25up0]:{port}/{nonce}'")
        assert "200" not in done.out, done
    datagrams = [(router, 123), (router, 15053), ("ff02::1", 5353)]
    for address, port in datagrams:
        done = served.client(probe(served.world, "udp", f"{address}%up0", port, nonce))
        assert done.out.startswith(("refused", "silence")), done
    served.await_about('"action": "deny"', None, len(ports) + len(datagrams))
    refused = [r for r in served.about(f"{router}]") if r["decision"]["action"] == "deny"]
    assert len(refused) == len(ports) + len(datagrams) - 1 and len(served.about("[ff02::1]:5353", "connection")) == 1, refused
    assert served.world.traces(nonce) == [] and leaked(served) == []
    works(served, served.world.nonce())


HELPER = """
table ip somebody {
  ct helper transfers { type "ftp" protocol tcp; }
  chain assign { type filter hook prerouting priority mangle; tcp dport 7 ct helper set "transfers"; }
}
"""


def test_a_conntrack_helper_opens_no_port(served, nonce, forwarding):
    """Somebody's helper takes what an allowed server says for FTP, and translates the connections that it then expects: they are no way
    around the gateway, nor to a service of the router's."""
    served.start(ALLOW)
    works(served, served.world.nonce())
    run(*Network.inside(served.network.gw, "nft", HELPER))
    try:
        service = served.world.start(["socat", "TCP-LISTEN:4444,fork,reuseaddr", "EXEC:cat"], served.folder)
        talk = "socat - TCP:raw.example:7 > said"  # an echo: the server says what its accomplice inside wants
        client = served.world.start(["sh", "-c", talk], served.folder, namespace=served.network.client, stdin=subprocess.PIPE)
        said = served.folder / "work" / "said"
        assert client.stdin
        for line in ("220 ready", "229 Entering Extended Passive Mode (|||4444|)"):
            client.stdin.write(f"{line}\r\n".encode())
            client.stdin.flush()
            wait_until(lambda: said.exists() and line in said.read_text(), served.describe)
        expected = Network.inside(served.network.gw, "cat", "/proc/net/nf_conntrack_expect")
        wait_until(lambda: "dport=4444" in run(*expected).stdout, served.describe)
        for host in ("raw.example", names.RAW, names.ATTACKER, ROUTER_ADDRESS):
            done = served.client(f"printf {nonce} | socat -t1 - TCP:{host}:4444,connect-timeout=3")
            assert nonce not in done.out, done
        assert len(served.await_about(":4444", "connection", 4)) == 4
        client.communicate(timeout=10)
        service.kill()
    finally:
        run(*Network.inside(served.network.gw, "nft", "delete table ip somebody"))
    assert served.world.traces(nonce) == [] and leaked(served) == []
    works(served, served.world.nonce())
