#!/usr/bin/env python3
"""`make soak`: mixed load on `cofferdam serve` at full speed, for SOAK_SECONDS (600). Needs root.

At the end: no request failed, the records are exactly what the origin saw plus what was refused plus every DNS query, their
sequence has no gap, and memory did not grow after the first fifth. The log takes about 1 GB for 1.5 million requests while it runs.
Writes build/bench/soak.json; exit 1 if anything of that does not hold.
"""
from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import gateways
import scenarios
from bench import arguments
from origin import MIB, ZONE, Origin, interception_ca
from rig import REPOSITORY, Network, Processes, inside, run_folder

CHUNK = 10  # seconds of one load; then its outcome is checked, and the next begins
COLD_HOSTS = 100
DNS_RATE = 1000  # queries a second
GROWTH, SLACK_MB = 1.10, 4
SEQUENCE, KIND, ACTION = (re.compile(rf'"{key}":"?(\w+)'.encode()) for key in ("seq", "type", "action"))


class Tally:
    """What the clients count, by kind; and everything that went wrong."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: dict[str, int] = {}
        self.wrong: list[str] = []

    def add(self, kind: str, count: int) -> None:
        with self._lock:
            self.counts[kind] = self.counts.get(kind, 0) + count

    def fail(self, what: str) -> None:
        with self._lock:
            self.wrong.append(what)
        print(f"WRONG: {what}", flush=True)


class Soak:
    def __init__(self, bench: scenarios.Bench, gateway: gateways.Gateway, seconds: float) -> None:
        self.bench, self.gateway = bench, gateway
        self.end = time.monotonic() + seconds
        self.tally = Tally()

    def run(self) -> list[float]:
        """Offers all loads until the end; returns the gateway's memory, sampled."""
        memory: list[float] = []
        loads = [self._requests("keep_alive", connections=16), self._requests("keep_alive", path="/100k", connections=4),
                 self._requests("handshakes", connections=4), self._requests("handshakes", connections=4, resume=1),
                 self._requests("cold", hosts=self._cold_hosts()), self._refused(), self._h2(), self._dns()]
        threads = [threading.Thread(target=self._until_the_end, args=(load,)) for load in loads]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            memory.append(self.gateway.process.memory())
            if len(memory) % 5 == 1:
                print(f"{time.strftime('%H:%M:%S')}  {max(0, self.end - time.monotonic()):4.0f} s left  {memory[-1]:.1f} MB  {self.tally.counts}", flush=True)
            time.sleep(2)
        return memory

    def _until_the_end(self, load) -> None:
        while (left := self.end - time.monotonic()) > 0 and not self.tally.wrong:
            try:
                load(min(CHUNK, left))
            except (scenarios.Failed, OSError, subprocess.SubprocessError) as wrong:
                self.tally.fail(str(wrong))

    def _requests(self, mode: str, path: str = "/1k", **keys):
        def load(seconds: float) -> None:
            got, _ = self.bench.offer(self.gateway, mode, path, seconds=seconds, **keys)
            opened = keys["connections"] if mode == "keep_alive" else 0  # each has asked once before the load counts
            self.tally.add("requests", got["answered"] + opened)
        return load

    def _refused(self):
        def load(seconds: float) -> None:
            got, _ = self.bench.offer(self.gateway, "keep_alive", "/secret", host=gateways.PARTLY, connections=2, seconds=seconds, status=403)
            self.tally.add("refused", got["answered"] + 2)
        return load

    def _h2(self):
        def load(_seconds: float) -> None:
            count = 5000
            words = ["h2load", "-c", "8", "-m", "16", f"--connect-to={self.bench.site(self.gateway)}:443", "-n", str(count)]
            text = scenarios.run_h2load(self.bench, [*words, f"https://{scenarios.SITE}/1k"])
            if f"{count} succeeded" not in text or "protocol: h2\n" not in text:
                raise scenarios.Failed(f"h2load: {text[-600:]}")
            self.tally.add("requests", count)
        return load

    def _dns(self):
        names = self.bench.folder / "names"
        names.write_text("".join(f"{host} A\n" for host in self.bench.origin.cold_hosts))
        server = self.bench.origin.network.inner(self.gateway.name)

        def load(seconds: float) -> None:
            words = ["dnsperf", "-s", server, "-d", str(names), "-l", f"{seconds:.1f}", "-Q", str(DNS_RATE), "-t", "5"]
            done = subprocess.run(inside(self.bench.client, *words), capture_output=True, text=True, check=True, timeout=60)
            sent, completed = (int(re.search(rf"Queries {what}:\s+(\d+)", done.stdout)[1]) for what in ("sent", "completed"))
            good = re.search(r"NOERROR (\d+)", done.stdout)
            if sent != completed or not good or int(good[1]) != sent:
                raise scenarios.Failed(f"dnsperf: {done.stdout[-900:]}")
            self.tally.add("queries", sent)
        return load

    def _cold_hosts(self) -> Path:
        hosts = self.bench.folder / "hosts"
        hosts.write_text("".join(f"{host}\n" for host in self.bench.origin.cold_hosts))
        return hosts


def read_records(log: Path) -> tuple[dict[str, int], int]:
    """Records by type and action, and how often their sequence jumps."""
    counts: dict[str, int] = {}
    gaps, last = 0, None
    with log.open("rb") as lines:
        for line in lines:
            number = int(SEQUENCE.search(line)[1])
            gaps += last is not None and number != last + 1
            last = number
            action = ACTION.search(line)
            key = KIND.search(line)[1].decode() + ("/" + action[1].decode() if action else "")
            counts[key] = counts.get(key, 0) + 1
    return counts, gaps


def read_origin(log: Path) -> dict[str, int]:
    """Requests that the origin saw, by status."""
    counts: dict[str, int] = {}
    with log.open() as lines:
        for line in lines:
            counts[line[:3]] = counts.get(line[:3], 0) + 1
    return counts


def judge(tally: Tally, records: dict[str, int], gaps: int, origin: dict[str, int], memory: list[float]) -> dict:
    wrong = list(tally.wrong)

    def expect(what: str, got: int, wanted: int) -> None:
        if got != wanted:
            wrong.append(f"{what}: {got}, not {wanted}")

    asked = tally.counts.get("requests", 0)
    expect("requests with status 200 at the origin", origin.get("200", 0) - 1, asked)  # one found out that it serves
    expect("requests at the origin", sum(origin.values()) - 1, asked)
    expect("records of allowed requests", records.get("http/allow", 0), asked)
    expect("records of refused requests", records.get("http/deny", 0), tally.counts.get("refused", 0))
    expect("records of queries", records.get("dns/allow", 0) + records.get("dns/deny", 0), tally.counts.get("queries", 0))
    expect("gaps in the sequence", gaps, 0)
    fifth = len(memory) // 5
    early, late = (statistics.median(part or memory) for part in (memory[fifth:2 * fifth], memory[-fifth or None:]))
    if late > early * GROWTH + SLACK_MB:
        wrong.append(f"memory grew from {early:.1f} to {late:.1f} MB")
    return {"wrong": wrong, "clients": tally.counts, "records": records, "origin": origin, "early_mb": early, "late_mb": late, "peak_mb": max(memory)}


def soak(binary: Path, load: Path, folder: Path, seconds: float) -> dict:
    network = Network(["cofferdam"])
    processes = Processes(folder)
    origin = Origin(folder, network, MIB, [f"c{number}.{ZONE}" for number in range(COLD_HOSTS)], access_log=True)
    try:
        network.create()
        origin.start(processes, load, "cofferdam")
        setting = gateways.Setting(folder, network, origin, interception_ca(folder), binary)
        gateway = gateways.start("cofferdam", setting, processes)
        work = Soak(scenarios.Bench(origin, load, folder, 1), gateway, seconds)
        memory = work.run()
        processes.check()
    finally:
        processes.close()
        network.close()
    records, gaps = read_records(folder / "audit.jsonl")
    return judge(work.tally, records, gaps, read_origin(origin.log), memory)


def main() -> int:
    given = arguments()
    if os.geteuid() != 0 or not given.binary.is_file() or not given.load.is_file():
        print(f"soak: needs root, {given.binary} and {given.load}", file=sys.stderr)
        return 1
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    with run_folder() as folder:
        result = {"seconds": seconds, **soak(given.binary.resolve(), given.load.resolve(), folder, seconds)}
    file = REPOSITORY / "build/bench/soak.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
