"""RFC 9113: every rule that a server owes its clients, down to the frame; and that an origin gets the bytes that were judged.

The rules are in job_scripts/h2_rules.py. `make h2spec` runs h2spec's cases as well.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from test_http2 import ALLOW, h2_origin, http2_records, run_client  # noqa: F401  a fixture
from world.fake_internet import PYTHON

sys.path.insert(0, str(Path(__file__).parent / "job_scripts"))
import h2_rules  # noqa: E402

WAYS = {"tls": ("h2.example", "443", "tls"), "plain": ("h2.example", "80", "plain"), "bridged": ("echo.example", "443", "tls")}
played: dict[str, dict] = {}


@pytest.fixture
def outcome(gateway):
    """What came of all rules on one way; a way is played once, all rules in one job."""
    def play(way: str) -> dict:
        if way not in played:
            done = gateway.run([PYTHON, str(gateway.world.scripts / "h2_rules.py"), *WAYS[way]], ALLOW, timeout=120)
            played[way] = json.loads(done.out) if done.code == 0 else {}
            assert done.code == 0, done
            assert "internal_error" not in json.dumps(done.records), "no rule finds a defect"
        return played[way]
    return play


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", h2_rules.RULES)
def test_rule(outcome, way, name):
    seen, kept = outcome(way)[name]
    assert kept, f"wanted {h2_rules.RULES[name][1]}, saw {seen}"


# What is judged is what is sent

ODD = [  # method, path in canonical form, fields: whatever a client may say without being ambiguous
    ("GET", "/a//b/%2F~?x=%00&y==&&z", [("x-empty", ""), ("x-quotes", '"a" \\ \'b\''), ("accept", "*/*, text/plain;q=0.1")]),
    ("PURGE", "/;p=1/@:!$&'()*+,=~._-", [("x-twice", "1"), ("x-twice", "2"), ("x-inner", "a  b\tc")]),
    ("POST", "/" + "p" * 4000, [("x-long", "v" * 8000), ("content-type", "application/grpc+proto"), ("te", "trailers")]),
    ("M-SEARCH", "/?" + "q=%C3%A9&" * 50, [(f"x-{n}", str(n)) for n in range(100)]),
    ("DELETE", "/AZ/%E2%82%AC", [("cookie", "a=1"), ("cookie", "b=2"), ("range", "bytes=0-1,4-"), ("x-token!#$%&'*+.^_`|~9", "1")]),
]


@pytest.mark.parametrize("host", ["h2.example", "echo.example"])
def test_origin_gets_what_was_judged(gateway, host):
    """Byte for byte: method, path, fields in their order and body; cookies are joined (8.2.3)."""
    done = run_client(gateway, f"""
c = Client({host!r})
for method, path, fields in {ODD!r}:
    print(c.answer(c.request(path, method, path.encode() * 3, extra=fields))["status"])
""", ALLOW, policy={"capture": {"default": "full", "redact": []}})
    assert done.out.split() == ["200"] * len(ODD), done
    seen, judged = done.requests(), done.of_type("http")
    for (method, path, fields), event, record in zip(ODD, seen, judged, strict=True):
        assert (event["method"], event["target"]) == (record["request"]["method"], path)
        assert record["request"]["url"] == f"https://{host}{path}", record
        assert event["length"] == 3 * len(path) and event["host"] == host, event
        cookies = [value for name, value in fields if name == "cookie"]
        kept = [f for f in fields if f[0] != "cookie" and (f[0] != "te" or host == "h2.example")]
        fields = kept + ([("cookie", "; ".join(cookies))] if cookies else [])
        arrived = [(name.lower(), value) for name, value in event["headers"]]
        assert [f for f in arrived if f in fields] == fields or sorted(f for f in arrived if f in fields) == sorted(fields), event
        rest = {name for name, value in arrived if (name, value) not in fields}
        assert rest <= {":method", ":scheme", ":authority", ":path", "host", "content-length", "transfer-encoding", "connection", "te"}, rest
