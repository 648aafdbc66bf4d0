#!/usr/bin/env python3
"""`make bench-dns`: Cofferdam's DNS beside dnsdist, unbound and dnsmasq behind a plain redirect, in the same run.

Two namespaces joined by a veth: the authoritative server in one, everything else in the other. dnsperf asks each server in
turn, round after round; medians and ratios go to docs/performance.md and tests/bench/results/dns.json. Needs root.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import dns_peers
import dns_report
from rig import PREFIX, REPOSITORY, cpu_seconds, inside, run, run_folder

CLIENT, ORIGIN = f"{PREFIX}-{os.getpid()}-client", f"{PREFIX}-{os.getpid()}-origin"
LOOP = 'while read -r line; do eval "$line"; echo "done $?"; done'


class Network:
    """Both namespaces, and the redirects to the peers."""

    def create(self, servers: list[dns_peers.Server]) -> None:
        for namespace in (CLIENT, ORIGIN):
            run("ip", "netns", "add", namespace)
            run(*inside(namespace, "ip", "link", "set", "lo", "up"))
        run("ip", "link", "add", "net0", "netns", CLIENT, "type", "veth", "peer", "name", "net0", "netns", ORIGIN)
        for namespace, address in ((CLIENT, "10.77.0.1/24"), (ORIGIN, f"{dns_peers.AUTHORITY}/24")):
            run(*inside(namespace, "ip", "addr", "add", address, "dev", "net0"))
            run(*inside(namespace, "ip", "link", "set", "net0", "up"))
        run(*inside(CLIENT, "ip", "route", "add", "default", "via", dns_peers.AUTHORITY))
        rules = "".join(f"    ip daddr {s.asked} udp dport 53 redirect to :{s.port}\n" for s in servers if s.port)
        table = ("table ip bench {\n  chain output {\n    type nat hook output priority -100;\n" + rules + "  }\n}\n")
        run(*inside(CLIENT, "nft", "-f", "-"), input=table, text=True)

    def close(self) -> None:
        for namespace in (CLIENT, ORIGIN):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)


class Shell:
    """A shell from which load is offered: in the client's namespace, or inside of a job."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.do("true")

    def do(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        while True:
            said = self.process.stdout.readline()
            if said == "done 0\n":
                return
            if not said or said.startswith("done "):
                raise RuntimeError(f"'{line}' failed ({said.strip()}): {self.log.read_text()[-2000:]}")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=30)


class Bench:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.servers = dns_peers.peers(folder)
        self.network = Network()
        self.running: list[subprocess.Popen] = []
        self.samples: dict[str, dict[str, list[dict]]] = {}

    def start(self) -> None:
        self.network.create(self.servers)
        self._spawn(ORIGIN, dns_peers.authority(self.folder), "nsd")
        for server in self.servers:
            if server.command:
                server.process = self._spawn(CLIENT, server.command, server.name)
        self.shell = Shell(inside(CLIENT, "sh", "-c", LOOP), self.folder / "shell.log")
        for server in self.servers:
            self._await_answer(server)

    def _spawn(self, namespace: str, command: list[str], name: str) -> subprocess.Popen:
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(inside(namespace, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.running.append(process)
        return process

    def _await_answer(self, server: dns_peers.Server) -> None:
        ask = ["dig", "+short", "+tries=1", "+time=1", f"@{server.asked}", f"ready.{dns_peers.ZONE}"]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            got = subprocess.run(inside(CLIENT, *ask), capture_output=True, text=True, check=False)
            if got.stdout.strip() == dns_peers.ANSWER:
                return
            time.sleep(0.05)
        log = self.folder / f"{server.name}.log"
        raise RuntimeError(f"{server.name} does not answer: {log.read_text()[-2000:] if log.exists() else ''}")

    def close(self) -> None:
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.network.close()

    # ---- one round ----

    def round(self, number: int) -> None:
        cold = [f"u{number}x{i}.{dns_peers.ZONE}" for i in range(self.options.names)]
        warm = [f"w{number}x{i}.{dns_peers.ZONE}" for i in range(1000)]
        for name, lines in (("cold", cold), ("warm", warm)):
            (self.folder / name).write_text("".join(f"{line} A\n" for line in lines))
        wanted = self.options.only
        if not wanted or "cofferdam" in wanted:
            self._round_of_cofferdam(cold + warm)
        for server in self.servers:
            if not wanted or server.name in wanted:
                self._measure(server.name, self.shell, server.asked, server.process.pid if server.process else None)

    def _round_of_cofferdam(self, names: list[str]) -> None:
        policy = dns_peers.cofferdam_policy(self.folder, names)
        (self.folder / "audit.jsonl").unlink(missing_ok=True)
        command = inside(CLIENT, str(self.options.binary), "run", "--quiet", "--policy", str(policy), "--", "sh", "-c", LOOP)
        shell = Shell(command, self.folder / "cofferdam.log")
        try:
            sent = self._measure("cofferdam", shell, "192.0.2.53", shell.process.pid)
        finally:
            shell.close()
        records = sum(1 for _ in (self.folder / "audit.jsonl").open("rb"))
        if records != sent + 2:  # and the job's start and end
            raise RuntimeError(f"{sent} queries left {records} records")

    def _measure(self, name: str, shell: Shell, asked: str, pid: int | None) -> int:
        """How many queries were sent. A percentile of one load varies several times over here, so there are more of these."""
        seconds = self.options.seconds
        sent = self._dnsperf(shell, asked, None, "warm", "-n", "1")["sent"]
        offered = ("offered", ("warm", "-l", str(seconds), "-Q", str(self.options.rate), "-v"))
        for scenario, arguments in (("cached", ("warm", "-l", str(seconds))), ("uncached", ("cold", "-n", "1", "-l", str(seconds))),
                                    offered, offered, offered):
            sample = self._dnsperf(shell, asked, pid, *arguments)
            sent += sample["sent"]
            self.samples.setdefault(name, {}).setdefault(scenario, []).append(sample)
            print(f"{name:10} {scenario:9} {sample['rate']:9.0f} /s  lost {sample['lost']}"
                  + (f"  cpu {sample['cpu']:.3f} s/10k" if sample["cpu"] is not None else "")
                  + (f"  p50 {sample['p50']:.0f} p99 {sample['p99']:.0f} us" if "p50" in sample else ""), flush=True)
        return sent

    def _dnsperf(self, shell: Shell, asked: str, pid: int | None, source: str, *more: str) -> dict:
        output = self.folder / "dnsperf.out"
        words = ["dnsperf", "-s", asked, "-d", str(self.folder / source), "-c", "4", "-T", "1", "-q", "128", "-t", "2", *more]
        before = cpu_seconds(pid) if pid else None
        shell.do(" ".join(words) + f" > {output} 2>&1")
        used = cpu_seconds(pid) - before if pid else None
        return read_dnsperf(output.read_text(errors="replace"), used)


def read_dnsperf(text: str, used: float | None) -> dict:
    """Queries a second, losses, CPU seconds of the server for 10,000 queries, and percentiles where each query was shown."""
    def figure(label: str) -> float:
        found = re.search(rf"{label}:\s+([\d.]+)", text)
        if not found:
            raise RuntimeError(f"dnsperf: no '{label}': {text[-1500:]}")
        return float(found[1])

    sent, completed = int(figure("Queries sent")), int(figure("Queries completed"))
    good = sum(int(n) for n in re.findall(r"NOERROR (\d+) \(", text))
    if completed == 0 or good < 0.999 * completed:
        codes = re.search(r"Response codes:.*", text)
        raise RuntimeError(f"answers other than NOERROR: {codes[0] if codes else text[-500:]}")
    out = {"sent": sent, "lost": int(figure("Queries lost")), "rate": figure("Queries per second"),
           "cpu": None if used is None else used / completed * 10000}
    latencies = sorted(float(seconds) * 1e6 for seconds in re.findall(r"^> NOERROR \S+ \S+ ([\d.]+)", text, re.M))
    if latencies:
        out["p50"], out["p99"] = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
    return out


def medians(samples: dict[str, dict[str, list[dict]]]) -> dict[str, dict[str, dict]]:
    def median(rows: list[dict], key: str) -> float | None:
        values = [row[key] for row in rows if row.get(key) is not None]
        return statistics.median(values) if values else None

    return {name: {scenario: {key: median(rows, key) for key in ("rate", "cpu", "p50", "p99", "lost")}
                   for scenario, rows in scenarios.items()} for name, scenarios in samples.items()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, default=REPOSITORY / "build/release/cofferdam")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each load")
    parser.add_argument("--names", type=int, default=100_000, help="distinct names of an uncached load")
    parser.add_argument("--rate", type=int, default=5000, help="offered for the percentiles")
    parser.add_argument("--only", nargs="*", help="these servers only; nothing is written")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    missing = [tool for tool in ("dnsperf", "dnsdist", "unbound", "dnsmasq", "nsd", "nft", "dig") if not shutil.which(tool)]
    if missing or os.geteuid() != 0 or not options.binary.is_file():
        print(f"dns_bench: needs root, {options.binary}, and the tools of scripts/install-deps.sh --bench"
              + (f" (missing: {', '.join(missing)})" if missing else ""), file=sys.stderr)
        return 1
    with run_folder() as folder:
        bench = Bench(options, folder)
        try:
            bench.start()
            for number in range(options.rounds):
                bench.round(number)
        finally:
            bench.close()
    result = medians(bench.samples)
    print(dns_report.table(result))
    if not options.only:
        dns_report.write(REPOSITORY, options, result, bench.samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
