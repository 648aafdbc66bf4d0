"""Fixtures of the tests of the Debian package: `make package-test`."""
from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from booted_root import BootedRoot  # noqa: E402
from clean_root import CleanRoot, run  # noqa: E402
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


@pytest.fixture
def booted(world, package):
    made = BootedRoot(package, world.network.gw)
    yield made
    made.close()


@pytest.fixture(scope="session")
def scratch():
    """A folder that goes when the tests end; pytest's own stays."""
    with tempfile.TemporaryDirectory(prefix="cofferdam-package-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def newer(package, scratch) -> Path:
    """The same package with a higher version and another default configuration."""
    run("dpkg-deb", "-R", str(package), str(scratch / "root"))
    control = scratch / "root" / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 99.0", control.read_text(), flags=re.M))
    with (scratch / "root" / "etc" / "cofferdam" / "serve.yaml").open("a") as file:
        file.write("# a newer default\n")
    run("dpkg-deb", "--root-owner-group", "-b", str(scratch / "root"), str(scratch / "newer.deb"))
    return scratch / "newer.deb"


@pytest.fixture
def nonce(world):
    return world.nonce()
