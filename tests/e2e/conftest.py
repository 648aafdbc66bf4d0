"""Fixtures of the end-to-end tests. They need root (network namespaces) and the tools of scripts/install-deps.sh."""
from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from gateway import Gateway
from served import Served
from world.homes import BUILDER, ROOT
from world.session import world  # noqa: F401

REPOSITORY = Path(__file__).resolve().parents[2]

# Who ends the run has it cleaned up. Handlers are not inherited by what the tests start; ignored signals are, and a run from nohup or a
# shell's background ignores some.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(_number, signal.default_int_handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    item.failed = getattr(item, "failed", False) or report.failed


@pytest.fixture(autouse=True)
def job_folders_of_what_passed_go(request):
    """They would fill the disk: some tests move gigabytes."""
    yield
    if "world" not in request.fixturenames:
        return
    folders = request.getfixturevalue("world").job_folders
    while folders and not request.node.failed:
        shutil.rmtree(folders.pop(), ignore_errors=True)
    folders.clear()


@pytest.fixture(scope="session")
def binary(world):
    """A copy of $COFFERDAM."""
    binary = Path(os.environ.get("COFFERDAM", REPOSITORY / "build" / "release" / "cofferdam"))
    if not binary.is_file():
        pytest.fail(f"no binary at {binary}: build it, or set COFFERDAM")
    copy = world.folder / "tools" / "cofferdam"  # where an ordinary user can reach it
    if not copy.exists():
        shutil.copy2(binary, copy)
        copy.chmod(0o755)
    return copy


@pytest.fixture
def gateway(world, binary):
    """`gateway.run(CMD, allow=[...])`: the command behind `cofferdam run`."""
    made = Gateway(world, binary)
    yield made
    left = made.stop_all()
    assert left == [], f"processes outlived their job: {left}"


@pytest.fixture
def served(world, binary):
    """`served.start(allow)`, `served.client(CMD)`: a client that routes through `cofferdam serve`."""
    made = Served(world, binary)
    yield made
    made.close()


@pytest.fixture
def tmp_path():
    """In place of pytest's own, which keeps its folders after the run."""
    with tempfile.TemporaryDirectory(prefix="cofferdam-e2e-") as folder:
        yield Path(folder)


@pytest.fixture(params=[ROOT, BUILDER], ids=["root", "user"])
def user(request):
    return request.param


@pytest.fixture
def nonce(world):
    return world.nonce()
