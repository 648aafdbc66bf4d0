"""Jobs of `cofferdam serve`: each source its own policy, CA, log; the control API and `cofferdam job`."""
from __future__ import annotations

import concurrent.futures
import json
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

from served import wait_until
from world import names
from world.network import ROUTER_ADDRESS, run

JOBS = 200


@pytest.fixture
def control(served):
    """A gateway with a control socket, whose default job has nothing."""
    served.socket = served.state / "control.sock"
    served.start([], {"control": str(served.socket)}, default_job="none")
    return served


def addresses(served, count: int) -> list[str]:
    """So many addresses of the client's machine."""
    out = [f"10.77.1.{n}" for n in range(1, count + 1)]
    batch = "".join(f"addr add {a}/32 dev up0\n" for a in out)
    subprocess.run(["ip", "-n", served.network.client, "-batch", "-"], input=batch, text=True, check=True)
    return out


def job(served, *argv: str, code: int = 0):
    done = served.cofferdam("job", "--control", str(served.socket), "--json", *argv)
    assert done.code == code, done
    return json.loads(done.out) if done.out else done.err


def start(served, source: str, allow: list[str], **more) -> dict:
    policy = served.state / f"job-{source.replace('/', '-')}.yaml"
    policy.write_text(yaml.safe_dump({"version": 1, "allow": allow, **more.pop("policy", {})}))
    options = [word for key, value in more.items() for word in (f"--{key}", value)]
    return job(served, "start", "--source", source, "--policy", str(policy), "--ca", str(ca_of(served, source)), *options)


def ca_of(served, source: str) -> Path:
    return served.state / f"{source.replace('/', '-')}.pem"


def client_at(served, source: str, command: str):
    """Runs a client all of whose traffic, its queries too, comes from that address."""
    run("ip", "-n", served.network.client, "route", "replace", "default", "via", ROUTER_ADDRESS, "src", source)
    return served.client(command)


def fetch(served, source: str, url: str, ca: str | None = None):
    return client_at(served, source, f"curl -4 -sS -m 10 --cacert {ca_of(served, ca or source)} -w '%{{http_code}}' {url}; true")


def log_of(started: dict) -> list[dict]:
    return [json.loads(line) for line in Path(started["audit"]).read_text().splitlines()]


def test_each_source_has_its_own_policy_ca_and_log(control, nonce):
    one, two, stranger = addresses(control, 3)
    jobs = {one: start(control, one, ["https://echo.example/"], name="first"),
            two: start(control, two, ["https://files.example/"])}
    assert jobs[one]["id"] != jobs[two]["id"] and jobs[one]["ca"] != jobs[two]["ca"]
    assert fetch(control, one, f"https://echo.example/{nonce}").out.endswith("200")
    assert fetch(control, two, "https://files.example/small.txt").out == "small\n200"
    refused = fetch(control, two, f"https://echo.example/{nonce}-two")
    assert "200" not in refused.out, refused
    assert "certificate" in fetch(control, one, "https://echo.example/", ca=two).err, "the other job's CA is worth nothing here"
    unknown = client_at(control, stranger, f"curl -4 -sS -m 10 -o /dev/null -w '%{{http_code}}' http://echo.example/{nonce}-x; true")
    assert "200" not in unknown.out and unknown.seconds < 8, unknown
    assert control.world.traces(f"{nonce}-two") == [] and control.world.traces(f"{nonce}-x") == []
    ended = job(control, "stop", jobs[one]["id"])
    assert ended["requests"] >= 1 and ended["lost"] == 0 and "echo.example" in ended["text"] and ended["state"] == "ended"
    records = log_of(jobs[one])
    assert {r["job"] for r in records} == {jobs[one]["id"]} and nonce in json.dumps(records)
    assert [r["lifecycle"]["event"] for r in records if r["type"] == "job"] == ["start", "end"]
    assert nonce not in Path(jobs[two]["audit"]).read_text().replace(f"{nonce}-two", ""), "the first one's requests"
    assert not Path(jobs[one]["ca_dir"]).exists() and Path(jobs[two]["ca_dir"], "ca.pem").read_text() == jobs[two]["ca"]
    verified = control.cofferdam("verify", jobs[one]["audit"], "--allow", "echo.example")
    assert "chain" not in verified.err, verified
    after = fetch(control, one, f"https://echo.example/{nonce}-after")
    assert "200" not in after.out and control.world.traces(f"{nonce}-after") == [], after


def test_ranges_and_the_longest_prefix(control):
    one, two = addresses(control, 2)
    start(control, "10.77.1.0/24", ["http://files.example/"])
    narrow = start(control, one, ["http://echo.example/"])
    def get(source, host):
        return client_at(control, source, f"curl -4 -sS -m 10 -o /dev/null -w '%{{http_code}}' http://{host}/small.txt; true").out
    assert get(one, "echo.example") == "200" and get(two, "files.example") == "200"
    assert "200" not in get(one, "files.example") and "200" not in get(two, "echo.example")
    job(control, "stop", narrow["id"])
    assert get(one, "files.example") == "200", "the wider job's again"


def test_phases(control, nonce):
    source = addresses(control, 1)[0]
    made = start(control, source, ["https://echo.example/"], policy={"phases": {"build": {"allow": []}}})
    assert fetch(control, source, "https://echo.example/one").out.endswith("200")
    assert job(control, "phase", made["id"], "build")["phase"] == "build"
    assert "200" not in fetch(control, source, f"https://echo.example/{nonce}").out and control.world.traces(nonce) == []
    assert "nonsense" in job(control, "phase", made["id"], "nonsense", code=78)
    job(control, "phase", made["id"])
    assert fetch(control, source, "https://echo.example/two").out.endswith("200")
    job(control, "stop", made["id"])
    assert [r["lifecycle"]["event"] for r in log_of(made) if r["type"] == "job"] == ["start", "phase", "phase", "end"]


def test_what_is_wrong_is_said_and_changes_nothing(control):
    one = addresses(control, 1)[0]
    start(control, one, ["https://echo.example/"])
    twice = control.cofferdam("job", "--control", str(control.socket), "start", "--source", one)
    assert twice.code == 1 and "source of another job" in twice.err, twice
    bad = control.state / "bad.yaml"
    bad.write_text("version: 1\nallow: [\"https://\"]\n")
    located = control.cofferdam("job", "--control", str(control.socket), "start", "--source", "10.77.9.9", "--policy", str(bad))
    assert located.code == 78 and "bad.yaml:2" in located.err, located
    for policy, word in (({"version": 1, "audit": {"sinks": [{"file": "/etc/passwd"}]}}, "audit"),
                         ({"version": 1, "dns": {"upstreams": ["6.6.6.6"]}}, "dns"),
                         ({"version": 1, "tls": {"extra_roots": ["/etc/shadow"]}}, "extra_roots"),
                         ({"version": 1, "allow": ["udp://a.example:1"]}, "udp://"),
                         ({"version": 1, "phases": {"x": {"allow": ["udp://a.example:1"]}}}, "udp://"),
                         ({"version": 1, "serve": {}}, "serve")):
        answer = api(control, "POST", "/v1/jobs", {"sources": ["10.77.9.9"], "policy": yaml.safe_dump(policy)})
        assert answer[0] == 422 and word in answer[1]["error"], answer
    for body, word in (({"sources": []}, "source"), ({"sources": ["x"]}, "sources"), ({"surprise": 1}, "unknown"), ([], "object")):
        assert api(control, "POST", "/v1/jobs", body)[0] == 400 and word in api(control, "POST", "/v1/jobs", body)[1]["error"]
    assert api(control, "DELETE", "/v1/jobs/default")[0] == 409 and api(control, "GET", "/v1/jobs/nobody")[0] == 404
    assert api(control, "GET", "/v1/nothing")[0] == 404 and api(control, "PATCH", "/v1/jobs")[0] == 405
    assert len([each for each in job(control, "list")["jobs"] if each["state"] == "running"]) == 2


def api(served, method: str, target: str, body=None) -> tuple[int, dict]:
    """One request to the control socket, by hand."""
    data = b"" if body is None else json.dumps(body).encode()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(served.socket))
        sock.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(rest or b"{}")


def test_without_a_log_there_is_no_job(served, nonce):
    served.socket = served.state / "control.sock"
    served.start(["https://echo.example/"], {"control": str(served.socket)}, audit={"sinks": [{"stdout": {}}]})
    status, said = api(served, "POST", "/v1/jobs", {"sources": ["10.77.0.2"], "allow": ["https://echo.example/"]})
    assert status == 409 and "serve.audit_dir" in said["error"], said


def test_sources_are_addresses_however_they_are_written(control):
    status, made = api(control, "POST", "/v1/jobs", {"sources": ["::ffff:10.77.6.1", "10.77.6.1", "::ffff:10.78.0.0/112"]})
    assert status == 201 and made["sources"] == ["10.77.6.1/32", "10.78.0.0/16"], made


def test_only_root_the_gateway_and_the_group_may_control(served, nonce):
    served.socket = served.state / "control.sock"
    served.start([], {"control": str(served.socket), "control_group": "nogroup"})
    assert served.socket.stat().st_mode & 0o777 == 0o660
    for folder in (served.folder, served.state):
        folder.chmod(0o755)
    ask = ["curl", "-sS", "-m", "5", "-w", "%{http_code}", "--unix-socket", str(served.socket), "http://x/v1/jobs"]
    def as_user(*groups):
        return served.world.run(["setpriv", "--reuid=65534", "--regid=65533", *groups, *ask], served.folder)
    inside = as_user("--groups=65534")
    assert inside.out.endswith("200"), inside
    outside = as_user("--clear-groups")
    assert "200" not in outside.out, outside
    served.socket.chmod(0o666)  # the file's mode is not what is relied on
    outside = as_user("--clear-groups")
    assert outside.out.endswith("403"), outside


def test_strangers_are_refused_before_they_say_much(control):
    """And can't take the places of those who may ask."""
    for folder in (control.folder, control.state):
        folder.chmod(0o755)
    control.socket.chmod(0o666)
    script = control.folder / "stranger.py"
    script.write_text("import socket, sys\nsocks = []\n"
                      "for n in range(80):\n"
                      "    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(10); socks.append(s)\n"
                      "s = socks[0]; s.sendall(b'POST /v1/jobs HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 8000000\\r\\n\\r\\n')\n"
                      "print(s.recv(100).split()[1].decode(), flush=True)\nsys.stdin.read()\n")
    stranger = subprocess.Popen(["setpriv", "--reuid=65534", "--regid=65533", "--clear-groups", "/usr/bin/python3", str(script),
                                 str(control.socket)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert stranger.stdout
    assert stranger.stdout.readline() == b"403\n"
    assert api(control, "GET", "/v1/jobs")[0] == 200
    stranger.communicate(b"", timeout=10)


def test_only_a_socket_of_its_own_is_taken_away(control):
    other = control.cofferdam("serve", "--config", str(control.config))
    assert other.code == 125, other
    assert api(control, "GET", "/v1/jobs")[0] == 200, "a second gateway left the first one's socket alone"
    control.socket.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(control.socket))
        assert control.stop() == 0 and control.socket.is_socket(), "it is somebody else's by now"
    control.start()  # nobody listens on it any more
    assert api(control, "GET", "/v1/jobs")[0] == 200
    assert control.stop() == 0 and not control.socket.exists()


@pytest.fixture
def small_disk(served):
    """Where the jobs' logs are: room for little."""
    folder = served.state / "jobs"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "none", str(folder))
    yield folder
    served.process and served.stop(signal.SIGKILL)
    run("umount", str(folder))


def test_a_log_that_cannot_be_written_keeps_nobody_else_waiting(served, small_disk):
    served.socket = served.state / "control.sock"
    served.start([], {"control": str(served.socket), "metrics": "127.0.0.1:9464"})
    source = addresses(served, 1)[0]
    made = start(served, source, ["http://echo.example/"])
    wait_until(lambda: Path(made["audit"]).stat().st_size > 0, served.describe)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    def ready():
        return served.world.run("curl -s http://127.0.0.1:9464/readyz; curl -s http://127.0.0.1:9464/metrics", served.folder).out
    assert ready().startswith("ok\n")
    for n in range(50):  # what was left of the page is soon used up
        client_at(served, source, f"curl -s -m 5 -o /dev/null http://denied.example/{n}-{'x' * 200}; true")
        if "cofferdam_audit_logs_failed 1" in ready():
            break
    assert ready().startswith("1 audit logs of jobs"), ready()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        ending = pool.submit(api, served, "DELETE", f"/v1/jobs/{made['id']}?drain_ms=0")
        wait_until(lambda: any(j["state"] == "stopping" for j in api(served, "GET", "/v1/jobs")[1]["jobs"]), served.describe)
        other = api(served, "POST", "/v1/jobs", {"sources": ["10.77.9.9"], "allow": []})
        assert other[0] in (201, 500) and not ending.done(), "the other is answered while this one waits for its log"
        filler.unlink()
        code, ended = ending.result(30)
        assert code == 200 and ended["lost"] == 0, ended
    wait_until(lambda: ready().startswith("ok\n"), served.describe)


def test_the_default_job_keeps_its_phase_and_policy_by_reload(served, nonce):
    served.socket = served.state / "control.sock"
    served.start(["https://echo.example/"], {"control": str(served.socket)})
    served.write_config(["https://files.example/"], {"control": str(served.socket)})
    assert job(served, "reload") == ""
    done = served.client("curl -sS -m 10 --cacert $CA https://files.example/small.txt")
    assert done.out == "small\n", done
    served.write_config(["https://"], {"control": str(served.socket)})
    assert "serve.yaml" in job(served, "reload", code=78)
    assert served.client("curl -sS -m 10 --cacert $CA https://files.example/small.txt").out == "small\n"


def test_two_hundred_jobs_do_not_touch_each_other(control):
    """Each source may reach its own host alone, under its own CA; whatever it sees, asks or is recorded with is its own."""
    sources = addresses(control, JOBS)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = dict(zip(sources, pool.map(
            lambda n: api(control, "POST", "/v1/jobs", {"sources": [sources[n]], "allow": [f"http://host{n}.example/", f"https://host{n}.example/"]})[1],
            range(JOBS))))
    assert len({j["id"] for j in made.values()}) == JOBS and len({j["ca"] for j in made.values()}) == JOBS
    script = control.folder / "many.py"
    script.write_text(MANY)
    done = control.client(["/usr/bin/python3", str(script), str(JOBS)], timeout=180)
    failed = [(r["close_reason"], r.get("detail"), r["request"]["url"]) for j in made.values() for r in log_of(j)
              if r["type"] == "http" and r["decision"]["action"] == "allow" and r["close_reason"] != "completed"]
    assert done.code == 0 and done.out.splitlines() == ["own 200 403"] * JOBS, (failed, done)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda j: api(control, "DELETE", f"/v1/jobs/{j['id']}?drain_ms=100"), made.values()))
    assert all(code == 200 and result["lost"] == 0 for code, result in ended), ended[:3]
    for n, source in enumerate(sources):
        records = log_of(made[source])
        assert {r["job"] for r in records} == {made[source]["id"]}
        sources_seen = {r["source"]["address"].rsplit(":", 1)[0] for r in records if r.get("source", {}).get("address")}
        assert sources_seen == {source}, sources_seen
        allowed = [r for r in records if r["type"] == "http" and r["decision"]["action"] == "allow"]
        assert len(allowed) == 1 and f"host{n}.example" in json.dumps(allowed[0]), records
    assert len(job(control, "list")["jobs"]) == 1
    assert control.stop() == 0


MANY = """
import http.client, socket, sys
from concurrent.futures import ThreadPoolExecutor
def get(source, host):
    query = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + b"".join(bytes([len(l)]) + l for l in host.encode().split(b".")) + b"\\0\\0\\1\\0\\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names:
        names.settimeout(20); names.bind((source, 0)); names.connect(("9.9.9.9", 53)); names.send(query)
        answer = names.recv(2000)
    # a name that is refused has no address: then the address that everybody knows
    address = ".".join(map(str, answer[len(query) + 12:len(query) + 16])) if answer[7] else "93.184.216.20"
    asked = http.client.HTTPConnection(address, 80, timeout=20, source_address=(source, 0))
    asked.request("GET", "/", headers={"Host": host})
    status = asked.getresponse().status
    return status
def one(n):
    source = f"10.77.1.{n + 1}"
    return f"own {get(source, f'host{n}.example')} {get(source, f'host{(n + 1) % int(sys.argv[1])}.example')}"
with ThreadPoolExecutor(16) as pool:
    for line in pool.map(one, range(int(sys.argv[1]))): print(line)
"""


def test_the_same_source_port_in_two_jobs(control):
    """Each connection is that of its own source."""
    one, two = addresses(control, 2)
    start(control, one, [f"http://{names.ORIGIN}/"])
    start(control, two, ["https://other.example/"])
    script = control.folder / "same.py"
    script.write_text("import socket, sys\nsocks = []\n"
                      "for source in sys.argv[1:]:\n"
                      "    s = socket.socket(); s.settimeout(10); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
                      f"    s.bind((source, 45678)); s.connect(('{names.ORIGIN}', 80)); socks.append(s)\n"
                      f"for s in socks: s.sendall(b'GET / HTTP/1.1\\r\\nHost: {names.ORIGIN}\\r\\n\\r\\n')\n"
                      "print([s.recv(4096).split()[1].decode() for s in socks])\n")
    done = control.client(["/usr/bin/python3", str(script), one, two])
    assert done.out == "['200', '403']\n", done
