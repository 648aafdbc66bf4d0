"""`cofferdam serve`, intercept: router. A machine without any configuration routes through the gateway."""
from __future__ import annotations

import json
import os
import pwd
import signal
import socket
from pathlib import Path

import pytest

from served import leave_group, wait_until
from world import names
from world.network import CAPTURED, CLIENT_ADDRESS, ROUTER_ADDRESS, ROUTER_ADDRESS6, Network, run

ALLOW = ["https://echo.example/", "http://files.example/small.txt", "raw.example:7"]


def probe(world, protocol: str, address: str, port: int, text: str, way: str = "connected") -> str:
    return f"/usr/bin/python3 {world.scripts}/datagram.py {protocol} {address} {port} {text} {way}"


def works(served, nonce: str) -> None:
    """The positive control."""
    done = served.client(f"curl -fsS -m 10 --cacert $CA https://echo.example/{nonce}")
    assert done.code == 0 and f'"target": "/{nonce}"' in done.out, done


def leaked(served) -> list:
    """Packets of the client on the wire of the internet: there is no way by which there could be any."""
    served.world.settle()
    return [p for p in served.world.evidence.packets(served.since) if p.source.startswith(("10.77.", "fd77:"))]


def test_names_tls_http_and_raw_tcp_pass_by_the_policy(served, nonce):
    served.start(ALLOW)
    works(served, nonce)
    record = served.await_about(nonce, "http")
    assert len(record) == 1 and record[0]["source"]["address"].startswith(CLIENT_ADDRESS), record
    assert record[0]["decision"]["action"] == "allow"
    done = served.client("curl -fsS -m 10 http://files.example/small.txt; printf hello | socat -t2 - TCP:raw.example:7")
    assert done.out == "small\nhello", done
    assert served.stop() == 0
    assert [r["lifecycle"]["event"] for r in served.records() if r["type"] == "job"] == ["start", "end"]


def test_what_is_not_listed_is_refused_with_an_explanation(served, nonce):
    served.start(ALLOW)
    works(served, served.world.nonce())
    done = served.client(f"curl -sS -m 10 --cacert $CA -o - -w '%{{http_code}}' https://denied.example/{nonce}; true")
    assert "denied.example" in done.out + done.err and done.seconds < 8, done
    done = served.client(f"curl -sS -m 10 -w '%{{http_code}}' http://files.example/{nonce}")
    assert done.out.endswith("403"), done
    assert served.world.traces(nonce) == [] and leaked(served) == []
    assert len(served.await_about(nonce, "http")) == 1
    works(served, served.world.nonce())


def test_other_protocols_are_refused_at_once(served, nonce):
    served.start(ALLOW)
    attempts = [(protocol, port, address) for protocol, port in (("udp", 123), ("udp", 443), ("udp", 853), ("icmp", 0), ("sctp", 0), ("gre", 0))
                for address in ("8.8.8.8", names.ORIGIN6) if not (protocol == "icmp" and ":" in address)]  # the probe's ICMP is IPv4's
    for count, (protocol, port, address) in enumerate(attempts, 1):
        done = served.client(probe(served.world, protocol, address, port, nonce))
        assert done.out.startswith("refused") and float(done.out.split()[1]) < 1, (protocol, port, address, done)
        refused = served.await_about('"action": "deny"', "connection", count)
        assert len(refused) == count and refused[-1]["connection"]["protocol"] == protocol, refused
        assert address in refused[-1]["connection"]["destination"], refused
    assert served.world.traces(nonce) == [] and leaked(served) == []
    works(served, served.world.nonce())


def test_queries_are_judged_wherever_they_go(served, nonce):
    served.start(ALLOW)
    lookup = "dig +time=2 +tries=1 @{} {} {}"
    for server in ("9.9.9.9", ROUTER_ADDRESS, names.DNS, names.DNS6, ROUTER_ADDRESS6):
        for transport in ("+notcp", "+tcp"):
            good = served.client(lookup.format(server, transport, "echo.example"))
            assert "198.18." in good.out, good
            bad = served.client(lookup.format(server, transport, f"{nonce}.denied.example"))
            assert "REFUSED" in bad.out and bad.seconds < 2, bad
    other = served.client(lookup.format("9.9.9.9", "-p 5300", f"{nonce}.echo.example"))
    assert "REFUSED" in other.out, other
    assert served.world.traces(nonce) == [] and leaked(served) == []
    assert len(served.await_about(nonce, "dns", 10)) == 10


def test_addresses_are_no_way_around_names(served, nonce):
    served.start(ALLOW)
    for target in (f"http://{names.ATTACKER}/", f"http://[{names.ATTACKER6}]/", "http://169.254.169.254/",
                   "http://10.99.0.1:8080/", "http://198.18.77.77/"):
        done = served.client(f"curl -gsS -m 10 -o /dev/null -w '%{{http_code}}' {target}{nonce}; true")
        assert "200" not in done.out and done.seconds < 8, done
    assert served.world.traces(nonce) == [] and leaked(served) == []
    works(served, served.world.nonce())


def test_the_gateways_own_ports_are_refused_and_no_loop(served, nonce):
    """Even where the policy lists them."""
    own = [f"{host}:{port}" for host in (ROUTER_ADDRESS, "10.99.0.2", "127.0.0.1", "host") for port in (15001, 15053, 9464)]
    served.start([*ALLOW, *own], {"metrics": "0.0.0.0:9464"})
    for host in (ROUTER_ADDRESS, f"[{ROUTER_ADDRESS6}]", "10.99.0.2"):
        for port in (15001, 15053, 9464, 22):
            done = served.client(f"curl -gsS -m 5 -o /dev/null -w '%{{http_code}}' http://{host}:{port}/{nonce}; true")
            assert "200" not in done.out and done.seconds < 4, done
    asked = served.client(f"dig +tcp +time=2 +tries=1 -p 15053 @{ROUTER_ADDRESS} {nonce}.echo.example; "
                          f"curl -sS -m 5 -o /dev/null -w '%{{http_code}}' http://host.cofferdam.internal:9464/metrics; true")
    assert "status:" not in asked.out and "200" not in asked.out, asked
    assert served.about(nonce, "dns") == [] and served.world.traces(nonce) == []
    works(served, served.world.nonce())
    connections = [r for r in served.records() if r["type"] == "connection" and ":15001" in r["connection"]["destination"]]
    assert len(connections) <= 9, "a loop would make many"
    assert not [r for r in served.records() if r.get("source", {}).get("address", "").startswith((f"{ROUTER_ADDRESS}:", "127.", "10.99."))]
    inside = served.world.run("curl -fsS -m 5 http://127.0.0.1:9464/metrics; curl -fsS http://127.0.0.1:9464/readyz", served.folder)
    assert "cofferdam_connections_total" in inside.out and inside.out.endswith("ok\n"), inside


def test_the_gateways_ports_are_closed_to_other_networks(served):
    served.start(ALLOW)
    for port in (15001, 15053):
        done = served.world.run(["curl", "-sS", "-m", "3", f"http://10.99.0.2:{port}/"], served.folder,
                                namespace=served.network.net)
        assert done.code == 7 and done.seconds < 2, done  # refused


@pytest.mark.parametrize("family", [4, 6])
def test_nobody_is_answered_who_is_not_behind_the_interface(served, nonce, family):
    """A client with CAP_NET_RAW that poses as a host of the internet: each answer, refusal and error would be a message to it."""
    served.start(ALLOW)
    for key in ("all", CAPTURED):
        run(*Network.inside(served.network.gw, "sysctl", "-qw", f"net.ipv4.conf.{key}.rp_filter=0"))
    works(served, served.world.nonce())
    spoofed, server = {4: ("203.0.113.66", "8.8.8.8"), 6: ("2001:db8:66::66", "2001:4860:4860::8888")}[family]
    sent = served.client(f"/usr/bin/python3 {served.world.scripts}/spoof.py {spoofed} {server} {nonce}")
    assert sent.out == "sent\n", sent
    refused = served.await_about(spoofed, "connection", 3)
    assert len(refused) == 3 and all("not of the interface" in json.dumps(r) for r in refused), refused
    works(served, served.world.nonce())
    served.world.settle()
    assert [p for p in served.world.evidence.packets(served.since) if p.destination == spoofed] == []
    assert served.world.traces(nonce) == [] and leaked(served) == []


def test_a_configuration_that_does_not_parse_is_located(served):
    served.write_config(ALLOW, {"listen_port": 70000})
    done = served.cofferdam("serve", "--config", str(served.config))
    assert done.code == 78 and "serve.yaml:" in done.err and "listen_port" in done.err, done
    assert "cofferdam" not in served.ruleset()


# Fail closed

def knock(served, nonce: str, patience: int = 4):
    """What must not pass while there is no gateway."""
    return served.client(f"curl -sS -m {patience} -o /dev/null http://{names.ORIGIN}/{nonce}; "
                         f"curl -gsS -m {patience} -o /dev/null http://[{names.ORIGIN6}]/{nonce}; "
                         f"dig +time=1 +tries=1 @{names.DNS} {nonce}.echo.example; "
                         f"dig +tcp +time=1 +tries=1 @{names.DNS} {nonce}.echo.example; "
                         f"{probe(served.world, 'udp', '8.8.8.8', 123, nonce)}; {probe(served.world, 'icmp', '8.8.8.8', 0, nonce)}; true")


@pytest.fixture
def forwarding(served):
    """The worst case: without the ruleset the machine would pass everything on, and the internet answers."""
    keys = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
    for key in keys:
        run(*Network.inside(served.network.gw, "sysctl", "-qw", f"{key}=1"))
    run("ip", "-n", served.network.net, "route", "add", "10.77.0.0/16", "via", "10.99.0.2")
    run("ip", "-n", served.network.net, "-6", "route", "add", "fd77::/64", "via", "2001:470:77::2")
    yield
    run("ip", "-n", served.network.net, "route", "del", "10.77.0.0/16")
    run("ip", "-n", served.network.net, "-6", "route", "del", "fd77::/64")
    for key in keys:
        run(*Network.inside(served.network.gw, "sysctl", "-qw", f"{key}=0"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_without_its_gateway_everything_is_refused_until_the_ruleset_is_removed(served, nonce, number, forwarding):
    served.start(ALLOW)
    works(served, served.world.nonce())
    served.stop(number)
    assert "table inet cofferdam" in served.ruleset()
    knock(served, nonce)
    assert served.world.traces(nonce) == [] and leaked(served) == []
    served.start()
    works(served, served.world.nonce())
    served.stop()
    assert served.cofferdam("nft", "remove").code == 0 and "cofferdam" not in served.ruleset()
    assert served.cofferdam("nft", "remove").code == 0
    after = served.client(f"curl -sS -m 4 http://{names.ORIGIN}/{nonce}")
    assert after.code == 0 and served.world.traces(nonce) != [], "the control: now the machine forwards"


def test_a_ruleset_that_somebody_takes_away_is_put_back_and_that_is_told(served, nonce):
    served.start(ALLOW)
    works(served, served.world.nonce())
    before = run(*Network.inside(served.network.gw, "nft", "--stateless", "list", "chains")).stdout
    for command in (["flush", "ruleset"], ["delete", "table", "inet", "cofferdam"], ["flush", "chain", "inet", "cofferdam", "judged"],
                    ["add", "rule", "inet", "cofferdam", "forwarded", "accept"]):
        since = len(served.about("ruleset changed", "alert"))
        run(*Network.inside(served.network.gw, "nft", *command))
        alerts = served.await_about("ruleset changed", "alert", since + 1)  # at most one a second
        assert "by nft" in alerts[-1]["alert"]["message"] and "put back" in alerts[-1]["alert"]["message"], alerts
        wait_until(lambda: run(*Network.inside(served.network.gw, "nft", "--stateless", "list", "chains")).stdout == before,
                   served.describe)
        works(served, served.world.nonce())
    run(*Network.inside(served.network.gw, "nft", "add", "table", "ip", "somebody"))
    run(*Network.inside(served.network.gw, "nft", "delete", "table", "ip", "somebody"))
    works(served, nonce)
    assert len(served.about("ruleset changed", "alert")) == 4, "other tables are none of the gateway's business"


def test_a_change_that_nobody_told_of_is_found_too(served, nonce):
    """The kernel may lose notifications: here the gateway's subscription is taken from it."""
    served.start(ALLOW, {"ruleset_check": "200ms"})
    works(served, served.world.nonce())
    assert served.process and leave_group(served.process.pid, 7) == 1  # NFNLGRP_NFTABLES
    for command in (["flush", "chain", "inet", "cofferdam", "judged"], ["delete", "table", "inet", "cofferdam"],
                    ["add", "chain", "inet", "cofferdam", "forwarded", "{ policy accept; }"]):
        since = len(served.about("ruleset changed", "alert"))
        run(*Network.inside(served.network.gw, "nft", *command))
        alerts = served.await_about("ruleset changed", "alert", since + 1)
        assert "is not what was installed, and put back" in alerts[-1]["alert"]["message"], alerts
        works(served, served.world.nonce())
    alerts = len(served.about("ruleset changed", "alert"))
    for _ in range(3):  # some time, and rules that count
        works(served, served.world.nonce())
    assert len(served.about("ruleset changed", "alert")) == alerts == 3


@pytest.mark.parametrize("named", [["*"], None], ids=["said", "unsaid"])
def test_everything_may_be_captured(served, nonce, named):
    served.start(ALLOW, {"interfaces": named, "metrics": "0.0.0.0:9464"})
    works(served, nonce)
    asked = served.client(f"curl -fsS -m 5 http://{ROUTER_ADDRESS}:9464/metrics")
    assert "cofferdam_connections_total" in asked.out, asked
    warned = "cofferdam: serve.interfaces is not set" in served.log.read_text()
    assert warned == (named is None)


def test_to_capture_nothing_is_a_mistake(served):
    served.write_config(ALLOW, {"interfaces": []})
    done = served.cofferdam("serve", "--config", str(served.config))
    assert done.code == 78 and "serve.interfaces" in done.err and '"*"' in done.err, done


def test_connections_of_all_jobs_together_are_bounded(served, nonce):
    """Not all places are for one job alone: some are free for others."""
    served.start(ALLOW, {"max_connections": 8, "metrics": "127.0.0.1:9464"}, http={"upstream_idle_connections": 0})
    works(served, served.world.nonce())
    await_connections(served, 0)
    hold = ("import socket\n"
            "socks, refused = [], 0\n"
            "for _ in range(9):\n"
            f"    try: socks.append(socket.create_connection(('{names.ORIGIN}', 80), timeout=10))\n"
            "    except OSError: refused += 1\n"
            "for s in socks:\n"
            "    s.settimeout(0.5)\n"
            "    try: s.sendall(b'GET'); s.recv(1)\n"
            "    except TimeoutError: pass\n"
            "    except OSError: refused += 1\n"
            "print(refused)\n")
    script = served.folder / "hold.py"
    script.write_text(hold)
    done = served.client(["/usr/bin/python3", str(script)])
    assert done.out == "2\n", done
    records = served.await_about("serve.max_connections is reached", "connection", 2)
    assert len(records) == 2 and {r["decision"]["reason"] for r in records} == {"overload"}, records
    await_connections(served, 0)
    works(served, nonce)


def test_streams_that_need_connections_of_their_own_are_bounded_too(served, nonce):
    """Of one connection of HTTP/2 to an origin of HTTP/1.1: its place is for the first."""
    served.start(ALLOW, {"max_connections": 4, "metrics": "127.0.0.1:9464"}, http={"upstream_idle_connections": 0})
    urls = " ".join(f"'https://echo.example/slow?ms=1500&n={nonce}-{n}'" for n in range(6))
    done = served.client(f"nghttp -ns -t 20 {urls} | awk '$NF ~ /slow/ {{ print $5 }}'")  # one connection, offers HTTP/2 alone
    assert sorted(done.out.split()) == ["200"] * 3 + ["503"] * 3, done
    records = served.await_about(nonce, "http", 6)
    refused = [r for r in records if r["close_reason"] == "overload"]
    assert len(refused) == 3 and all("serve.max_connections" in r["detail"] for r in refused), records
    assert all(r["decision"]["action"] == "deny" for r in refused), records
    await_connections(served, 0)
    works(served, served.world.nonce())


def test_a_place_of_its_own_is_enough_for_one_stream_after_the_other(served, nonce):
    """Also if the origin ends its connection after each answer."""
    served.start(ALLOW, {"max_connections": 1})
    script = served.folder / "in_turn.py"
    script.write_text(f"""import socket, ssl
from h2 import config, connection, events
tls = ssl.create_default_context(cafile="{served.ca}")
tls.set_alpn_protocols(["h2"])
s = tls.wrap_socket(socket.create_connection(("echo.example", 443), timeout=20), server_hostname="echo.example")
c = connection.H2Connection(config.H2Configuration(header_encoding="utf-8"))
c.initiate_connection()
for n in range(3):
    c.send_headers(c.get_next_available_stream_id(), [(":method", "GET"), (":scheme", "https"), (":authority", "echo.example"),
                                                      (":path", f"/hang-up?n={nonce}-{{n}}")], end_stream=True)
    ended = False
    while not ended:
        s.sendall(c.data_to_send())
        got = s.recv(65536)
        assert got
        for e in c.receive_data(got):
            if isinstance(e, events.ResponseReceived): print(dict(e.headers)[":status"])
            ended = ended or isinstance(e, events.StreamEnded)
""")
    done = served.client(["/usr/bin/python3", str(script)])
    assert done.out.split() == ["200"] * 3, done
    assert len({r["metadata"]["connection_id"] for r in served.await_about(nonce, "http", 3)}) == 1


def await_connections(served, count: int) -> None:
    def metrics():
        return served.world.run("curl -sS -m 5 http://127.0.0.1:9464/metrics", served.folder).out
    wait_until(lambda: f"cofferdam_active_connections {count}\n" in metrics(), served.describe)


def test_a_second_signal_leaves_no_more_time(served, nonce):
    served.start(ALLOW, {"drain": "10m", "metrics": "127.0.0.1:9464"})
    works(served, nonce)
    await_connections(served, 0)
    hold = served.world.start(["/usr/bin/python3", "-c",
                               f"import socket; s = socket.create_connection(('{names.ORIGIN}', 80)); s.sendall(b'GET'); s.recv(1)"],
                              served.folder, namespace=served.network.client)
    await_connections(served, 1)
    served.send_signal(signal.SIGTERM)
    wait_until(lambda: "LISTEN" not in run(*Network.inside(served.network.gw, "ss", "-Hltn", "sport = 15001")).stdout, served.describe)
    assert served.process and served.process.poll() is None, "it waits for the connection"
    assert served.stop(signal.SIGTERM) == 0
    assert [r["lifecycle"]["event"] for r in served.records() if r["type"] == "job"] == ["start", "end"]
    hold.communicate(timeout=20)


KEPT = """
import http.client, os, ssl, sys, time
context = ssl.create_default_context(cafile=os.environ["CA"])
kept = http.client.HTTPSConnection("echo.example", context=context, timeout=10)
def ask(path):
    kept.request("GET", path); answer = kept.getresponse(); answer.read(); print(answer.status, flush=True)
ask("/before-" + sys.argv[1])
while not os.path.exists(sys.argv[2]): time.sleep(0.01)
ask("/after-" + sys.argv[1])
"""


def test_a_reload_judges_open_connections_anew(served, nonce):
    served.start(ALLOW)
    script, signal_file = served.folder / "kept.py", served.folder / "go"
    script.write_text(KEPT)
    client = served.world.start(["/usr/bin/python3", str(script), nonce, str(signal_file)], served.folder,
                                env={"CA": str(served.ca)}, namespace=served.network.client)
    served.await_about(f"before-{nonce}", "http")
    served.write_config(["https://echo.example/elsewhere/"])
    served.send_signal(signal.SIGHUP)
    wait_until(lambda: "reloaded" in served.describe(), served.describe)
    signal_file.touch()
    out, _ = client.communicate(timeout=20)
    assert out.decode().split() == ["200", "403"], out
    assert [r["lifecycle"]["event"] for r in served.records() if r["type"] == "job"] == ["start", "reload"]
    assert any(f"before-{nonce}" in t for t in served.world.traces(nonce)) and not served.world.traces(f"after-{nonce}")


def test_a_reload_that_does_not_parse_changes_nothing(served, nonce):
    served.start(ALLOW)
    for broken in (["https://"], ["udp://raw.example:123"]):
        served.write_config([*broken, "https://denied.example/"])
        served.send_signal(signal.SIGHUP)
        served.await_about("not reloaded", "alert", 1)
        works(served, served.world.nonce())
        done = served.client(f"curl -sS -m 10 --cacert $CA -o /dev/null -w '%{{http_code}}' https://denied.example/{nonce}; true")
        assert "200" not in done.out, done
    assert "serve.yaml:" in served.about("not reloaded", "alert")[0]["alert"]["message"]
    assert served.world.traces(nonce) == []


HAMMER = """
import socket, sys, time
nonce, until = sys.argv[1].encode(), time.monotonic() + float(sys.argv[2])
query = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + bytes([len(nonce)]) + nonce + b"\\6denied\\4test\\0\\0\\1\\0\\1"
count = 0
while time.monotonic() < until:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names, socket.socket() as stream:
        for sock in (names, stream): sock.setblocking(False)
        try:
            names.sendto(query, (sys.argv[3], 53)); names.sendto(b"to ntp " + nonce, (sys.argv[3], 123))
            stream.connect((sys.argv[3], 80))
        except OSError: pass
        time.sleep(0.001)
        try: stream.send(b"GET /" + nonce + b" HTTP/1.1\\r\\nHost: denied.test\\r\\n\\r\\n")
        except OSError: pass
    count += 1
print(count)
"""


def test_nothing_leaks_while_the_gateway_starts_reloads_dies_and_stops(served, nonce, forwarding):
    """Once its ruleset has stood: before the first start nobody is there to refuse."""
    served.start(ALLOW)
    script = served.folder / "hammer.py"
    script.write_text(HAMMER)
    client = served.world.start(["/usr/bin/python3", str(script), nonce, "12", names.ORIGIN], served.folder,
                                namespace=served.network.client)
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        for n in range(34):
            served.write_config(ALLOW if n % 2 else [*ALLOW, "https://other.example/"])
            reloads = served.log.read_bytes().count(b"cofferdam: reloaded")
            served.send_signal(signal.SIGHUP)
            wait_until(lambda: served.log.read_bytes().count(b"cofferdam: reloaded") > reloads, served.describe, served.process)
        works(served, served.world.nonce())
        served.stop(number)
        served.start()
    out, _ = client.communicate(timeout=60)
    assert int(out) > 500, out
    assert served.world.traces(nonce) == [] and leaked(served) == []
    works(served, served.world.nonce())


# Privileges, and attacks on the router itself

def statuses(pid: int) -> list[dict[str, str]]:
    return [dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
            for path in Path(f"/proc/{pid}/task").glob("*/status")]


def test_after_its_start_the_gateway_has_one_capability_and_no_way_to_more(served):
    served.start(ALLOW)
    works(served, served.world.nonce())
    assert served.process
    for status in statuses(served.process.pid):
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 1 << 12, status  # CAP_NET_ADMIN
        assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0, status
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status


def test_started_as_root_the_gateway_does_not_stay_it(served, nonce):
    """Unless that is said."""
    served.audit.touch()  # by root, as an earlier gateway may have
    served.start(ALLOW)
    works(served, nonce)
    assert served.process
    uids = {s["Uid"] for s in statuses(served.process.pid)}
    try:
        default = pwd.getpwnam("cofferdam").pw_uid
    except KeyError:
        default = pwd.getpwnam("nobody").pw_uid
    assert uids == {"\t".join([str(default)] * 4)}, uids
    assert served.audit.stat().st_uid == default and served.stop() == 0
    served.start(ALLOW, {"user": "root"})  # what was another user's is root's again
    works(served, served.world.nonce())
    assert served.audit.stat().st_uid == served.ca.stat().st_uid == 0
    assert served.process and {s["Uid"].split()[0] for s in statuses(served.process.pid)} == {"0"}
    assert "stays root" not in served.log.read_text()


def test_folders_that_are_not_there_are_made(served, nonce):
    made = served.state / "made" / "later"
    served.audit = made / "audit.jsonl"
    served.start(ALLOW, {"control": str(served.state / "run" / "control"), "audit_dir": str(made / "jobs")})
    works(served, nonce)
    assert served.audit.stat().st_uid == (made / "jobs").stat().st_uid != 0


def test_where_another_user_could_not_use_the_files_the_gateway_stays_root_and_says_so(served, nonce):
    served.state.chmod(0o700)
    served.start(ALLOW)
    works(served, nonce)
    assert served.process and {s["Uid"].split()[0] for s in statuses(served.process.pid)} == {"0"}
    assert f"can't use {served.config} (set serve.user;" in served.log.read_text()
    served.write_config(["https://echo.example/elsewhere/"])
    served.send_signal(signal.SIGHUP)
    wait_until(lambda: "cofferdam: reloaded" in served.describe(), served.describe)
    assert served.stop() == 0


def test_the_gateway_becomes_another_user(served, nonce):
    served.start(ALLOW, {"user": "nobody"})
    works(served, nonce)
    assert served.process and all(s["Uid"].split() == ["65534"] * 4 and s["Groups"].split() in ([], ["65534"])
                                  for s in statuses(served.process.pid))
    assert served.audit.stat().st_uid == 65534 and served.ca.stat().st_uid == 65534
    served.write_config(["https://echo.example/elsewhere/"], {"user": "nobody"})
    served.send_signal(signal.SIGHUP)
    wait_until(lambda: "cofferdam: reloaded" in served.describe(), served.describe)
    run(*Network.inside(served.network.gw, "nft", "flush", "ruleset"))
    assert "put back" in served.await_about("ruleset changed", "alert")[0]["alert"]["message"]
    assert served.stop() == 0


ADVERTISE = """
import socket, struct
sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("up0"))
for _ in range(3): sock.sendto(struct.pack("!2BH2BH2I", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0))
"""


def test_a_rogue_router_advertisement_makes_no_route(served, nonce):
    served.start(ALLOW)
    script = served.folder / "advertise.py"
    script.write_text(ADVERTISE)
    run(*Network.inside(served.network.gw, "sysctl", "-qw", f"net.ipv6.conf.{CAPTURED}.accept_ra=2"))
    done = served.client(["/usr/bin/python3", str(script)])
    assert done.code == 0, done
    works(served, nonce)
    assert CAPTURED not in run("ip", "-n", served.network.gw, "-6", "route", "show", "default").stdout
    assert len(served.await_about("ff02::1", "connection")) == 1


def test_fragments_are_judged_whole(served, nonce):
    served.start(ALLOW)
    send = (f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_IP, 10, 0); "
            f"s.sendto(bytes([18, 52, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 21]) + b'{nonce}' + b'\\\\x06denied\\\\x04test\\\\0\\\\0\\\\1\\\\0\\\\1' + bytes(4000), ('9.9.9.9', 53))")
    done = served.client(f'/usr/bin/python3 -c "{send}"')
    assert done.code == 0, done
    wait_until(lambda: any(r["decision"]["action"] == "deny" for r in served.records()), served.describe)
    assert served.world.traces(nonce) == [] and leaked(served) == []
    assert len([r for r in served.records() if r["decision"]["action"] == "deny"]) == 1, served.records()
    works(served, served.world.nonce())
