"""Many connections and many bytes: all are served, and memory stays bounded. Times are reported, never asserted tightly."""
from __future__ import annotations

import threading
import time

from world import names
from world.fake_internet import BULK_BYTES

MEMORY_BOUND = 64 << 20


class MemoryWatch:
    """Samples the resident memory of the gateway while something runs."""

    def __init__(self, running) -> None:
        self.running, self.peak, self._stop = running, 0, threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def _sample(self) -> None:
        while not self._stop.wait(0.1):
            self.peak = max(self.peak, self.running.memory())

    def __exit__(self, *_exception) -> None:
        self._stop.set()
        self._thread.join()


def finish(running, timeout: float) -> tuple[str, str]:
    out, err = running.process.communicate(timeout=timeout)
    assert running.process.returncode == 0, (out[-2000:], err[-2000:])
    return out.decode(), err.decode()


def test_thousand_connections_at_once(world, gateway, record_property):
    running = gateway.start(["/usr/bin/python3", str(world.scripts / "burst.py"), names.FILES, "/1k", "1000"],
                            [f"https://{names.FILES}/"])
    with MemoryWatch(running) as watch:
        out, err = finish(running, 150)
    record_property("burst", out.strip())
    record_property("peak_memory_mib", watch.peak >> 20)
    assert "served 1000 of 1000" in out, (out, err)
    served = [r for r in running.records() if r["type"] == "http"]
    assert len(served) == 1000 and all(r["decision"]["action"] == "allow" for r in served)


def test_ten_gigabytes_down(world, gateway, record_property):
    running = gateway.start(f"curl -sS -o /dev/null -w '%{{size_download}}' https://{names.BULK_HOST}/10g",
                            [f"https://{names.BULK_HOST}/"])
    begin = time.monotonic()
    with MemoryWatch(running) as watch:
        out, err = finish(running, 580)
    record_property("megabytes_per_second", round(BULK_BYTES / 1e6 / (time.monotonic() - begin)))
    record_property("peak_memory_mib", watch.peak >> 20)
    assert out == str(BULK_BYTES), (out, err)
    assert 0 < watch.peak < MEMORY_BOUND
    assert next(r for r in running.records() if r["type"] == "http")["metadata"]["bytes_received"] >= BULK_BYTES


def test_slow_reader_does_not_fill_the_gateway(world, gateway, record_property):
    """The origin is fast, the client is not: back-pressure, not a buffer."""
    running = gateway.start(f"timeout 8 curl -sS --limit-rate 200k -o /dev/null https://{names.BULK_HOST}/10g;"
                            f"timeout 8 curl -sS --limit-rate 200k -o /dev/null http://{names.BULK_HOST}/10g; true",
                            [f"https://{names.BULK_HOST}/", f"http://{names.BULK_HOST}/"])
    with MemoryWatch(running) as watch:
        finish(running, 60)
    record_property("peak_memory_mib", watch.peak >> 20)
    assert 0 < watch.peak < MEMORY_BOUND


def test_gigabyte_up_chunked(world, gateway, record_property):
    running = gateway.start("head -c 1000000000 /dev/zero | curl -sS -T - https://echo.example/sink", ["https://echo.example/"])
    with MemoryWatch(running) as watch:
        out, err = finish(running, 200)
    record_property("peak_memory_mib", watch.peak >> 20)
    assert '"length": 1000000000' in out, (out, err)
    assert 0 < watch.peak < MEMORY_BOUND


def test_raw_tcp_arrives_whole_both_ways_at_once(world, gateway, record_property):
    """Half a gigabyte there and back through a server that echoes, and the end of one direction before the other."""
    size = 500_000_000
    script = (f"openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c {size} > sent; sha256sum < sent; "
              "socat -t60 - TCP:raw.example:7 < sent | sha256sum; rm sent")
    running = gateway.start(script, ["raw.example:7"])
    with MemoryWatch(running) as watch:
        out, err = finish(running, 200)
    record_property("peak_memory_mib", watch.peak >> 20)
    sums = out.split()
    assert sums[0] == sums[2], (out, err)
    assert 0 < watch.peak < MEMORY_BOUND
    relayed = [r["connection"] for r in running.records() if r["type"] == "connection"]
    assert [(c["bytes_sent"], c["bytes_received"], c["close_reason"]) for c in relayed] == [(size, size, "completed")], relayed
