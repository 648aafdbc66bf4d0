"""What `make bench-dns` leaves: tests/bench/results/dns.json and the DNS section of docs/performance.md."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

from report_page import cell, machine, replace_section

ORDER = ("direct", "dnsdist", "unbound", "dnsmasq", "cofferdam")
BEGIN, END = "<!-- bench-dns -->", "<!-- /bench-dns -->"


def ratios(result: dict) -> dict[str, float | None]:
    """The figures that have a target, as ratios within the run."""
    def of(scenario: str, key: str, peer: str) -> float | None:
        ours, theirs = (result.get(name, {}).get(scenario, {}).get(key) for name in ("cofferdam", peer))
        return ours / theirs if ours and theirs else None

    return {"cached, of dnsdist": of("cached", "rate", "dnsdist"), "uncached, of unbound": of("uncached", "rate", "unbound"),
            "uncached, of dnsdist": of("uncached", "rate", "dnsdist"), "p99 at the offered rate, of unbound": of("offered", "p99", "unbound")}


TARGETS = {"cached, of dnsdist": "≥ 0.75", "uncached, of unbound": "≥ 1.0", "uncached, of dnsdist": "stretch: 1.0",
           "p99 at the offered rate, of unbound": "≤ 1.0"}


def table(result: dict) -> str:
    """Markdown: one line a server, then the ratios."""
    lines = ["| | cached /s | CPU s per 10,000 | uncached /s | CPU s per 10,000 | offered: p50 µs | p99 µs |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name in ORDER:
        if name not in result:
            continue
        cached, uncached, offered = (result[name][s] for s in ("cached", "uncached", "offered"))
        lines.append(f"| {name} | {cell(cached['rate'], ',.0f')} | {cell(cached['cpu'], '.2f')} | {cell(uncached['rate'], ',.0f')} | "
                     f"{cell(uncached['cpu'], '.2f')} | {cell(offered['p50'], '.0f')} | {cell(offered['p99'], '.0f')} |")
    lines += ["", "| ratio | measured | target |", "|---|---:|---|"]
    lines += [f"| {name} | {cell(value, '.2f')} | {TARGETS[name]} |" for name, value in ratios(result).items()]
    return "\n".join(lines) + "\n"


def inspector_lines(repository: Path) -> str:
    """The inspector's micro-benchmarks, if `make bench-micro` has built them."""
    binary = repository / "build/bench/bench/dns_bench"
    if not binary.is_file():
        return ""
    got = subprocess.run([str(binary), "--benchmark_format=json", "--benchmark_min_time=0.2"], capture_output=True, text=True, check=True)
    rows = [(b["name"], b["cpu_time"]) for b in json.loads(got.stdout)["benchmarks"]]
    body = "".join(f"| `{name}` | {ns:,.0f} | {1e9 / ns:,.0f} |\n" for name, ns in rows)
    return "\nAlone, on one core:\n\n| | ns | /s |\n|---|---:|---:|\n" + body


def write(repository: Path, options, result: dict, samples: dict) -> None:
    results = repository / "tests/bench/results"
    results.mkdir(exist_ok=True)
    here = machine()
    (results / "dns.json").write_text(json.dumps({"machine": here, "rounds": options.rounds, "seconds": options.seconds,
                                                  "rate": options.rate, "ratios": ratios(result), "medians": result,
                                                  "samples": samples}, indent=1) + "\n")
    setup = (f"Medians of {options.rounds} alternating rounds of {options.seconds:g} s; {here['cores']} cores shared by dnsperf, "
             f"server and authority; kernel {here['kernel']}; {options.rate:,} queries/s offered for the percentiles.\n\n")
    replace_section(repository / "docs/performance.md", BEGIN, END, setup + table(result) + inspector_lines(repository))
