"""The fake internet of one test session, for every conftest.py."""
from __future__ import annotations

import atexit

import pytest

from world.fake_internet import FakeInternet


@pytest.fixture(scope="session")
def world():
    made = FakeInternet()
    atexit.register(made.close)  # close() twice is harmless
    yield made
    left = made.close()
    assert left == [], f"the world left something behind: {left}"
