"""compose/compose.yaml: a build container without configuration, behind the gateway, on a real Docker engine."""
from __future__ import annotations

import json
import time
import urllib.parse

import pytest

import leaks
from compose_project import Project

ALLOW = ["GET,HEAD https://files.example/", "dns:raw.example"]
HOST = "172.30.0.254"  # what would be the host's address on the build network


@pytest.fixture(scope="module")
def project(engine, world, compose):
    made = Project(engine, world, compose, "compose.yaml", ALLOW)
    made.up("gateway", "build", "prometheus")
    yield made
    made.down()


def works(project: Project) -> bool:
    """What must work, before and after every leak that must not."""
    return project.inside("curl -fsS https://files.example/small.txt").stdout == "small\n"


def test_what_the_policy_allows_can_be_pulled(project):
    done = project.inside("curl -fsS https://files.example/small.txt -o /tmp/small && cat /tmp/small")
    assert done.stdout == "small\n", done
    assert project.await_record("allow", "small.txt")["request"]["url"] == "https://files.example/small.txt"


def test_the_build_container_has_nothing_of_the_gateways(project):
    """No capability, no control socket, no key, and a read-only CA."""
    build = project.engine.inspect(project.container("build"))
    assert not build["HostConfig"]["CapAdd"] and not build["HostConfig"]["Privileged"]
    assert project.inside("find / -xdev -name '*.sock' 2>/dev/null").stdout == ""
    assert project.inside("grep -l 'PRIVATE KEY' /etc/ssl/certs/*").stdout == ""
    assert project.inside("touch /etc/ssl/certs/x").returncode != 0


def test_the_gateway_is_an_ordinary_user_with_one_capability(project):
    status = project.inside("cat /proc/1/status", "gateway").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    net_admin = 1 << 12
    assert fields["Uid"].split()[0] != "0"
    assert int(fields["CapEff"], 16) == net_admin and int(fields["CapPrm"], 16) == net_admin


def assert_nothing_leaks(project: Project, nonce: str, way: str) -> None:
    assert works(project)
    leaks.attempt(project.world, project.inside, [way], nonce, HOST)
    assert works(project)


@pytest.mark.parametrize("way", leaks.WAYS)
def test_nothing_leaks(project, nonce, way):
    assert_nothing_leaks(project, nonce, way)


def test_a_refusal_is_explained_and_recorded(project):
    done = project.inside("curl -sS -m 5 -X DELETE https://files.example/small.txt")
    assert "method_not_allowed" in done.stdout, done
    assert project.await_record("deny", "method_not_allowed")["request"]["method"] == "DELETE"


def test_a_changed_policy_is_read_again(project):
    delete = "curl -sS -m 5 -X DELETE https://files.example/small.txt"
    for allow, refused in ((["https://files.example/"], False), (ALLOW, True)):
        project.write_policy(allow)
        project.compose("kill", "-s", "HUP", "gateway")
        deadline = time.monotonic() + 20
        while ("method_not_allowed" in project.inside(delete).stdout) != refused:
            assert time.monotonic() < deadline, project.compose("logs", "--no-color", "gateway").stdout[-3000:]
            time.sleep(0.2)
    assert works(project)


def test_prometheus_fills(project, world):
    (address,) = [n["IPAddress"] for n in project.engine.inspect(project.container("prometheus"))["NetworkSettings"]["Networks"].values()]
    query = urllib.parse.urlencode({"query": 'cofferdam_requests_total{job="cofferdam",action="allow"} > 0'})
    assert works(project)
    deadline = time.monotonic() + 60
    while True:
        done = world.run(["curl", "-sS", f"http://{address}:9090/api/v1/query?{query}"])
        if json.loads(done.out or "{}").get("data", {}).get("result"):
            break
        assert time.monotonic() < deadline, done
        time.sleep(1)


def test_without_the_gateway_nothing_leaves(project, world, nonce):
    """Last: the gateway is killed, and comes back."""
    assert works(project)
    project.engine.docker("kill", project.container("gateway"))
    ways = ("an address", "a name", "Docker's resolver", "another resolver", "UDP", "ping", "the host's address")
    leaks.attempt(world, project.inside, ways, nonce, HOST)
    project.engine.docker("start", project.container("gateway"))
    deadline = time.monotonic() + 30
    while not works(project):
        assert time.monotonic() < deadline, project.compose("logs", "--no-color", "gateway").stdout[-3000:]
        time.sleep(0.5)
