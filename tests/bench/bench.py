#!/usr/bin/env python3
"""`make bench`: Cofferdam beside sslsplit, squid, mitmproxy, HAProxy, nginx and no gateway at all, in the same run.

Each gateway stands in a network namespace of its own between the client's and the origin's. Every scenario is offered to each of
them in turn, round after round; medians and ratios go to docs/performance.md, all samples to build/bench/bench.json. Needs root.

Environment: BENCH_ROUNDS (3; fewer if they would take more than 20 minutes), BENCH_SECONDS of each load (2), BENCH_SCENARIOS and
BENCH_PEERS (names, separated by spaces or commas; then docs/performance.md is left alone). `builds` is a scenario too.
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import sys
import time
from pathlib import Path

import bench_report
import builds
import gateways
import scenarios
from origin import MIB, Origin, interception_ca
from rig import REPOSITORY, Network, Processes, run_folder, wait_until

LIMIT = 20 * 60  # seconds of all rounds: a further one is not begun if it would end later
TOOLS = ("haproxy", "squid", "sslsplit", "mitmdump", "nginx", "nsd", "nft", "h2load", "curl", "openssl")


def words_of(variable: str) -> list[str]:
    return re.split(r"[\s,]+", os.environ[variable].strip()) if os.environ.get(variable, "").strip() else []


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    release = REPOSITORY / "build/release"
    parser.add_argument("--binary", type=Path, default=release / "cofferdam")
    parser.add_argument("--load", type=Path, default=release / "bench_load")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "build/bench/bench.json")
    given = parser.parse_args()
    given.rounds, given.seconds = int(os.environ.get("BENCH_ROUNDS", "3")), float(os.environ.get("BENCH_SECONDS", "2"))
    known = [*(s.name for s in scenarios.SCENARIOS), "builds"]
    given.scenarios, given.peers = words_of("BENCH_SCENARIOS") or known, words_of("BENCH_PEERS") or list(gateways.NAMES)
    given.complete = given.scenarios == known and given.peers == list(gateways.NAMES)
    for name in given.scenarios + given.peers:
        if name not in (*known, *gateways.NAMES):
            parser.error(f"no scenario or gateway {name}: {' '.join(known)}; {' '.join(gateways.NAMES)}")
    return given


class Run:
    """The rig, and the samples by scenario and gateway. A sample of a load that failed has only `error`."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.samples = given, {}
        self.wanted = [s for s in scenarios.SCENARIOS if s.name in given.scenarios]
        self.network = Network(given.peers)
        self.processes = Processes(folder)
        transfer = int(given.seconds * 32) * 8 * MIB  # 256 MiB a second
        self.origin = Origin(folder, self.network, transfer, scenarios.cold_hosts(given.rounds))
        self.bench = scenarios.Bench(self.origin, given.load.resolve(), folder, given.seconds)
        self.gateways: list[gateways.Gateway] = []

    def start(self) -> None:
        self.network.create()
        folder = self.processes.folder
        self.origin.start(self.processes, self.bench.load, self.given.peers[-1])
        setting = gateways.Setting(folder, self.network, self.origin, interception_ca(folder), self.given.binary.resolve())
        for name in self.given.peers:
            gateway = gateways.start(name, setting, self.processes)
            wait_until(lambda: gateways.answers(gateway, self.network, self.bench.load) or self.processes.check(), f"an answer through {name}")
            self.gateways.append(gateway)

    def close(self) -> None:
        self.processes.close()
        self.network.close()

    def rounds(self) -> int:
        """As many rounds as wanted, or fit into the time; returns their number. What grows a gateway for good comes once, last."""
        start = time.monotonic()
        for number in range(self.given.rounds):
            self.round(number, [s for s in self.wanted if not s.once])
            taken = time.monotonic() - start
            if taken * (number + 2) / (number + 1) > LIMIT and number + 1 < self.given.rounds:
                print(f"{number + 1} rounds took {taken / 60:.0f} minutes; no further one", flush=True)
                break
        self.round(number, [s for s in self.wanted if s.once])
        return number + 1

    def round(self, number: int, wanted: list[scenarios.Scenario]) -> None:
        self.bench.round = number
        for scenario in wanted:
            for gateway in self.gateways:
                if gateway.name not in scenario.without:
                    self._measure(scenario, gateway, number)

    def _measure(self, scenario: scenarios.Scenario, gateway: gateways.Gateway, number: int) -> None:
        try:
            sample = scenario.measure(self.bench, gateway)
            said = format(sample["value"], scenario.form) + f" {scenario.unit}"
            said += f"  cpu {sample['cpu']:.2f} s per {scenario.work}" if scenario.work and sample["cpu"] is not None else ""
            said += f"  peak {sample['peak']:.0f} MB" if sample["peak"] else ""
        except scenarios.Failed as wrong:
            sample, said = {"error": str(wrong)}, f"FAILED: {wrong}"
        self.processes.check()
        self.samples.setdefault(scenario.name, {}).setdefault(gateway.name, []).append(sample)
        print(f"{time.strftime('%H:%M:%S')} round {number + 1}  {scenario.name:9} {gateway.name:12} {said}", flush=True)


def medians(samples: dict) -> dict:
    """By scenario and gateway: the medians of all figures over the rounds, and `failed` rounds."""
    out: dict = {}
    for scenario, by_gateway in samples.items():
        for name, rows in by_gateway.items():
            good = [row for row in rows if "error" not in row]
            figures = {key: statistics.median(row[key] for row in good) if isinstance(value, (int, float)) else value
                       for key, value in (good[0] if good else {}).items()}
            out.setdefault(scenario, {})[name] = {**figures, "failed": len(rows) - len(good)}
    return out


def measure(given: argparse.Namespace) -> dict:
    with run_folder() as folder:
        run = Run(given, folder)
        try:
            if run.wanted:
                run.start()
                given.rounds = run.rounds()
        finally:
            run.close()
    return run.samples


def main() -> int:
    given = arguments()
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing or os.geteuid() != 0 or not given.binary.is_file() or not given.load.is_file():
        print(f"bench: needs root, {given.binary}, {given.load}, and the tools of scripts/install-deps.sh --bench"
              + (f" (missing: {', '.join(missing)})" if missing else ""), file=sys.stderr)
        return 1
    samples = measure(given)
    steps = builds.bench(max(1, given.rounds - 1), given.binary.resolve()) if "builds" in given.scenarios else None
    result = {"rounds": given.rounds, "seconds": given.seconds, "medians": medians(samples), "samples": samples, "builds": steps}
    print(bench_report.write(result, given.json, REPOSITORY / "docs/performance.md" if given.complete else None))
    return 0


if __name__ == "__main__":
    sys.exit(main())
