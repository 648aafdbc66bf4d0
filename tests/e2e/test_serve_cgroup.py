"""`cofferdam serve`, intercept: local: control groups as sources of jobs. All clients have the gateway's own addresses."""
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from gateway import read_audit
from served import leave_group, wait_until
from world import names
from world.network import GATEWAY_ADDRESS

PLAIN = "setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all"
HIERARCHY = "/sys/fs/cgroup"
MOUNT = f"mount -t cgroup2 cgroup2 {HIERARCHY}"  # ip-netns(8) gives each program a mount namespace with a /sys of its own
PREFIX = "cofferdam-e2e-"


class Groups:
    """Control groups of one test below a root of its own, and the jobs that have them as source."""

    def __init__(self, served) -> None:
        self.served, self.root = served, f"/{PREFIX}{os.getpid()}"
        self.socket = served.state / "control.sock"
        served.folder.chmod(0o755)
        served.launch = ["sh", "-c", f'{MOUNT} && exec "$0" "$@"', str(served.binary)]
        self._remove_stale()

    def start(self, allow: list[str] | None = None, **serve) -> None:
        self.served.start(allow or [], {"control": str(self.socket), **serve}, intercept="local")

    def shell(self, script: str, group: str | None = None, plain: bool = False, timeout: float = 60):
        """Runs a script on the gateway's machine, in that control group."""
        path = self.served.folder / "script.sh"
        path.write_text(script)
        enter = f"echo $$ > {HIERARCHY}{self.root}{group}/cgroup.procs && " if group is not None else ""
        argv = ["sh", "-c", f"{MOUNT} && {enter}exec {PLAIN if plain else ''} sh {path}"]
        return self.served.world.run(argv, self.served.folder, timeout=timeout)

    def client(self, group: str | None, command: str):
        """A client without rights."""
        return self.shell(command, group, plain=True)

    def python(self, group: str | None, code: str, plain: bool = True):
        path = self.served.folder / "client.py"
        path.write_text(f"import socket, struct, sys\nROOT = '{HIERARCHY}{self.root}'\n{code}")
        done = self.shell(f"/usr/bin/python3 {path}", group, plain)
        assert done.code == 0, done
        return done

    def make(self, *groups: str) -> None:
        done = self.shell("".join(f"mkdir -p {HIERARCHY}{self.root}{g}\n" for g in groups))
        assert done.code == 0, done

    def job(self, *argv: str, code: int = 0):
        done = self.served.cofferdam("job", "--control", str(self.socket), "--json", *argv)
        assert done.code == code, done
        return json.loads(done.out) if done.out else done.err

    def start_job(self, group: str, allow: list[str]) -> dict:
        """The gateway's answer, with the path of the CA's certificate as `trust`."""
        name = group.replace("/", "-")
        policy, trust = self.served.state / f"job{name}.yaml", self.served.state / f"job{name}.pem"
        policy.write_text(yaml.safe_dump({"version": 1, "allow": allow}))
        job = self.job("start", "--source", self.source(group), "--policy", str(policy), "--ca", str(trust))
        trust.chmod(0o644)
        return {**job, "trust": trust}

    def source(self, group: str) -> str:
        return f"cgroup:{self.root}{group}"

    def await_record(self, job: dict | None, text: str, count: int = 1) -> list[dict]:
        """The records of a job (none: the default job) that tell of it; of no other job are there any."""
        logs = {Path(each["audit"]) for each in self.job("list")["jobs"] if each["audit"]} | {self.served.audit}
        own = Path(job["audit"]) if job else self.served.audit

        def about(log: Path) -> list[dict]:
            return [r for r in read_audit(log) if text in json.dumps(r) and r["type"] != "job"] if log.exists() else []

        wait_until(lambda: len(about(own)) >= count, lambda: f"no record of {text}: {[(log, about(log)) for log in logs]}")
        assert all(not about(log) for log in logs - {own}), [(log, about(log)) for log in logs]
        assert not job or all(r["job"] == job["id"] for r in about(own)), about(own)
        return about(own)

    def close(self) -> None:
        done = self.shell(f"find {HIERARCHY}{self.root} -depth -type d -exec rmdir {{}} +; test ! -e {HIERARCHY}{self.root}")
        assert done.code == 0, done

    def _remove_stale(self) -> None:
        """Of runs that were killed; what was in them died with their namespaces."""
        self.shell(f"for d in {HIERARCHY}/{PREFIX}*; do test -e $d -a ! -e /proc/${{d##*-}} && find $d -depth -type d -exec rmdir {{}} +; "
                   "done; true")


@pytest.fixture
def groups(served):
    made = Groups(served)
    made.make("/a/deep", "/b", "/other")
    yield made
    made.close()


@pytest.fixture
def two(groups):
    """Two jobs with a group each, which may do different things; the default job may do nothing."""
    groups.start()
    groups.a = groups.start_job("/a", ["https://echo.example/a/", "http://echo.example/a/", "dns:v4only.example"])
    groups.b = groups.start_job("/b", ["https://echo.example/b/", "http://echo.example/b/", "dns:raw.example"])
    return groups


def status(groups, group: str | None, url: str, trust: Path | None = None, options: str = "") -> str:
    """The HTTP status that a client gets."""
    ca = f"--cacert {trust}" if trust else "-k"
    done = groups.client(group, f"curl -4 -sS -m 15 {ca} {options} -o /dev/null -w '%{{http_code}}' {url}; true")
    return done.out


# Python: get(path) makes a socket, connects, asks for the path, and returns the status.
FETCH = f"""
def ask(s, path):
    s.settimeout(15)
    s.connect(("{names.ORIGIN}", 80))
    s.sendall(f"GET {{path}} HTTP/1.1\\r\\nHost: echo.example\\r\\nConnection: close\\r\\n\\r\\n".encode())
    return s.makefile("rb").readline().split()[1].decode()
def get(path):
    with socket.socket() as s:
        return ask(s, path)
"""


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_each_group_has_the_policy_of_its_job(two, nonce, scheme):
    for group, own, other in (("/a", two.a, "b"), ("/b", two.b, "a"), ("/a/deep", two.a, "b")):
        tag = nonce + group.replace("/", "-")
        mine = group[1]
        assert status(two, group, f"{scheme}://echo.example/{mine}/{tag}", own["trust"]) == "200"
        assert status(two, group, f"{scheme}://echo.example/{other}/{tag}-no", own["trust"]) == "403"
        assert two.await_record(own, f"/{mine}/{tag}")[0]["decision"]["action"] == "allow"
        assert two.await_record(own, f"/{other}/{tag}-no")[0]["decision"]["action"] == "deny"
        assert two.served.world.traces(f"{tag}-no") == []


@pytest.mark.parametrize("group", ["/other", None])
def test_a_process_of_no_jobs_group_is_the_default_jobs(two, nonce, group):
    assert status(two, group, f"http://{names.ORIGIN}/a/{nonce}", options="-H 'Host: echo.example'") == "403"
    two.await_record(None, nonce)
    assert "REFUSED" in two.client(group, "dig +time=5 +tries=1 @9.9.9.9 v4only.example").out
    assert two.served.world.traces(nonce) == []


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_names_are_judged_by_the_groups_job(two, nonce, transport):
    for group, own, good, bad in (("/a", two.a, "v4only.example", "raw.example"), ("/b", two.b, "raw.example", "v4only.example")):
        for server in ("9.9.9.9", "127.0.0.53"):
            dig = f"dig +time=5 +tries=1 {transport} @{server}"
            for _ in range(2):  # the second answer is ready
                assert "198.18." in two.client(group, f"{dig} {good}").out
            assert "REFUSED" in two.client(group, f"{dig} {bad}").out
            assert "REFUSED" in two.client(group, f"{dig} {server}.{group[1:]}{transport[1:]}.{nonce}.example").out
            records = two.await_record(own, f"{server}.{group[1:]}{transport[1:]}.{nonce}")
            assert len(records) == 1 and records[0]["dns"]["qtype"] == "A", records
    assert two.served.world.traces(nonce) == []


def test_other_protocols_and_families_are_recorded_for_the_groups_job(two, nonce):
    for group, own, port in (("/a", two.a, 1231), ("/b", two.b, 1232)):
        probe = f"/usr/bin/python3 {two.served.world.scripts}/datagram.py udp 8.8.8.8 {port} {nonce}"
        assert two.client(group, probe).out.startswith("refused")
        assert two.await_record(own, f"8.8.8.8:{port}")[0]["decision"]["action"] == "deny"
        two.client(group, f"curl -6 -sS -m 10 -o /dev/null 'http://[{names.ORIGIN6}]/{nonce}{port}'; true")
        two.await_record(own, f"{nonce}{port}")
    assert two.served.world.traces(nonce) == []


def test_a_nested_job_wins_until_it_ends(two, nonce):
    inner = two.start_job("/a/deep", ["http://echo.example/inner/"])
    url = "http://echo.example"
    assert status(two, "/a/deep", f"{url}/inner/{nonce}-1") == "200"
    assert status(two, "/a/deep", f"{url}/a/{nonce}-2") == "403"
    assert status(two, "/a", f"{url}/inner/{nonce}-3") == "403"
    for job, tag in ((inner, 1), (inner, 2), (two.a, 3)):
        two.await_record(job, f"{nonce}-{tag}")
    two.job("stop", inner["id"], "--drain", "100")
    assert status(two, "/a/deep", f"{url}/a/{nonce}-4") == "200"
    two.await_record(two.a, f"{nonce}-4")


def test_a_process_that_moves_changes_its_job_with_its_next_socket(two, nonce):
    done = two.python("/a", f"""{FETCH}
print(get("/a/{nonce}-1"), get("/b/{nonce}-2"))
kept = socket.socket()
open(ROOT + "/b/cgroup.procs", "w").write("0")
print(get("/a/{nonce}-3"), get("/b/{nonce}-4"), ask(kept, "/b/{nonce}-5"))
open(ROOT + "/other/cgroup.procs", "w").write("0")
print(get("/b/{nonce}-6"))
""", plain=False)
    assert done.out.split() == ["200", "403", "403", "200", "403", "403"], done
    for job, tag in ((two.a, 1), (two.a, 2), (two.b, 3), (two.b, 4), (two.a, 5), (None, 6)):
        two.await_record(job, f"{nonce}-{tag}")


def test_a_group_that_was_removed_is_not_the_one_that_is_made_anew(two, nonce):
    two.make("/gone")
    job = two.start_job("/gone", ["http://echo.example/"])
    assert status(two, "/gone", f"http://echo.example/{nonce}-1") == "200"
    assert two.shell(f"d={HIERARCHY}{two.root}/gone; rmdir $d && mkdir $d").code == 0
    assert status(two, "/gone", f"http://{names.ORIGIN}/{nonce}-2", options="-H 'Host: echo.example'") == "403"
    two.await_record(None, f"{nonce}-2")
    listed = next(each for each in two.job("list")["jobs"] if each["id"] == job["id"])
    assert listed["sources"] == [two.source("/gone")], listed
    again = two.start_job("/gone", ["http://echo.example/"])
    assert status(two, "/gone", f"http://echo.example/{nonce}-3") == "200"
    two.await_record(again, f"{nonce}-3")


def test_a_socket_keeps_its_group_when_that_is_gone(two, nonce):
    done = two.python("/a", f"""{FETCH}
import os
os.mkdir(ROOT + "/a/short")
open(ROOT + "/a/short/cgroup.procs", "w").write("0")
kept = socket.socket()
open(ROOT + "/other/cgroup.procs", "w").write("0")
os.rmdir(ROOT + "/a/short")
print(ask(kept, "/a/{nonce}"))
""", plain=False)
    assert done.out.split() == ["200"], done
    two.await_record(two.a, nonce)


def test_another_sockets_address_is_no_disguise(two, nonce):
    """A client may send with any local address and port as source, another client's connected socket's too (ip(7), IP_PKTINFO)."""
    query = (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" +
             b"".join(bytes([len(label)]) + label for label in (nonce.encode(), b"v4only", b"example")) + b"\x00\x00\x01\x00\x01")
    two.python("/a", f"""
import os
real = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
real.bind(("{GATEWAY_ADDRESS}", 5555))
real.connect(("9.9.9.9", 53))
real.settimeout(10)
if os.fork() == 0:
    open(ROOT + "/b/cgroup.procs", "w").write("0")
    false = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    false.bind(("127.0.0.9", 5555))
    source = struct.pack("=I4s4s", 0, socket.inet_aton("{GATEWAY_ADDRESS}"), bytes(4))
    false.sendmsg([{query!r}], [(socket.IPPROTO_IP, 8, source)], 0, ("9.9.9.9", 53))
    os._exit(0)
os.wait()
real.recv(512)
""", plain=False)
    record = two.await_record(two.b, nonce)[0]
    assert record["source"]["address"] == f"{GATEWAY_ADDRESS}:5555" and record["decision"]["action"] == "deny", record
    assert two.served.world.traces(nonce) == []


def test_connections_that_end_at_once_are_nobody_elses(two, nonce):
    two.python("/a", f"""
for n in range(50):
    with socket.socket() as s:
        s.connect(("{names.ATTACKER}", 4000 + n))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0) if n % 2 else struct.pack("ii", 0, 0))
        s.send(b"GET /b/{nonce} HTTP/1.1\\r\\nHost: echo.example\\r\\n\\r\\n")
""")
    def told() -> list[dict]:
        """One record each: the request's, or that of a connection which was gone before it was read."""
        logs = [r for log in (two.served.audit, Path(two.a["audit"])) for r in read_audit(log)]
        return [r for r in logs if f"{names.ATTACKER}:4" in json.dumps(r) or nonce in json.dumps(r)]

    wait_until(lambda: len(told()) == 50, lambda: f"{len(told())} of 50: {told()}")
    assert not any(f"{names.ATTACKER}:4" in json.dumps(r) for r in read_audit(Path(two.b["audit"])))
    assert not any(r["type"] == "http" for r in two.served.records()), "the default job serves none of them"
    assert two.served.world.traces(nonce) == []


def test_the_explicit_proxy_knows_groups_too(groups, nonce):
    groups.start(proxy="127.0.0.1:3128")
    job = groups.start_job("/a", ["https://echo.example/a/"])
    proxy = "-x http://127.0.0.1:3128"
    assert status(groups, "/a", f"https://echo.example/a/{nonce}-1", job["trust"], proxy) == "200"
    groups.await_record(job, f"{nonce}-1")
    status(groups, "/b", f"http://echo.example/a/{nonce}-2", options=proxy)
    groups.await_record(None, f"{nonce}-2")
    assert groups.served.world.traces(f"{nonce}-2") == []


def test_rules_that_are_put_back_know_the_groups(two, nonce):
    two.shell("nft flush ruleset")
    two.served.await_about("put back", "alert")
    assert status(two, "/a", f"http://echo.example/a/{nonce}") == "200"
    two.await_record(two.a, nonce)


def test_the_rules_that_are_compared_are_those_of_the_groups(groups, nonce):
    groups.start(ruleset_check="100ms")
    job = groups.start_job("/a", ["http://echo.example/a/"])
    for n in range(5):  # some time
        assert status(groups, "/a", f"http://echo.example/a/{nonce}-{n}") == "200"
    groups.job("stop", job["id"], "--drain", "0")
    again = groups.start_job("/a", ["http://echo.example/b/"])
    for n in range(5):
        assert status(groups, "/a", f"http://echo.example/b/{nonce}-{n}") == "200"
    assert groups.await_record(again, f"/b/{nonce}-4") and groups.served.about("ruleset changed", "alert") == []


def test_a_change_by_somebody_else_before_that_of_groups_is_put_back(groups, nonce):
    """The kernel may lose notifications: here the gateway's subscription is taken from it."""
    groups.start(ruleset_check="1h")
    assert groups.served.process and leave_group(groups.served.process.pid, 7) == 1  # NFNLGRP_NFTABLES
    assert groups.shell("nft flush chain inet cofferdam judged").code == 0
    job = groups.start_job("/a", ["http://echo.example/"])
    alert = groups.served.await_about("ruleset changed", "alert")[0]
    assert "is not what was installed, and put back" in alert["alert"]["message"], alert
    assert "goto refuse" in groups.shell("nft list chain inet cofferdam judged").out
    assert status(groups, "/a", f"http://echo.example/{nonce}") == "200"
    groups.await_record(job, nonce)


def test_what_is_no_source_is_told(two):
    for source, why in (("cgroup:relative", "expected the path of a control group"), ("cgroup:/a/../b", "expected the path"),
                        (two.source("/none"), "there is no control group"), ("ci/job", "expected an address, a range or a control group")):
        assert why in two.job("start", "--source", source, code=1), source
    assert "is a source of another job" in two.job("start", "--source", two.source("/a"), code=1)
    assert status(two, "/a", "http://echo.example/a/") == "200", "it is its job's still"
    assert two.source("/a") in two.served.cofferdam("job", "--control", str(two.socket), "list").out


def test_groups_are_bounded(groups):
    groups.start(max_control_groups=2)
    first = groups.start_job("/a", [])
    groups.start_job("/b", [])
    assert "serve.max_control_groups" in groups.job("start", "--source", groups.source("/other"), code=1)
    groups.job("stop", first["id"], "--drain", "0")
    groups.start_job("/other", [])


def test_as_many_groups_as_may_be_set(groups, nonce):
    """All are rules of one change of the ruleset."""
    groups.start(max_control_groups=512)
    made = groups.shell(f"cd {HIERARCHY}{groups.root}/other && seq 512 | xargs mkdir")
    assert made.code == 0, made
    jobs = [groups.job("start", "--allow", "http://echo.example/", *(word for n in some for word in ("--source", groups.source(f"/other/{n}"))))
            for some in (range(1, 257), range(257, 513))]
    for n, own in ((1, jobs[0]), (256, jobs[0]), (257, jobs[1]), (512, jobs[1])):
        assert status(groups, f"/other/{n}", f"http://echo.example/{nonce}-{n}-") == "200"
        groups.await_record(own, f"{nonce}-{n}-")
    assert "serve.max_control_groups" in groups.job("start", "--source", groups.source("/a"), code=1)


def test_a_router_has_no_control_groups(groups):
    groups.served.start([], {"control": str(groups.socket)})
    assert "`intercept: local` only" in groups.job("start", "--source", groups.source("/a"), code=1)
