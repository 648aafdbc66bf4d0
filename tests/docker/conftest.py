"""Fixtures of the tests with a Docker engine: `make e2e-docker`."""
from __future__ import annotations

import atexit
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from engine import Engine  # noqa: E402
from world import names  # noqa: E402
from world.session import world  # noqa: E402, F401


def pytest_addoption(parser):
    parser.addoption("--compile-image", action="store_true", help="let the gateway's Dockerfile compile; else it takes the package")
    parser.addoption("--compose", action="append", help="a docker-compose to test with, version 1 or 2; can be repeated (docker-compose)")


def pytest_generate_tests(metafunc):
    if "compose_program" in metafunc.fixturenames:
        # Indirect: pytest 7 gives each test a value of its own otherwise, and reorders them by it.
        metafunc.parametrize("compose_program", metafunc.config.getoption("compose") or ["docker-compose"], scope="module", indirect=True)


@pytest.fixture(scope="module")
def compose_program(request):
    return request.param


@pytest.fixture(scope="session")
def engine(world, pytestconfig):
    made = Engine()
    atexit.register(made.close)
    made.build_images(pytestconfig.getoption("compile_image"))
    made.start(world.network.gw, f"--dns={names.DNS}")
    yield made
    left = made.close()
    assert left == [], f"the engine left something behind: {left}"


@pytest.fixture(scope="module")
def compose(engine, compose_program):
    """The words that call one of the programs under test."""
    return engine.compose(compose_program)


@pytest.fixture
def nonce(world):
    return world.nonce()


@pytest.fixture
def tmp_path():
    """In place of pytest's own, which keeps its folders after the run."""
    with tempfile.TemporaryDirectory(prefix="cofferdam-docker-test-") as folder:
        yield Path(folder)
