"""The explicit proxy of `cofferdam serve`: CONNECT and absolute-form, with the same judgement and records."""
from __future__ import annotations

import json

import pytest

from world import names
from world.network import ROUTER_ADDRESS

PROXY = f"http://{ROUTER_ADDRESS}:3128"
ALLOW = ["https://echo.example/", "http://files.example/", "http://echo.example:8080/", "raw.example:7"]


@pytest.fixture
def proxy(served):
    served.start(ALLOW, {"proxy": f"{ROUTER_ADDRESS}:3128"})
    return served


def curl(served, url: str, *more: str):
    return served.client(["curl", "-sS", "-m", "10", "--cacert", str(served.ca), "-x", PROXY, "-w", "%{http_code}", *more, url])


def test_connect_is_opened_and_judged(proxy, nonce):
    done = curl(proxy, f"https://echo.example/{nonce}")
    assert done.out.endswith("200") and f"/{nonce}" in done.out, done
    records = proxy.await_about(nonce, "http")
    assert len(records) == 1 and records[0]["decision"]["rule"], records
    done = curl(proxy, f"https://files.example/{nonce}-path")
    assert "200" not in done.out, done
    done = curl(proxy, f"https://denied.example/{nonce}-no")
    assert done.code == 56 and "403" in done.err, done
    assert proxy.world.traces(f"{nonce}-no") == [] and proxy.world.traces(f"{nonce}-path") == []
    refused = proxy.await_about("denied.example", "connection")
    assert len(refused) == 1 and refused[0]["decision"]["reason"] == "not_in_allow_list", refused


def test_absolute_form(proxy, nonce):
    assert curl(proxy, "http://files.example/small.txt").out == "small\n200"
    both = curl(proxy, f"http://echo.example:8080/{nonce}", "http://files.example/small.txt")
    assert f"/{nonce}" in both.out and "small" in both.out, both
    done = curl(proxy, f"http://denied.example/{nonce}-no")
    assert done.out.endswith("403"), done
    assert proxy.world.traces(f"{nonce}-no") == []
    assert len(proxy.await_about(f"{nonce}-no", "http")) == 1


def test_records_say_what_was_dialled_and_who_was_slow(served):
    served.start(ALLOW, {"proxy": f"{ROUTER_ADDRESS}:3128"}, http={"head_timeout": "2s"})
    slow = served.client(f"(printf 'GET http://files.example/small'; sleep 6) | socat -t1 - TCP:{ROUTER_ADDRESS}:3128; true")
    record = served.await_about("client_timed_out", "connection")[0]
    assert record["connection"]["destination"] == f"{ROUTER_ADDRESS}:3128", (record, slow)
    assert curl(served, "http://files.example/small.txt").out == "small\n200"
    assert "0.0.0.0" not in json.dumps(served.records())


def test_virtual_addresses_are_their_names(proxy):
    found = proxy.client("dig +short +time=2 +tries=1 @9.9.9.9 raw.example").out.strip()
    assert found.startswith("198.18."), found
    done = proxy.client(f"printf hello | socat -t2 - PROXY:{ROUTER_ADDRESS}:{found}:7,proxyport=3128")
    assert done.out == "hello", done
    done = proxy.client(f"printf hello | socat -t2 - PROXY:{ROUTER_ADDRESS}:198.19.255.1:7,proxyport=3128")
    assert done.out == "" and len(proxy.await_about("198.19.255.1:7", "connection")) == 1, done


def test_raw_tcp_by_name(proxy):
    done = proxy.client(f"printf hello | socat -t2 - PROXY:{ROUTER_ADDRESS}:raw.example:7,proxyport=3128")
    assert done.out == "hello", done
    done = proxy.client(f"printf hello | socat -t2 - PROXY:{ROUTER_ADDRESS}:raw.example:2222,proxyport=3128")
    assert done.out == "", done


@pytest.mark.parametrize("request_bytes", ["GET / HTTP/1.1\\r\\nHost: echo.example\\r\\n\\r\\n", "CONNECT echo.example HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n",
                                           "CONNECT [::1 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n", "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n", "nonsense\\r\\n\\r\\n"])
def test_what_is_no_request_to_a_proxy_is_refused(proxy, request_bytes):
    done = proxy.client(f"printf '{request_bytes}' | socat -t3 - TCP:{ROUTER_ADDRESS}:3128")
    assert done.out.startswith("HTTP/1.1 4") and done.seconds < 3, done
    assert curl(proxy, "http://files.example/small.txt").out == "small\n200"


@pytest.mark.parametrize("target", ["169.254.169.254:80", "127.0.0.1:22", f"{ROUTER_ADDRESS}:15001", f"{names.ATTACKER}:443", "10.99.0.1:53"])
def test_addresses_are_no_way_around_names(proxy, nonce, target):
    done = proxy.client(f"printf 'CONNECT {target} HTTP/1.1\\r\\nHost: {target}\\r\\n\\r\\nGET /{nonce} HTTP/1.0\\r\\n\\r\\n' "
                        f"| socat -t3 - TCP:{ROUTER_ADDRESS}:3128")
    assert done.out.startswith("HTTP/1.1 403"), done
    assert proxy.world.traces(nonce) == []
