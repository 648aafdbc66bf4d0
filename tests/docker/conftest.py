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


@pytest.fixture(scope="session")
def engine(world):
    made = Engine()
    atexit.register(made.close)
    made.build_images()
    made.start(world.network.gw, f"--dns={names.DNS}")
    yield made
    left = made.close()
    assert left == [], f"the engine left something behind: {left}"


@pytest.fixture
def nonce(world):
    return world.nonce()


@pytest.fixture
def tmp_path():
    """In place of pytest's own, which keeps its folders after the run."""
    with tempfile.TemporaryDirectory(prefix="cofferdam-docker-test-") as folder:
        yield Path(folder)
