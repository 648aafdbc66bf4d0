"""What `make bench` leaves: a JSON file, and the generated part of docs/performance.md."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from gateways import NAMES
from report_page import cell, machine, replace_section
from scenarios import SCENARIOS

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
OURS = "cofferdam"


@dataclass(frozen=True)
class Target:
    """What Cofferdam's figure should be, relative to a gateway's in the same run; `peer` "" means the figure itself."""
    scenario: str
    peer: str
    bound: float
    at_least: bool = False
    key: str = "value"
    plus: bool = False  # bound is added to the peer's figure, not multiplied
    stretch: bool = False

    def measured(self, medians: dict) -> float | None:
        ours = medians.get(self.scenario, {}).get(OURS, {}).get(self.key)
        if not self.peer:
            return ours
        theirs = medians.get(self.scenario, {}).get(self.peer, {}).get(self.key)
        if ours is None or not theirs:
            return None
        return ours - theirs if self.plus else ours / theirs

    def line(self, medians: dict) -> str:
        what = {"value": "", "p99": ", p99", "cpu": ", CPU seconds", "peak": ", peak MB"}[self.key]
        of = "" if not self.peer else f", minus {self.peer}" if self.plus else f", of {self.peer}"
        got = self.measured(medians)
        met = "–" if got is None else "yes" if (got >= self.bound) == self.at_least or got == self.bound else "**no**"
        return f"| {self.scenario}{what}{of} | {cell(got, '.2f')} | {'stretch: ' if self.stretch else ''}{'≥' if self.at_least else '≤'} {self.bound:g} | {met} |"


def best(medians: dict, scenario: str) -> str:
    """The gateway that spends the least CPU on a unit of work."""
    rows = {name: row["cpu"] for name, row in medians.get(scenario, {}).items() if name != OURS and row.get("cpu")}
    return min(rows, key=rows.get, default="")


def targets(medians: dict) -> list[Target]:
    return [Target("hs_full", "haproxy", 1.0, True), Target("hs_full", "haproxy_1to1", 1.5, True), Target("hs_full", "sslsplit", 3.5, True),
            Target("hs_resume", "haproxy", 0.95, True), Target("ka64", "nginx_http", 1.0, True), Target("h2", "haproxy", 1.2, True),
            Target("h2", "sslsplit", 1.0, True, stretch=True), Target("ka100k", "nginx_http", 1.0, True),
            *(Target(name, "haproxy", 1.1, True) for name in ("dl1", "dl8")), *(Target(name, "haproxy", 1.05, True) for name in ("ul1", "ul8")),
            Target("cold", "direct", 2.0, plus=True), Target("warm", "nginx_http", 1.0), Target("ka_rate", "haproxy", 1.0),
            Target("ka_rate", "haproxy", 1.0, key="p99"), Target("burst1k", "haproxy", 1.0), Target("burst1k", "", 80, key="peak"),
            *(Target(name, best(medians, name) or "haproxy", 1.0, key="cpu") for name in ("hs_full", "ka64", "dl1")), Target("idle", "", 200)]


def figures(medians: dict) -> str:
    """One line a scenario, one column a gateway."""
    lines = [f"| | {' | '.join(NAMES)} |", "|---|" + "---:|" * len(NAMES)]
    for scenario in SCENARIOS:
        rows = medians.get(scenario.name, {})
        if not rows:
            continue
        cells = [_cell(rows.get(name), "value", scenario.form) for name in NAMES]
        lines.append(f"| {scenario.name}, {scenario.unit} | {' | '.join(cells)} |")
        lines += [f"| {scenario.name}, {'peak MB' if key == 'peak' else key + ' µs'} | "
                  f"{' | '.join(_cell(rows.get(name), key, ',.0f') for name in NAMES)} |" for key in scenario.keys]
    lines += ["", f"| CPU seconds of the gateway per | {' | '.join(NAMES[1:])} |", "|---|" + "---:|" * (len(NAMES) - 1)]
    for scenario in SCENARIOS:
        rows = medians.get(scenario.name, {})
        if scenario.work and rows:
            lines.append(f"| {scenario.work} ({scenario.name}) | {' | '.join(_cell(rows.get(name), 'cpu', '.2f') for name in NAMES[1:])} |")
    return "\n".join(lines) + "\n"


def _cell(row: dict | None, key: str, form: str) -> str:
    if row is None:
        return "–"
    mark = f" ({row['failed']} failed)" if row["failed"] and key == "value" else ""
    return (cell(row.get(key), form) + mark) if row.get(key) is not None or not mark else "failed"


def ratios(medians: dict) -> str:
    lines = ["| of cofferdam | measured | target | met |", "|---|---:|---|---|"]
    return "\n".join(lines + [target.line(medians) for target in targets(medians) if target.scenario in medians]) + "\n"


def build_steps(steps: dict | None) -> str:
    if not steps:
        return ""
    lines = ["| step | direct s | behind s | ratio (≤ 1.03) | CPU s direct | behind |", "|---|---:|---:|---:|---:|---:|"]
    for name, row in steps["steps"].items():
        direct, behind = row["direct"], row["behind"]
        lines.append(f"| {name} | {direct['wall']:.2f} | {behind['wall']:.2f} | {row['wall_ratio']:.2f} | {direct['cpu']:.2f} | {behind['cpu']:.2f} |")
    return "\n".join(lines) + "\n"


def write(result: dict, file: Path, page: Path | None) -> str:
    """Writes the JSON file, and the page's section if there is one; returns the tables."""
    medians = result["medians"]
    result = {"machine": machine(), **result, "ratios": {t.line(medians).split(" | ")[0][2:]: t.measured(medians) for t in targets(medians)}}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
    setup = (f"Medians of {result['rounds']} alternating rounds, {result['seconds']:g} s a load; {result['machine']['cores']} cores shared by "
             f"client, gateway and origin; kernel {result['machine']['kernel']}.\n\n")
    parts = [setup + figures(medians), ratios(medians), build_steps(result["builds"])]
    text = "\n".join(part for part in parts if part)
    if page:
        replace_section(page, BEGIN, END, text)
    return text
