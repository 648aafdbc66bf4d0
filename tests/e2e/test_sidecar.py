"""The Helm chart's sidecar, run as two containers of a pod: rendered arguments, capabilities, mounts and probes."""
from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml

import leaks
from pod import NODE, Pod
from test_helm import REPOSITORY, of_kind, template

# 36 is SO_MARK: what exempts the gateway's own sockets.
SET_MARK = "python3 -c 'import socket; socket.socket().setsockopt(socket.SOL_SOCKET, 36, 0xC0FFE)'"
WAYS = [way for way in leaks.WAYS if way != "Docker's resolver"]


@pytest.fixture(scope="module")
def pod(world):
    """The example for GitHub, with a policy for the fake internet, its gateway started."""
    binary = Path(os.environ.get("COFFERDAM", REPOSITORY / "build" / "release" / "cofferdam")).resolve()
    values = yaml.safe_load((REPOSITORY / "helm" / "examples" / "github-runner.yaml").read_text())
    values["policy"] = {"allow": ["GET,HEAD https://files.example/"], "tls": {"extra_roots": [str(world.root_file)]}}
    file = world.folder / "values.yaml"
    file.write_text(json.dumps(values))
    documents = template(file)
    made = Pod(world, binary, of_kind(documents, "Deployment"), of_kind(documents, "ConfigMap")["data"]["serve.yaml"])
    try:
        made.start_gateway()
        yield made
    finally:
        made.close()


def works(pod: Pod) -> bool:
    return pod.runner("curl -fsS -m 10 https://files.example/small.txt").stdout == "small\n"


def test_the_runner_reaches_what_the_policy_allows(pod):
    """By the rendered variables alone the client finds the CA."""
    assert works(pod), pod.runner("curl -sSv -m 10 https://files.example/small.txt")
    deadline = time.monotonic() + 10  # a record is written a few milliseconds after what it tells
    while not any(r["type"] == "http" and r["decision"]["action"] == "allow" for r in pod.records()):
        assert time.monotonic() < deadline, pod.log()
        time.sleep(0.05)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_leaks(pod, world, nonce, way):
    assert works(pod)
    leaks.attempt(world, pod.runner, [way], nonce, NODE)
    assert works(pod)


def test_the_runner_cannot_pass_for_the_gateway(pod):
    assert "PermissionError" in pod.runner(SET_MARK).stderr
    assert pod.runner("nft list ruleset").returncode != 0 and pod.runner("nft flush ruleset").returncode != 0
    assert pod.runner("id -u").stdout == "1001\n"
    assert pod.runner("grep -E 'Cap(Eff|Prm|Bnd|Amb)' /proc/self/status | grep -v 0000000000000000").stdout == ""
    assert pod.runner("touch /run/cofferdam/ca/x").returncode != 0
    assert pod.runner("grep -rl 'PRIVATE KEY' /run/cofferdam").stdout == ""
    assert works(pod)


def test_prometheus_can_scrape_from_the_node(pod, world):
    assert works(pod)
    page = world.run(["curl", "-fsS", "-m", "5", "http://10.98.0.2:9464/metrics"]).out
    assert 'cofferdam_requests_total{action="allow"' in page


def test_without_the_gateway_nothing_leaves(pod, world, nonce):
    """Killed, the pod is closed; when the kubelet has started it again, open as before."""
    assert works(pod)
    pod.kill("gateway")
    leaks.attempt(world, pod.runner, WAYS, nonce, NODE)
    pod.start_gateway()
    assert works(pod)
