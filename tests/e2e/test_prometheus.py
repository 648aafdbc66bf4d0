"""Metrics for people: the rules, the dashboard, and a real Prometheus that scrapes a gateway at work."""
from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.parse

import pytest

import metrics_names
from metrics_names import REPOSITORY, RULE_TESTS, RULES, dashboard_expressions, metrics_of, recorded_in
from world.homes import BUILDER

ENDPOINT = "127.0.0.1:19464"
PROMETHEUS = "127.0.0.1:19090"
# One of each: a page from a cached leaf too, a refused request, name, byte stream and datagram.
TRAFFIC = """
curl -fsS https://echo.example/ -o /dev/null && curl -fsS https://echo.example/again -o /dev/null
curl -s https://echo.example/ -X DELETE -o /dev/null; dig +tries=1 +time=2 denied.example
echo | socat -t1 - TCP:echo.example:22; echo | socat -t1 - UDP:echo.example:9999
touch started
"""


def promtool(*argv: str) -> None:
    done = subprocess.run(["promtool", *argv], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_configuration_are_good():
    promtool("check", "rules", str(RULES))
    promtool("check", "config", "packaging/prometheus/prometheus.yaml")


def test_alerts_fire_when_they_should_and_only_then():
    promtool("test", "rules", str(RULE_TESTS))
    alerts = {rule["alert"] for rule in metrics_names.rules() if "alert" in rule}
    assert alerts == set(re.findall(r"alertname: (\w+)", RULE_TESTS.read_text())), "an alert without a test"


def test_dashboard_has_a_query_in_every_panel():
    for panel in metrics_names.panels():
        assert panel["targets"] and panel["title"] and panel["description"], panel
    assert len({panel["id"] for panel in metrics_names.panels()}) == len(metrics_names.panels())


@pytest.fixture
def scraped(world, gateway):
    """A gateway that has seen traffic and still runs, and a Prometheus that scrapes it: (page of /metrics, query function)."""
    running = gateway.start(f"{TRAFFIC}while test -e started; do curl -fsS https://echo.example/ -o /dev/null; sleep 0.2; done",
                            ["GET https://echo.example/"], options=["--metrics", ENDPOINT], user=BUILDER)
    running.wait_for("started")
    state = world.folder / "state" / "prometheus"
    state.mkdir(exist_ok=True)
    (state / "prometheus.yaml").write_text(json.dumps({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "cofferdam", "static_configs": [{"targets": [ENDPOINT]}]}]}))
    prometheus = world.start(["prometheus", f"--config.file={state}/prometheus.yaml", f"--storage.tsdb.path={state}/data",
                              f"--web.listen-address={PROMETHEUS}"], running.folder,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(path: str, **query: str) -> dict:
        url = f"http://{PROMETHEUS}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        done = world.run(["curl", "-fsS", url])  # 503 while it starts
        return json.loads(done.out or "{}")

    page = world.run(["curl", "-fsS", f"http://{ENDPOINT}/metrics"]).out
    yield page, ask
    world.stop(prometheus)
    (running.folder / "work" / "started").unlink()
    running.process.communicate(timeout=20)


def until(what, seconds: float = 30):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "never came"
        time.sleep(0.2)
    return found


def values(answer: dict) -> list[dict]:
    return answer["data"]["result"] if answer.get("status") == "success" else []


def test_rules_and_dashboard_use_what_the_program_exposes(world, scraped):
    page, _ = scraped
    exposed = metrics_names.exposed(page)
    values_in_code = set(re.findall(r'"(\w+)"', (REPOSITORY / "audit/metrics.cpp").read_text()
                                    + (REPOSITORY / "core/reason.cpp").read_text()))
    recorded = {rule["record"] for rule in metrics_names.rules() if "record" in rule}
    expressions = [rule["expr"] for rule in metrics_names.rules()] + list(dashboard_expressions().values())
    expressions += metrics_names.variable_queries()
    assert len(set().union(*map(metrics_of, expressions))) > 10
    for expression in expressions:
        used = metrics_of(expression)
        assert used <= set(exposed), f"no such metric: {used - set(exposed)} in {expression}"
        assert recorded_in(expression) <= recorded, expression
        known = {label for metric in used for label in exposed[metric]} | {"instance"}
        assert metrics_names.labels_by(expression) <= known, f"no such label in {expression}"
        for metric, label, value in metrics_names.matchers_of(expression):
            assert label in exposed[metric] and value in values_in_code, f"{metric}{{{label}={value}}} in {expression}"


def test_a_real_prometheus_scrapes_and_every_panel_shows_something(world, scraped):
    _, ask = scraped
    until(lambda: [v for v in values(ask("query", query='up{job="cofferdam"}')) if v["value"][1] == "1"])
    denied = until(lambda: values(ask("query", query='cofferdam_requests_total{action="deny",protocol="http1"} '
                                                     'or cofferdam_requests_total{action="deny",protocol="http2"}')))
    assert sum(float(v["value"][1]) for v in denied) == 1
    for title, expression in dashboard_expressions().items():
        query = expression.replace("$__rate_interval", "10s").replace("$__range", "1m").replace("$instance", ".*")
        until(lambda q=query: values(ask("query", query=q)))
        answer = ask("query", query=query)
        assert answer["status"] == "success" and values(answer), f"{title}: {query}: {answer}"
    groups = ask("rules")["data"]["groups"]
    loaded = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
    assert len(loaded) == len(metrics_names.rules()) and set(loaded.values()) == {"ok"}, loaded
