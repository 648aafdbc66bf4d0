"""Start, end, exit codes, signals, standard streams, and what is left when the gateway is killed."""
from __future__ import annotations

import hashlib
import json
import os
import pty
import signal
import subprocess
import time

import pytest

from world import names
from world.homes import BUILDER

ALLOW = ["https://echo.example/", f"https://{names.BULK_HOST}/"]


@pytest.mark.parametrize("command, code", [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143),
                                           ("kill -KILL $$", 137)])
def test_exit_code_is_the_commands_own(gateway, user, command, code):
    done = gateway.run(command, ALLOW, user=user)
    assert done.code == code, done


def test_the_limits_of_descriptors_are_the_callers(gateway, world):
    """The gateway raises its own; programs that look through all of them would be slow."""
    outside = world.run("ulimit -Sn; ulimit -Hn")
    done = gateway.run("ulimit -Sn; ulimit -Hn", ALLOW)
    assert done.code == 0 and done.out == outside.out, (done, outside)


def test_command_that_cannot_run(gateway):
    assert gateway.run(["/nonexistent/command"], ALLOW).code == 127
    assert gateway.run(["no-such-command-anywhere"], ALLOW).code == 127
    assert gateway.run(["/etc/passwd"], ALLOW).code == 126


def test_fail_on_deny(gateway):
    denied = "curl -s https://denied.example/; true"
    assert gateway.run(denied, ALLOW).code == 0
    assert gateway.run(denied, ALLOW, options=["--fail-on-deny"]).code == 99
    assert gateway.run(denied + "; exit 3", ALLOW, options=["--fail-on-deny"]).code == 3
    assert gateway.run("curl -fsS https://echo.example/", ALLOW, options=["--fail-on-deny"]).code == 0


@pytest.mark.parametrize("policy, words", [
    ("version: 1\nallow:\n  - https://echo.example/\n  - 'https://['\n", ["policy.yaml:4:"]),
    ("version: 1\nallow: [\n", ["policy.yaml:"]),
    ("version: 1\nalow: []\n", ["policy.yaml:2:", "alow"]),
    ("version: 9\n", ["policy.yaml:1:", "version"]),
    ("version: 1\ntls: { extra_roots: [/nonexistent/root.pem] }\n", ["/nonexistent/root.pem"]),
])
def test_broken_policy_stops_the_start(gateway, policy, words):
    """A located error, and the command never runs."""
    done = gateway.run("touch ran", policy=policy)
    assert done.code in (78, 125), done
    assert not (done.folder / "work" / "ran").exists()
    for word in words:
        assert word in done.err, done


def test_missing_policy_and_unwritable_audit_log_stop_the_start(gateway):
    for option in (["--policy", "/nonexistent/policy.yaml"], ["--audit", "/nonexistent/folder/audit.jsonl"]):
        done = gateway.run("touch ran", ALLOW, options=option)
        assert done.code in (78, 125) and "/nonexistent" in done.err, done
        assert not (done.folder / "work" / "ran").exists()


def test_standard_streams_pass_through(gateway, user):
    content = os.urandom(1 << 20)
    done = gateway.run(["sha256sum"], ALLOW, user=user, input=content)
    assert hashlib.sha256(content).hexdigest() in done.out, done
    assert gateway.run("echo out; echo err >&2", ALLOW, user=user).out == "out\n"


def test_terminal_passes_through(gateway, world):
    """The job has the caller's terminal as its own and in the foreground."""
    controller, terminal = pty.openpty()
    running = gateway.start("test -t 0 && test -t 1 && test -t 2 && echo terminal; stty size >/dev/null && echo sized; "
                            "read line && echo got $line", ALLOW, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    os.write(controller, b"typed\n")
    seen, deadline = b"", time.monotonic() + 30
    while b"got typed" not in seen and time.monotonic() < deadline:
        try:
            seen += os.read(controller, 4096)
        except OSError:
            break
    code = running.process.wait(30)
    os.close(controller)
    assert code == 0 and b"terminal" in seen and b"sized" in seen and b"got typed" in seen, seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_the_command(gateway, number):
    """A build that cleans up on a signal still can, and its exit code counts."""
    running = gateway.start("trap 'echo caught; exit 42' TERM INT HUP; touch started; while :; do sleep 0.1; done", ALLOW)
    running.wait_for("started")
    os.kill(running.process.pid, number)
    out, err = running.process.communicate(timeout=20)
    assert running.process.returncode == 42 and b"caught" in out, (running.process.returncode, out, err)


def test_children_die_with_the_job(gateway, user):
    """Daemons that the command leaves behind, in their own sessions too, end when it ends."""
    done = gateway.run("setsid sleep 1000 >/dev/null 2>&1 & (sleep 1000 >/dev/null 2>&1 &) ; nohup sh -c 'trap \"\" TERM HUP;"
                       " while :; do sleep 1; done' >/dev/null 2>&1 & sleep 0.3; exit 5", ALLOW, user=user)
    assert done.code == 5 and done.seconds < 20, done
    deadline = time.monotonic() + 3
    while gateway.job_processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gateway.job_processes() == []


@pytest.mark.parametrize("who", ["main", "all"])
def test_killed_gateway_is_a_black_hole(world, gateway, user, who):
    """SIGKILL in the middle of a download: nothing goes out afterwards, and the command ends."""
    loop = ("curl -sS --limit-rate 20M -o /dev/null https://bulk.example/10g & touch started;"
            "while :; do curl -s -m 1 -o /dev/null https://echo.example/loop;"
            " curl -s -m 1 --connect-to ::93.184.216.20: -o /dev/null http://echo.example/loop; dig +time=1 +tries=1 loop.test;"
            " done >/dev/null 2>&1")
    running = gateway.start(loop, ALLOW, user=user)
    running.wait_for("started")
    deadline = time.monotonic() + 20
    since = world.evidence.mark()
    while len(world.evidence.events(since, "http")) < 3:
        assert time.monotonic() < deadline, "the positive control never arrived"
        time.sleep(0.05)
    targets = [running.process.pid] if who == "main" else gateway.processes()
    assert targets
    for pid in targets:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # died with the one before
    running.process.communicate(timeout=10)
    world.settle()
    after = world.evidence.mark()
    time.sleep(2)
    world.settle()
    leaked = [e for e in world.evidence.events(after) if e["kind"] in ("tcp", "http", "dns", "tls")]
    fresh = [p for p in world.evidence.packets(after) if p.is_syn or p.destination_port == 53]
    assert leaked == [] and fresh == [], "something got out after the gateway was gone"
    deadline = time.monotonic() + 5
    while gateway.job_processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gateway.job_processes() == [], "the command ends with its gateway"


def test_job_record_at_start_and_end(gateway):
    done = gateway.run("exit 4", ALLOW)
    events = [r["lifecycle"] for r in done.of_type("job")]
    assert [e["event"] for e in events] == ["start", "end"], done
    assert events[-1]["exit_code"] == 4


def test_two_gateways_at_once_do_not_meet(gateway):
    first = gateway.start("touch started; sleep 3; curl -fsS https://echo.example/first", ["https://echo.example/"])
    first.wait_for("started")
    second = gateway.run("curl -s -o body -w '%{http_code}' https://echo.example/second; true", ["https://other.example/"])
    out, err = first.process.communicate(timeout=30)
    assert b'"target": "/first"' in out, err
    assert "echo.example" not in json.dumps([r for r in second.records if r.get("decision", {}).get("action") == "allow"
                                             and r["type"] != "job"])
    assert "/second" not in [e["target"] for e in second.requests()]


def test_metrics_are_served(world, gateway):
    """On the gateway's machine, while the job runs; labels carry nothing of the traffic."""
    running = gateway.start("curl -fsS https://echo.example/ https://echo.example/ -o /dev/null; "
                            "curl -s https://denied.example/; echo | socat -t1 - TCP:echo.example:22; touch started; cat",
                            ["https://echo.example/"], options=["--metrics", "127.0.0.1:19464"], stdin=subprocess.PIPE,
                            user=BUILDER)
    running.wait_for("started")
    page = world.run("curl -fsS http://127.0.0.1:19464/metrics").out
    running.process.communicate(b"", timeout=20)
    for metric in ("cofferdam_connections_total", "cofferdam_requests_total", "cofferdam_dns_queries_total",
                   "cofferdam_bytes_total", "cofferdam_active_connections", "cofferdam_build_info"):
        assert metric in page, page
    assert "denied.example" not in page and "echo.example" not in page


def test_help_teaches(gateway):
    for argv in (["--help"], ["run", "--help"], ["check", "--help"], ["explain", "--help"], ["verify", "--help"]):
        done = subprocess.run([gateway.binary, *argv], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and len(done.stdout) > 150, done


def test_explain_and_check(gateway, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nallow:\n  - GET https://echo.example/public/\n  - raw.example:22\n")

    def ask(*argv: str) -> subprocess.CompletedProcess:
        return subprocess.run([gateway.binary, *argv], capture_output=True, text=True, check=False)

    assert ask("check", str(policy)).returncode == 0
    explain = ("explain", "--policy", str(policy))
    assert "GET https://echo.example/public/" in ask(*explain, "GET", "https://echo.example/public/x").stdout
    assert "path_not_allowed" in ask(*explain, "GET", "https://echo.example/other").stdout
    assert "allow" in ask(*explain, "tcp", "raw.example:22").stdout
    assert "not_in_allow_list" in ask(*explain, "dns", "denied.example").stdout
    policy.write_text("version: 1\nallow:\n  - 'https://exa mple/'\n")
    wrong = ask("check", str(policy))
    assert wrong.returncode == 78 and "policy.yaml:3:" in wrong.stderr + wrong.stdout, wrong
