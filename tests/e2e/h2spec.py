"""h2spec's 146 cases (RFC 7540, 7541) against the gateway. Not part of the suite: `make h2spec` builds h2spec and runs it."""
from __future__ import annotations

import os
import shutil

from test_http2 import ALLOW, h2_origin  # noqa: F401  a fixture


def test_h2spec(world, gateway):
    shutil.copy2(os.environ["H2SPEC"], world.folder / "tools" / "h2spec")
    done = gateway.run("h2spec -t -S -h h2.example -p 443 -o 10", ALLOW, timeout=500)
    assert "146 tests, 146 passed, 0 skipped, 0 failed" in done.out, done.out[done.out.find("Failures"):]
