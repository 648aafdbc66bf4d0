"""Fixtures of the tests of the Debian package: `make package-test`."""
from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from clean_root import CleanRoot  # noqa: E402
from world.session import world  # noqa: E402, F401

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def package() -> Path:
    folder = Path(os.environ.get("COFFERDAM_PACKAGES", REPOSITORY / "build" / "release" / "packages"))
    found = sorted(folder.glob("cofferdam_*.deb"))
    if not found:
        pytest.fail(f"no package in {folder}: make package")
    return found[-1]


@pytest.fixture
def root(world, package):
    made = CleanRoot(package, world.network.gw)
    yield made
    made.close()


@pytest.fixture(scope="session")
def scratch():
    """A folder that goes when the tests end; pytest's own stays."""
    with tempfile.TemporaryDirectory(prefix="cofferdam-package-test-") as folder:
        yield Path(folder)


@pytest.fixture
def nonce(world):
    return world.nonce()
