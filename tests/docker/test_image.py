"""The gateway's image, as compose/Dockerfile makes it."""
from __future__ import annotations

import time

import pytest

from engine import BASE

MIB = 1 << 20
MOST_ADDED = 64 * MIB  # beside the base: the program, the libraries it needs, busybox


def in_image(engine, script: str, user: str = "0"):
    return engine.docker("run", "--rm", "--network=none", f"--user={user}", "--cap-drop=ALL", "--entrypoint=sh", "cofferdam:local", "-c",
                         script, check=False)


def size(engine, image: str) -> int:
    return engine.inspect(image)["Size"]


def test_it_is_small(engine, record_property):
    added = size(engine, "cofferdam:local") - size(engine, BASE)
    record_property("added_bytes", added)
    print(f"cofferdam:local: {added / MIB:.1f} MiB on top of {size(engine, BASE) / MIB:.1f} MiB")
    assert added < MOST_ADDED
    done = in_image(engine, "command -v g++ gcc cc cmake ninja ld git python3; ls -d /src /packages /var/lib/apt/lists/*")
    assert done.stdout == "", done


def test_it_runs_as_an_ordinary_user(engine):
    config = engine.inspect("cofferdam:local")["Config"]
    assert config["User"] == "cofferdam" and not config.get("ExposedPorts")
    assert set(config["Volumes"]) == {"/run/cofferdam/ca", "/var/log/cofferdam"}
    done = in_image(engine, "id -u; touch /usr/bin/x /etc/cofferdam/x; touch /var/log/cofferdam/x /run/cofferdam/x && echo writable",
                    user="cofferdam")
    lines = done.stdout.split()
    assert lines[0] != "0" and lines[-1] == "writable" and done.stderr.count("Permission denied") == 2, done


def test_only_two_files_have_capabilities(engine):
    """What an ordinary user may gain: the gateway, and what claims the build containers' gateway address."""
    files = in_image(engine, "getcap -r / 2>/dev/null").stdout.split("\n")
    assert sorted(filter(None, files)) == ["/usr/bin/cofferdam cap_net_admin,cap_net_raw=ep", "/usr/lib/cofferdam/ip cap_net_admin=ep"]
    base = engine.docker("run", "--rm", "--network=none", BASE, "find", "/", "-xdev", "-perm", "/6000", "-type", "f").stdout.split()
    ours = in_image(engine, "find / -xdev -perm /6000 -type f").stdout.split()
    assert sorted(ours) == sorted(base), "no more setuid programs than Debian has"


@pytest.mark.parametrize("arguments, code, text", [
    (["--help"], 0, "Usage: cofferdam"),
    (["check", "/etc/cofferdam/serve.yaml"], 0, "good"),
    (["serve", "--config", "/nowhere.yaml"], 78, "/nowhere.yaml"),
])
def test_its_entrypoint_is_the_program(engine, arguments, code, text):
    done = engine.docker("run", "--rm", "--network=none", "--cap-drop=ALL", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "cofferdam:local",
                         *arguments, check=False)
    assert done.returncode == code and text in done.stdout + done.stderr, done


POLICY = """version: 1
intercept: local
allow: []
audit: { sinks: [{ stdout: {} }] }
serve: { ca_dir: /run/cofferdam/ca, metrics: 0.0.0.0:9464 }
"""


def test_it_runs_as_the_helm_chart_asks(engine, tmp_path):
    """As root of the container, without other capabilities or privileges, on a file system that it cannot write."""
    (tmp_path / "serve.yaml").write_text(POLICY)
    container = engine.docker("run", "-d", "--user=0", "--read-only", "--cap-drop=ALL", "--cap-add=NET_ADMIN", "--cap-add=NET_RAW",
                              "--security-opt=no-new-privileges", "--tmpfs=/run/cofferdam", "--tmpfs=/run/cofferdam/ca",
                              f"--volume={tmp_path}:/etc/cofferdam:ro", "cofferdam:local", "serve", "--config",
                              "/etc/cofferdam/serve.yaml").stdout.strip()
    try:
        deadline = time.monotonic() + 30
        while "cofferdam: ready" not in (logs := engine.docker("logs", container)).stdout + logs.stderr:
            assert engine.inspect(container)["State"]["Running"] and time.monotonic() < deadline, logs
            time.sleep(0.2)
        assert "ca-certificates.crt" in engine.docker("exec", container, "ls", "/run/cofferdam/ca").stdout
    finally:
        engine.docker("rm", "-f", container)
