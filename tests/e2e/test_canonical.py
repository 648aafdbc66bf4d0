"""The policy's canonical form, end to end: what is no other spelling of what is listed never reaches the origin, or as it was judged."""
from __future__ import annotations

import json

import pytest

from test_http2 import h2_origin, run_client  # noqa: F401  a fixture

LISTED = ["https://h2.example/public/", "https://echo.example/public/"]
PATHS = ["/public/../{n}", "/public/%2e%2e/{n}", "/public/%2E./{n}", "/public/..%2f{n}", "/public/%252e%252e/{n}", "/public/..;/{n}",
         "/public/;/../{n}", "/public\\..\\{n}", "/public/%5c..%5c{n}", "//{n}", "/public/..//{n}", "/./{n}", "/public%2f../{n}",
         "/public%00/../{n}", "/public/%c0%ae%c0%ae/{n}", "/public/%u002e%u002e/{n}", "/public/\t../{n}", "/Public/{n}", "/public{n}",
         "/%70ublic{n}", "/public/#/../{n}", "/public?/../../{n}", "/public/..%00/{n}", "public/../{n}", "https://h2.example/{n}"]


@pytest.mark.parametrize("host", ["h2.example", "echo.example"])
def test_paths_beside_a_prefix(world, gateway, nonce, host):
    """Refused; or exactly the judged bytes arrive, and they are below the prefix."""
    paths = [path.format(n=f"{nonce}-{at}-") for at, path in enumerate(PATHS)]
    done = run_client(gateway, f"""
for path in {paths!r}:
    try:
        c = Client({host!r})
        print(c.answer(c.request(path))["status"])
    except Exception as error:
        print(repr(error))
c = Client({host!r})
print("control", c.answer(c.request("/public/after"))["status"])
""", LISTED)
    assert done.out.splitlines()[-1] == "control 200", done
    seen = [e["target"] for e in done.requests() if nonce in e["target"]]
    for target in seen:
        path = target.split("?")[0]
        assert path == "/public" or path.startswith("/public/") and "/../" not in path, target
        assert any(target in r["request"]["url"] for r in done.of_type("http")), target
    records = [r for r in done.of_type("http") if "after" not in json.dumps(r["request"])]
    assert len(records) == len(PATHS), "one record each"
    assert sum(r["decision"]["action"] == "allow" for r in records) == len(seen), done


HOSTS = ["h2.example.", "H2.EXAMPLE", "h2.example.evil.test", "evilh2.example", "h2.example@evil.test", "h2.example%00.evil.test", "[h2.example]",
         "h2\u2024example", "xn--h2-example", "127.0.0.1", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]",
         "[::ffff:a9fe:a9fe]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1%25lo]", "169.254.169.254", "[fd00:ec2::254]", "0.0.0.0", "100.64.0.1",
         "198.18.0.1", "localhost", "metadata.example", "loopback.example"]


def test_hosts_beside_a_name(world, gateway, nonce):
    """By plain HTTP/2, whose first request says where it goes. Only other spellings of the listed name are carried, as that name."""
    done = run_client(gateway, f"""
for at, host in enumerate({HOSTS!r}):
    try:
        c = Client("h2.example", port=80, tls=False)
        print(c.answer(c.request(f"/{nonce}-{{at}}", authority=host.encode()))["status"])
    except Exception as error:
        print(repr(error))
c = Client("h2.example", port=80, tls=False)
print("control", c.answer(c.request("/after"))["status"])
""", ["http://h2.example/", "http://*.h2.example/"])
    assert done.out.splitlines()[-1] == "control 200", done
    carried = [(e["host"], e["target"]) for e in done.requests() if nonce in e["target"]]
    assert all(host == "h2.example" and target.endswith(("-0", "-1")) for host, target in carried), carried
    records = [r for r in done.of_type("http") if "/after" not in json.dumps(r["request"])]
    assert sum(r["decision"]["action"] == "allow" for r in records) == len(carried), done
    assert len(records) == len(HOSTS), "one record each"
