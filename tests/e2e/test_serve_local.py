"""`cofferdam serve`, intercept: local. The clients share the gateway's network: a sidecar, a runner host."""
from __future__ import annotations

import signal
import subprocess

import pytest

from served import wait_until
from world import names
from world.network import Network

ALLOW = ["https://echo.example/", "raw.example:7"]
# What a container without extra rights has, and no more.
PLAIN = "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all"


@pytest.fixture
def local(served):
    """A gateway whose clients run beside it."""
    served.start(ALLOW, intercept="local")
    for folder in (served.folder, served.state):
        folder.chmod(0o755)
    return served


def beside(served, command: str):
    """Runs a client in the gateway's own network namespace, as an ordinary user."""
    return served.world.run(["sh", "-c", f"exec {PLAIN} sh -c '{command}'"], served.folder, env={"CA": str(served.ca)})


def outgoing(served) -> set[str]:
    """Where packets of this machine went, beside the resolver and the honest servers."""
    served.world.settle()
    honest = {names.DNS, names.ORIGIN, names.RAW, names.ORIGIN6, names.RAW6, "192.0.2.9", "10.99.0.1"}
    return {p.destination for p in served.world.evidence.packets(served.since) if p.source.startswith("10.99.0.2")} - honest


def test_clients_beside_the_gateway_are_judged(local, nonce):
    done = beside(local, f"curl -fsS -m 10 --cacert $CA https://echo.example/{nonce}")
    assert f"/{nonce}" in done.out, done
    records = local.await_about(nonce, "http")
    assert len(records) == 1 and records[0]["decision"]["action"] == "allow", records
    done = beside(local, "printf hello | socat -t2 - TCP:raw.example:7")
    assert done.out == "hello", done
    done = beside(local, f"curl -sS -m 10 -o /dev/null -w %{{http_code}} http://denied.example/{nonce}-no; true")
    assert "200" not in done.out and done.seconds < 8, done
    assert local.world.traces(f"{nonce}-no") == [] and outgoing(local) == set()


@pytest.mark.parametrize("protocol,port", [("udp", 123), ("udp", 443), ("icmp", 0)])
def test_other_protocols_are_refused_at_once(local, nonce, protocol, port):
    probe = f"/usr/bin/python3 {local.world.scripts}/datagram.py {protocol} 8.8.8.8 {port} {nonce}"
    done = beside(local, probe) if protocol == "udp" else local.world.run(probe, local.folder)
    assert done.out.startswith("refused") and float(done.out.split()[1]) < 1, done
    assert local.world.traces(nonce) == [] and outgoing(local) == set()


def test_queries_are_judged_even_to_loopback(local, nonce):
    for server in ("9.9.9.9", "127.0.0.53", "127.0.0.11", names.DNS):
        for transport in ("+notcp", "+tcp"):
            good = beside(local, f"dig +time=2 +tries=1 {transport} @{server} echo.example")
            assert "198.18." in good.out, good
            bad = beside(local, f"dig +time=2 +tries=1 {transport} @{server} {nonce}.denied.example")
            assert "REFUSED" in bad.out, bad
    assert local.world.traces(nonce) == []


def test_dockers_resolver_is_not_to_be_had_by_its_real_port(local, nonce):
    """It listens on loopback of the shared namespace, at a port of dockerd's choice, and asks from outside of it."""
    listener = (f"socat -T5 UDP4-RECVFROM:40053,bind=127.0.0.11,fork SYSTEM:\"cat >> {local.folder}/heard\" & u=$!; "
                f"socat -T5 TCP4-LISTEN:40053,bind=127.0.0.11,fork SYSTEM:\"cat >> {local.folder}/heard\" & t=$!; "
                "for n in 1 2 3 4 5 6 7 8 9; do ss -Hltn | grep -q 40053 && break; sleep 0.1; done; ")
    asks = "".join(f"dig +time=1 +tries=1 {transport} -p 40053 @127.0.0.11 {nonce}.denied.example; " for transport in ("+notcp", "+tcp"))
    done = local.world.run(["sh", "-c", f"{listener}{PLAIN} sh -c '{asks}'; kill $u $t"], local.folder)
    heard = local.folder / "heard"
    assert not heard.exists() or heard.read_bytes() == b"", done
    assert len(local.await_about("127.0.0.11:40053", count=2)) >= 2, done


def test_a_knock_from_outside_opens_no_way_out(local, nonce):
    """What arrives from the world must not make what a client then sends an answer."""
    knocker, client = names.ATTACKER, local.folder / "knocked.py"
    client.write_text(f"""import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 7777)); s.settimeout(10)
print("bound", flush=True)
assert s.recvfrom(100)[1] == ("{knocker}", 8888)
for n in range(2):
    try: s.sendto(b"{nonce}", ("{knocker}", 8888)); print("sent")
    except OSError as e: print("refused")
""")
    knock = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
             f"s.bind(('{knocker}', 8888)); s.sendto(b'knock', ('10.99.0.2', 7777))")
    ready = local.folder / "ready"
    run = subprocess.Popen(Network.inside(local.network.gw, *PLAIN.split(), "/usr/bin/python3", str(client)),
                           stdout=ready.open("wb"), stderr=subprocess.STDOUT)
    wait_until(lambda: b"bound" in ready.read_bytes(), ready.read_text, run)
    local.world.run(["/usr/bin/python3", "-c", knock], local.folder, namespace=local.network.net)
    assert run.wait(15) == 0, ready.read_text()
    assert local.await_about(f"{knocker}:8888", "connection"), ready.read_text()
    assert local.world.traces(nonce) == []


def test_somebody_elses_nat_is_no_way_out(local, nonce):
    """A published port, a cluster's service address: translated by another table, it is still judged."""
    for rule in ("add table ip other", "add chain ip other out { type nat hook output priority -100; }",
                 f"add rule ip other out ip daddr 10.96.0.10 udp dport 5000 dnat to {names.ATTACKER}:6000"):
        local.world.run(["nft", rule], local.folder)
    try:
        beside(local, f"/usr/bin/python3 {local.world.scripts}/datagram.py udp 10.96.0.10 5000 {nonce}")
    finally:
        local.world.run(["nft", "delete table ip other"], local.folder)
    assert local.await_about(f"{names.ATTACKER}:6000", "connection")
    assert local.world.traces(nonce) == []


def test_the_mark_is_not_to_be_had(local, nonce):
    """SO_MARK, copied by a client that shares the namespace: no effect without a capability."""
    attempt = ("import socket; s = socket.socket(); s.settimeout(4)\\n"
               "try: s.setsockopt(socket.SOL_SOCKET, 36, 0xC0FFE)\\nexcept OSError as e: print(e.errno)\\n"
               f"try: s.connect((\"{names.ATTACKER}\", 80)); s.send(b\"GET /{nonce} HTTP/1.0\\r\\n\\r\\n\"); print(s.recv(100))\\n"
               "except OSError as e: print(e)\\n")
    script = local.folder / "mark.py"
    script.write_text(attempt.replace("\\n", "\n").replace("\\r\n", "\\r\\n"))
    done = beside(local, f"/usr/bin/python3 {script}")
    assert done.out.startswith("1\n") and "200" not in done.out, done
    assert local.world.traces(nonce) == [] and outgoing(local) == set()


def test_loopback_is_the_clients_own(local):
    done = beside(local, "/usr/bin/python3 -m http.server 8123 --bind 127.0.0.1 >/dev/null 2>&1 & "
                         "for n in $(seq 100); do curl -fs http://127.0.0.1:8123/ >/dev/null && break; sleep 0.2; done; "
                         "curl -fsS http://localhost:8123/ >/dev/null && echo one; kill $!")
    assert "one" in done.out, done
    loop = beside(local, "curl -sS -m 3 -o /dev/null http://127.0.0.1:15001/; true")
    assert loop.seconds < 3 and len(local.await_about("127.0.0.1:15001", "connection")) == 1, loop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_without_its_gateway_everything_is_refused(local, nonce, number):
    local.stop(number)
    done = beside(local, f"curl -sS -m 4 -o /dev/null http://{names.ORIGIN}/{nonce}; "
                         f"dig +time=1 +tries=1 @{names.DNS} {nonce}.echo.example; true")
    assert local.world.traces(nonce) == [] and outgoing(local) == set(), done
    local.start()
    assert "/again" in beside(local, "curl -fsS -m 10 --cacert $CA https://echo.example/again").out


def test_no_client_may_inherit_the_gateways_mark(served, nonce):
    def inherit(value: int) -> None:
        done = served.world.run(["sysctl", "-qw", f"net.ipv4.tcp_fwmark_accept={value}"], served.folder)
        assert done.code == 0, done
    served.write_config(ALLOW, intercept="local")
    inherit(1)
    try:
        done = served.cofferdam("serve", "--config", str(served.config))
    finally:
        inherit(0)
    assert done.code != 0 and "net.ipv4.tcp_fwmark_accept" in done.err and served.ruleset() == "", done


USED, FRESH = range(40960, 40976), range(41000, 41016)
ELSEWHERE = range(32768, 40000)


def ask_from_each(served, ports: range) -> None:
    """A client does, each time for another name: the gateway's resolver is asked, by a flow that connection tracking remembers
    for half a minute, with how it was redirected."""
    queries = "; ".join(f"dig +time=2 +tries=1 +notcp -b 0.0.0.0#{port} @{names.DNS} host{port}.example" for port in ports)
    done = served.world.run(["sh", "-c", queries], served.folder)
    assert done.out.count("status: NOERROR") == len(ports), done


@pytest.fixture
def crowded(served):
    """Starts a gateway on whose machine new sockets get one of these ports."""
    def start(ports: range) -> None:
        done = served.world.run(["sysctl", "-qw", f"net.ipv4.ip_local_port_range={ports[0]} {ports[-1]}"], served.folder)
        assert done.code == 0, done
        served.start([*ALLOW, *(f"https://host{port}.example/" for port in (*USED, *FRESH))], intercept="local")
    yield start
    done = served.world.run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=32768 60999"], served.folder)
    assert done.code == 0, done


@pytest.mark.parametrize("ports,used_by_client", [(USED, True), (FRESH, False)])
def test_the_gateway_and_a_client_may_have_the_same_port(served, crowded, nonce, ports, used_by_client):
    """One after the other: the flow of the first is remembered when the second begins his."""
    if used_by_client:
        crowded(ELSEWHERE)
        ask_from_each(served, ports)
        assert served.stop() == 0
    crowded(ports)
    fetch = ["curl", "-sS", "-m", "10", "--cacert", str(served.ca), f"https://echo.example/{nonce}"]
    done = served.world.run(fetch, served.folder)
    assert f"/{nonce}" in done.out, done
    if not used_by_client:
        assert served.stop() == 0
        crowded(ELSEWHERE)
        ask_from_each(served, ports)
