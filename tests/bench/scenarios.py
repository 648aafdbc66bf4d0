"""What `make bench` measures: each scenario offers one load through one gateway and returns one sample."""
from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from gateways import Gateway
from origin import MIB, ZONE, Origin
from rig import Measured, inside

SITE, UPLOAD = f"site.{ZONE}", f"upload.{ZONE}"
COLD_HOSTS = 40  # a round
IDLE_CONNECTIONS = 5000
OFFERED_RATE = 1000


class Failed(Exception):
    """A load that did not do what it should; the scenario has no figure then."""


@dataclass
class Bench:
    """What a load needs to know."""
    origin: Origin
    load: Path
    folder: Path
    seconds: float
    round: int = 0

    @property
    def client(self) -> str:
        return self.origin.network.client

    def site(self, gateway: Gateway) -> str:
        return self.origin.network.site(gateway.name)

    def offer(self, gateway: Gateway, mode: str, path: str = "/1k", host: str = SITE, **keys) -> tuple[dict, "Meter"]:
        """What the load client says, and what the gateway spent meanwhile; where connections are opened first, from then on."""
        words = [str(self.load), mode, self.site(gateway), host, path, str(gateway.roots), *(f"{k}={v}" for k, v in keys.items())]
        process = subprocess.Popen(inside(self.client, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        guard = threading.Timer(150, process.kill)
        guard.start()
        try:
            opened = process.stdout.readline() if mode in _OPENING else ""
            with Meter(gateway) as meter:
                said, errors = process.communicate()
        finally:
            guard.cancel()
        return _outcome(opened.removeprefix("open\n") + said, errors), meter


_OPENING = ("keep_alive", "offered", "idle")  # modes that say when all connections are open


def _outcome(said: str, errors: str) -> dict:
    if not said.startswith("{"):
        raise Failed(errors.strip() or "not within 150 s")
    got = json.loads(said)
    if got["failed"] or not got["answered"]:
        raise Failed(f"{got['failed']} of {got['failed'] + got['answered']} failed: {got['error']}")
    return got


class Meter:
    """CPU seconds and peak memory of a gateway's process while a `with` block runs, and its memory before."""

    def __init__(self, gateway: Gateway) -> None:
        self.process: Measured | None = gateway.process
        self.cpu = self.peak = self.memory = None

    def __enter__(self) -> "Meter":
        if self.process:
            self.process.forget_peak()
            self.memory = self.process.memory()
            self._before = self.process.cpu()
        return self

    def __exit__(self, *_) -> None:
        if self.process:
            self.cpu = self.process.cpu() - self._before
            self.peak = self.process.memory("VmHWM")

    def sample(self, value: float, units: float | None = None, **more) -> dict:
        """`units` is the work that CPU seconds are counted for."""
        return {"value": value, "cpu": self.cpu / units if self.process and units else None, "peak": self.peak, **more}


def _rate(bench: Bench, gateway: Gateway, mode: str, path: str, connections: int, **keys) -> dict:
    got, meter = bench.offer(gateway, mode, path, connections=connections, threads=2, seconds=bench.seconds, **keys)
    return meter.sample(got["answered"] / got["elapsed"], got["answered"] / 10000, p99=got["p99"], resumed=got["resumed"] / got["answered"])


def hs_full(bench: Bench, gateway: Gateway) -> dict:
    return _rate(bench, gateway, "handshakes", "/1k", 32)


def hs_resume(bench: Bench, gateway: Gateway) -> dict:
    return _rate(bench, gateway, "handshakes", "/1k", 32, resume=1)


def ka64(bench: Bench, gateway: Gateway) -> dict:
    return _rate(bench, gateway, "keep_alive", "/1k", 64)


def ka100k(bench: Bench, gateway: Gateway) -> dict:
    return _rate(bench, gateway, "keep_alive", "/100k", 32)


def h2(bench: Bench, gateway: Gateway) -> dict:
    """h2load verifies no certificate. Where only HTTP/1.1 is offered it pipelines."""
    words = ["h2load", "-c", "16", "-m", "32", "-t", "2", f"--connect-to={bench.site(gateway)}:443"]
    url = f"https://{SITE}/1k"
    run_h2load(bench, [*words, "-n", "1600", url])
    seconds = max(1, round(bench.seconds))  # it takes whole ones only
    with Meter(gateway) as meter:
        text = run_h2load(bench, [*words, "-D", str(seconds), url])
    protocol = re.search(r"Application protocol: (\S+)", text)
    done, succeeded, failed = (int(re.search(rf"(\d+) {what}", text)[1]) for what in ("done", "succeeded", "failed"))
    if failed or succeeded != done or not done:
        raise Failed(next((line for line in text.splitlines() if line.startswith("requests:")), text[-200:]))
    return meter.sample(done / seconds, done / 10000, protocol=protocol[1] if protocol else "http/1.1")


def run_h2load(bench: Bench, words: list[str]) -> str:
    done = subprocess.run(inside(bench.client, *words), capture_output=True, text=True, check=False, timeout=150)
    if done.returncode != 0:
        raise Failed((done.stdout + done.stderr)[-300:])
    return done.stdout


def _transfer(bench: Bench, gateway: Gateway, host: str, address: str, curls: list[list[str]], total: int) -> dict:
    """All curls at once, until the last has ended."""
    common = ["curl", "-s", "--http1.1", "--resolve", f"{host}:443:{address}", "--cacert", str(gateway.roots), "-o", "/dev/null",
              "-w", "%{http_code} %{size_download} %{size_upload} %{errormsg}"]
    with Meter(gateway) as meter:
        start = time.monotonic()
        running = [subprocess.Popen(inside(bench.client, *common, *words), stdout=subprocess.PIPE, text=True) for words in curls]
        said = [process.communicate(timeout=120)[0] for process in running]
        elapsed = time.monotonic() - start
    moved = sum(max(int(words[1]), int(words[2])) for words in (line.split() for line in said))
    if any(not line.startswith("200 ") for line in said) or moved != total:
        raise Failed(f"{moved} of {total} bytes: {said[0]}")
    return meter.sample(total / elapsed / 1e6, total / 1e9)


def _download(bench: Bench, gateway: Gateway, path: str, count: int) -> dict:
    return _transfer(bench, gateway, SITE, bench.site(gateway), [[f"https://{SITE}{path}"]] * count, bench.origin.transfer)


def _upload(bench: Bench, gateway: Gateway, file: str, count: int) -> dict:
    words = ["-H", "Expect:", "-T", str(bench.origin.folder / "www" / file), f"https://{UPLOAD}/upload"]
    return _transfer(bench, gateway, UPLOAD, bench.origin.network.sink(gateway.name), [words] * count, bench.origin.transfer)


def dl1(bench: Bench, gateway: Gateway) -> dict:
    return _download(bench, gateway, "/total", 1)


def dl8(bench: Bench, gateway: Gateway) -> dict:
    return _download(bench, gateway, "/eighth", 8)


def ul1(bench: Bench, gateway: Gateway) -> dict:
    return _upload(bench, gateway, "total", 1)


def ul8(bench: Bench, gateway: Gateway) -> dict:
    return _upload(bench, gateway, "eighth", 8)


def cold_hosts(rounds: int) -> list[str]:
    """Hosts that nobody has asked for; each round has its own."""
    return [f"c{number}.{ZONE}" for number in range(rounds * COLD_HOSTS)]


def cold(bench: Bench, gateway: Gateway) -> dict:
    hosts = bench.folder / "hosts"
    hosts.write_text("".join(f"{host}\n" for host in bench.origin.cold_hosts[bench.round * COLD_HOSTS:][:COLD_HOSTS]))
    got, meter = bench.offer(gateway, "cold", hosts=hosts)
    return meter.sample(got["p50"] * 1e3, p99=got["p99"] * 1e3)


def warm(bench: Bench, gateway: Gateway) -> dict:
    got, meter = bench.offer(gateway, "keep_alive", seconds=bench.seconds / 2)
    return meter.sample(got["p50"] * 1e6, got["answered"] / 10000, p99=got["p99"] * 1e6)


def ka_rate(bench: Bench, gateway: Gateway) -> dict:
    got, meter = bench.offer(gateway, "offered", connections=16, rate=OFFERED_RATE, seconds=bench.seconds)
    return meter.sample(got["p50"] * 1e6, p99=got["p99"] * 1e6)


def burst1k(bench: Bench, gateway: Gateway) -> dict:
    got, meter = bench.offer(gateway, "burst", connections=1000, seconds=30)
    return meter.sample(got["p50"], got["answered"] / 10000, max=got["max"])


def idle(bench: Bench, gateway: Gateway) -> dict:
    """Megabytes resident with many open connections that have asked once; then each is asked again."""
    before = gateway.process.memory()
    _, meter = bench.offer(gateway, "idle", connections=IDLE_CONNECTIONS)
    return {"value": meter.memory, "cpu": None, "peak": meter.peak, "before": before}


@dataclass(frozen=True)
class Scenario:
    name: str
    unit: str
    measure: Callable[[Bench, Gateway], dict]
    form: str = ",.0f"
    work: str = ""  # what CPU seconds are counted for
    without: tuple[str, ...] = ()  # gateways that are not asked
    once: bool = False  # one round is enough
    keys: tuple[str, ...] = field(default=())  # further figures of a sample that the table shows


SCENARIOS = [
    Scenario("hs_full", "/s", hs_full, work="10,000 handshakes"),
    Scenario("hs_resume", "/s", hs_resume, work="10,000 handshakes"),
    Scenario("ka64", "/s", ka64, work="10,000 requests"),
    Scenario("h2", "/s", h2, work="10,000 requests", without=("haproxy_1to1",)),
    Scenario("ka100k", "/s", ka100k, work="10,000 requests", without=("haproxy_1to1",)),
    Scenario("dl1", "MB/s", dl1, work="GB", without=("haproxy_1to1",)),
    Scenario("dl8", "MB/s", dl8, work="GB", without=("haproxy_1to1",)),
    Scenario("ul1", "MB/s", ul1, work="GB", without=("haproxy_1to1",)),
    Scenario("ul8", "MB/s", ul8, work="GB", without=("haproxy_1to1",)),
    Scenario("cold", "p50 ms", cold, ".1f"),
    Scenario("warm", "p50 µs", warm),
    Scenario("ka_rate", "p50 µs", ka_rate, without=("haproxy_1to1", "mitmproxy"), keys=("p99",)),
    Scenario("burst1k", "p50 s", burst1k, ".2f", keys=("peak",)),
    Scenario("idle", "MB", idle, once=True, without=("direct", "haproxy_1to1", "squid", "mitmproxy")),
]
