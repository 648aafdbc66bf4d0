"""What a job can pile up: bounded memory, an end for each, a record, and honest requests before, during and after."""
from __future__ import annotations

import os
import subprocess

import pytest

from test_load import MEMORY_BOUND, MemoryWatch, finish
from world.fake_internet import PYTHON
from world.homes import ROOT

ALLOW = ["https://echo.example/", "http://echo.example/", "dns:denied.example"]
CONTROL = "curl -fsS -m 30 -o /dev/null https://echo.example/control && echo control; "

MANY_NAMES = """
import sys
sys.path.insert(0, sys.argv[3])
from client_hello import outcome, record, server_name
got = [outcome("denied.example", record(server_name(b"n%d.%s.test" % (n, sys.argv[2].encode())))) for n in range(int(sys.argv[1]))]
print("refused", sum(each in ("closed", "alert", "handshake") for each in got))
"""


def test_many_random_names(world, gateway, nonce, record_property):
    """COFFERDAM_NAMES of them (1,500; 50,000 for the real thing) over few connections at once: leaves are made for few, kept for fewer."""
    count = int(os.environ.get("COFFERDAM_NAMES", "1500"))
    script = CONTROL + f"{PYTHON} - {count} {nonce} {world.scripts} && " + CONTROL
    running = gateway.start(script, ALLOW, policy={"tls": {"leaf_cache": 100}}, stdin=subprocess.PIPE)
    with MemoryWatch(running) as watch:
        out, err = running.process.communicate(MANY_NAMES.encode(), 60 + count / 50)
    record_property("peak_memory_mib", watch.peak >> 20)
    assert out.decode().split() == ["control", "refused", str(count), "control"], err.decode()[-2000:]
    assert world.traces(nonce) == []
    assert 0 < watch.peak < MEMORY_BOUND, watch.peak
    denied = {r["connection"]["sni"] for r in running.records() if r["type"] == "connection" and nonce in str(r)}
    assert len(denied) == count


SLOW = """
import socket, ssl, sys, time
kind, count = sys.argv[1], int(sys.argv[2])
begin = {"head": b"GET / HTTP/1.1\\r\\nHost: echo.example\\r\\nX-Slow: ", "idle": b"", "tls": b"\\x16\\x03\\x01\\x02\\x00\\x01",
         "body": b"POST /slow-body HTTP/1.1\\r\\nHost: echo.example\\r\\nContent-Length: 1000000\\r\\n\\r\\nx"}[kind]
held = []
for _ in range(count):
    sock = socket.create_connection(("echo.example", 443 if kind == "tls" else 80), 10)
    sock.sendall(begin)
    held.append(sock)
open("holding", "w").close()
ended, since = 0, time.monotonic()
while held and time.monotonic() - since < 60:
    for sock in list(held):
        sock.setblocking(False)
        try:
            if kind == "head": sock.send(b"s")  # a byte now and then keeps no connection alive
            got = sock.recv(65536)
        except BlockingIOError: continue
        except OSError: got = b""
        if not got:
            held.remove(sock); ended += 1
    time.sleep(0.05)
print("ended", ended)
"""


@pytest.mark.parametrize("kind", ["head", "body", "idle", "tls"])
def test_slow_clients_are_cut_off(world, gateway, kind):
    """300 connections each: within the time limits all end, and another client is served while they are held."""
    limits = {"http": {"head_timeout": "2s", "idle_timeout": "2s", "body_timeout": "2s"}, "limits": {"sniff_timeout": "2s"},
              "tls": {"handshake_timeout": "2s"}}
    folder = world.job_folder()
    (folder / "work" / "slow.py").write_text(SLOW)
    running = gateway.start(f"{PYTHON} slow.py {kind} 300 & while ! test -e holding; do sleep 0.05; done; {CONTROL} wait; {CONTROL}",
                            ALLOW, policy=limits, folder=folder)
    with MemoryWatch(running) as watch:
        out, err = finish(running, 90)
    assert sorted(out.split("\n")) == sorted(["control", "ended 300", "control", ""]), (out, err[-2000:])
    assert 0 < watch.peak < MEMORY_BOUND
    ended = [r for r in running.records() if r["type"] in ("http", "connection") and "/control" not in str(r)]
    assert len(ended) == 300, "one record each"


def test_few_descriptors(gateway):
    """`ulimit -n 128` for the gateway: more connections than that are refused or wait, none passes unjudged, and it recovers."""
    job = (CONTROL + "for i in $(seq 150); do (sleep 3 | socat - TCP:raw.example:7 >/dev/null 2>&1) & done; sleep 1;"
           "curl -s -m 5 https://denied.example/x >/dev/null; wait; " + CONTROL)
    folder, since = gateway.world.job_folder(), gateway.world.evidence.mark()
    command = gateway.command(folder, ROOT, [*ALLOW, "raw.example:7"])
    done = gateway.world.run(["sh", "-c", 'ulimit -n 128; exec "$@"', "sh", *command, "sh", "-c", job], folder, timeout=100)
    assert done.code == 0 and done.out == "control\ncontrol\n", done
    assert "denied.example" not in str(gateway.world.evidence.events(since, "http")), done


def test_full_disk_refuses(world, gateway, nonce):
    """The log has room for little: what can't be recorded is not served, and the run says so."""
    disk = world.folder / "disk"
    disk.mkdir()
    folder = world.job_folder()
    command = gateway.command(folder, ROOT, ALLOW, options=["--audit", str(disk / "audit.jsonl")])
    job = ("for i in $(seq 1000); do curl -fsS -m 5 -o /dev/null https://echo.example/$i 2>/dev/null || break; done; echo served $i;"
           f"curl -s -m 2 https://echo.example/{nonce}; true")
    mounted = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size=128k tmpfs {disk} && exec "$@"', "sh"]
    done = world.run([*mounted, *command, "sh", "-c", job], folder, timeout=120)
    assert done.code == 125 and "audit" in done.err, done
    assert 1 < int(done.out.split()[1]) < 1000 and world.traces(nonce) == [], done


def test_compressed_bomb_is_not_opened(world, gateway):
    """Content codings are the client's business: hundreds of megabytes of zeros pass as the one that they are."""
    running = gateway.start("head -c 300000000 /dev/zero | gzip -1 > bomb; sha256sum < bomb;"
                            "curl -fsS -H 'Content-Encoding: gzip' --data-binary @bomb https://echo.example/bomb", ALLOW)
    with MemoryWatch(running) as watch:
        out, err = finish(running, 100)
    assert f'"sha256": "{out.split()[0]}"' in out, (out[-500:], err)
    assert 0 < watch.peak < MEMORY_BOUND
