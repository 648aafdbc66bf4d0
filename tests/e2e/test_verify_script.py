"""The verification script that users of another tool have in their pipelines judges our audit log right, unchanged.

fixtures/verify_allowed_hosts.py is that script as printed in its guide. It asks `docker logs` for the log; a stand-in
on the PATH prints our audit file.
"""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "fixtures" / "verify_allowed_hosts.py"
ALLOWED = ["http://approved-api:8000/"]


def verify(done, tmp_path) -> subprocess.CompletedProcess:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\ncat '{done.folder}/gateway/audit.jsonl'\n")
    docker.chmod(0o755)
    return subprocess.run([sys.executable, str(SCRIPT)], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={"PATH": f"{tmp_path}:/usr/bin:/bin"})


def test_allowed_run_passes(gateway, tmp_path):
    done = gateway.run("curl -fsS http://approved-api:8000/get", ALLOWED)
    assert done.code == 0, done
    judged = verify(done, tmp_path)
    assert judged.returncode == 0 and "passed" in judged.stdout, judged
    assert "approved-api:8000" in (tmp_path / "artifacts" / "qtap.log").read_text()


@pytest.mark.parametrize("mode", ["enforce", "audit"])
@pytest.mark.parametrize("url, authority", [("https://denied.example/", "denied.example"),
                                            ("http://denied.example:8080/x", "denied.example:8080")])
def test_disallowed_run_fails_and_names_the_host(gateway, tmp_path, mode, url, authority):
    done = gateway.run(f"curl -fsS http://approved-api:8000/get; curl -s {url}; true", [*ALLOWED, "dns:denied.example"],
                       options=["--mode", mode])
    judged = verify(done, tmp_path)
    assert judged.returncode == 1 and f" - {authority}\n" in judged.stderr, (judged, done)
    assert "approved-api" not in judged.stderr, judged


def test_our_own_verify_agrees(gateway):
    done = gateway.run("curl -fsS http://approved-api:8000/get; curl -s https://denied.example/; true",
                       [*ALLOWED, "dns:denied.example"])
    log = str(done.folder / "gateway" / "audit.jsonl")
    good = subprocess.run([gateway.binary, "verify", log, "--allow", "approved-api:8000", "--allow", "denied.example"],
                          capture_output=True, text=True, check=False)
    bad = subprocess.run([gateway.binary, "verify", log, "--allow", "approved-api:8000"], capture_output=True, text=True,
                         check=False)
    assert good.returncode == 0, good
    assert bad.returncode == 1 and "denied.example" in bad.stdout + bad.stderr, bad


def test_records_carry_the_fields_of_that_format(gateway):
    done = gateway.run("curl -fsS http://approved-api:8000/get", ALLOWED)
    record = done.of_type("http")[0]
    assert record["request"].items() >= {"method": "GET", "url": "http://approved-api:8000/get", "scheme": "http",
                                         "path": "/get", "authority": "approved-api:8000", "protocol": "http1"}.items()
    assert record["request"]["user_agent"].startswith("curl/")
    assert record["response"]["status"] == 200
    assert record["metadata"]["endpoint_id"] == "approved-api"
    assert int(record["metadata"]["bytes_sent"]) > 0 and int(record["metadata"]["bytes_received"]) > 0
    assert record["metadata"]["process_exe"].endswith("/curl")
    assert {"transaction_time", "duration_ms", "direction"} <= record.keys()
