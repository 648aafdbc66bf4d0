"""What the Prometheus rules and the Grafana dashboard ask for, and what the program exposes."""
from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = REPOSITORY / "packaging" / "prometheus" / "cofferdam.rules.yaml"
RULE_TESTS = RULES.with_name("cofferdam.rules.test.yaml")
DASHBOARD = REPOSITORY / "packaging" / "grafana" / "cofferdam.json"
HISTOGRAM_SUFFIX = re.compile(r"_(bucket|sum|count)$")


def rules() -> list[dict]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> dict[str, str]:
    """Title and reference of each query -> its expression."""
    return {f"{panel['title']} {target['refId']}": target["expr"] for panel in panels() for target in panel["targets"]}


def variable_queries() -> list[str]:
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    return [v["definition"] for v in variables if v["type"] == "query"]


def metrics_of(expression: str) -> set[str]:
    """The program's own metrics in a PromQL expression; a histogram's series count as the histogram."""
    plain = re.sub(r'"[^"]*"', '""', expression)
    return {HISTOGRAM_SUFFIX.sub("", name) for name in re.findall(r"(?<![\w:])cofferdam_\w+(?!:)\b", plain)}


def recorded_in(expression: str) -> set[str]:
    return set(re.findall(r"\binstance:cofferdam_\w+:\w+", expression))


def matchers_of(expression: str) -> set[tuple[str, str, str]]:
    """(metric, label, value) of every equality in a selector."""
    found = set()
    for name, selector in re.findall(r"\b(cofferdam_\w+)\{([^}]*)\}", expression):
        found |= {(HISTOGRAM_SUFFIX.sub("", name), label, value) for label, value in re.findall(r'(\w+)="([^"]*)"', selector)}
    return found


def labels_by(expression: str) -> set[str]:
    return {label.strip() for group in re.findall(r"\bby\s*\(([^)]*)\)", expression) for label in group.split(",")}


def exposed(page: str) -> dict[str, dict[str, set[str]]]:
    """A page of /metrics as metric -> label -> values; a histogram's series are folded into it."""
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M))
    found: dict[str, dict[str, set[str]]] = {name: {} for name in kinds}
    for name, labels in re.findall(r"^(\w+)(?:\{([^}]*)\})? ", page, re.M):
        family = HISTOGRAM_SUFFIX.sub("", name)
        family = family if kinds.get(family) == "histogram" else name
        for label, value in re.findall(r'(\w+)="([^"]*)"', labels):
            found[family].setdefault(label, set()).add(value)
    return found
