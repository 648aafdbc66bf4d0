"""Floods of queries, and a gateway that is stopped or killed while it judges them: bounded, closed, and it recovers.

COFFERDAM_FLOOD_SECONDS (default 10) is how long a flood lasts.
"""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

import dns_wire as wire
from test_load import MemoryWatch, finish
from world.homes import BUILDER

SECONDS = int(os.environ.get("COFFERDAM_FLOOD_SECONDS", "10"))
RATE = 20000
MEMORY_BOUND = 128 << 20
WILDCARD_BITS = 1024
ALLOW = ["https://echo.example/", "**.bucket.example:443"]
# A legitimate client asks all the while, as patiently as resolvers do.
FLOOD = """
ns=$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -1)
ask() {{ dig +tries=4 +time=1 +short echo.example; }}
ask > before.txt
dnsperf -s $ns -d {queries} -l {seconds} -Q {rate} -q 2000 -c 8 -t 1 -W {options} > dnsperf.txt 2>&1 & flood=$!
while kill -0 $flood 2>/dev/null; do ask | tail -1 | cut -d' ' -f1 >> during.txt; sleep 0.2; done
ask > after.txt
"""


def write_queries(folder, pattern: str) -> str:
    """A file for dnsperf; `pattern` makes each name from its number."""
    path = folder / "work" / "queries.txt"
    path.write_text("".join(pattern.format(n) + "\n" for n in range(RATE * SECONDS)))
    return path.name


def answers(folder, name: str) -> list[str]:
    return (folder / "work" / name).read_text().split()


@pytest.mark.parametrize("pattern, seen_bits", [("q{0}.{{nonce}}.test A", 0), ("{0:x}.{{nonce}}.bucket.example TXT", WILDCARD_BITS),
                                                ("echo.example A", 0)], ids=["denied", "wildcard", "cached"])
def test_flood_of_queries_is_bounded(world, gateway, nonce, record_property, pattern, seen_bits):
    """Memory stays bounded, a legitimate name resolves during and after, and what is refused does not get out."""
    folder = world.job_folder(BUILDER)
    queries = write_queries(folder, pattern.replace("{{nonce}}", nonce))
    since = world.evidence.mark()
    running = gateway.start(FLOOD.format(queries=queries, seconds=SECONDS, rate=RATE, options=""), ALLOW, user=BUILDER, folder=folder)
    with MemoryWatch(running) as watch:
        finish(running, SECONDS + 60)
    summary = (folder / "work" / "dnsperf.txt").read_text()
    sent, completed = (int(re.search(rf"Queries {word}:\s+(\d+)", summary)[1]) for word in ("sent", "completed"))
    records = running.records()
    record_property("queries_sent", sent)
    record_property("queries_answered", completed)
    record_property("peak_memory_mib", watch.peak >> 20)
    print(summary, f"peak memory {watch.peak >> 20} MiB, {len(records)} records")
    assert sent > 1000 * SECONDS, f"no flood: {summary}"
    assert 0 < watch.peak < MEMORY_BOUND, watch.peak >> 20
    during = answers(folder, "during.txt")
    assert answers(folder, "before.txt") == answers(folder, "after.txt") != [], (summary, during)
    resolved = [a for a in during if a.startswith("198.1")]
    record_property("resolved_during", f"{len(resolved)} of {len(during)}")
    assert len(resolved) > len(during) / 2, during
    told = len([r for r in records if r["type"] == "dns"])
    assert told >= completed, "every answer has its record"
    seen = [e for e in world.evidence.events(since, "dns") if nonce in json.dumps(e)]
    letters = sum(len(e["qname"].split(".")[0]) for e in seen)
    assert 4 * letters <= seen_bits and len(seen) <= seen_bits, seen[:5]


# Nothing is lost before the socket that the gateway reads.
WIDE_QUEUE = {"queue_buffer": "64MiB", "queue_length": 20000}


def threads_of(pid: int) -> list[tuple[int, str]]:
    return [(int(each.parent.name), each.read_text().strip()) for each in Path(f"/proc/{pid}/task").glob("*/comm")]


def flood_while_it_stands_still(running) -> tuple[int, int]:
    """Lets job_scripts/flood.py send while the gateway is stopped, and then what answers run only when what judges has nothing to do.

    Datagrams sent, and dropped at the gateway's socket.
    """
    running.wait_for("ready")
    os.kill(running.process.pid, signal.SIGSTOP)
    running.process.stdin.write(b"go\n")
    running.process.stdin.flush()
    running.wait_for("sent")
    one_processor = {min(os.sched_getaffinity(0))}
    for thread, name in threads_of(running.process.pid):
        os.sched_setaffinity(thread, one_processor)
        if name == "loop":
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
    os.kill(running.process.pid, signal.SIGCONT)
    sent, dropped = (int(n) for n in finish(running, 60)[0].split())
    assert dropped > 0, "no flood"
    return sent, dropped


def told_as_lost(records: list[dict]) -> int:
    told = [r["alert"]["message"] for r in records if r["type"] == "alert" and r["alert"]["name"] == "queue overflow"]
    return sum(int(message.split()[0]) for message in told)


def test_every_query_of_a_flood_is_recorded_or_told_as_lost(world, gateway):
    """What the queue accepted and the resolver's socket had no room for has no record: alerts tell its exact number."""
    query = wire.query("echo.example").hex()
    running = gateway.start(["/usr/bin/python3", f"{world.scripts}/flood.py", "resolver", "53", "2", "5000", query], ["https://echo.example/"],
                            policy={"dns": {**WIDE_QUEUE, "socket_buffer": "64KiB"}}, stdin=subprocess.PIPE)
    sent, dropped = flood_while_it_stands_still(running)
    records = running.records()
    assert told_as_lost(records) == dropped
    assert len([r for r in records if r["type"] == "dns"]) == sent - dropped


# ---- the judge stopped or killed

ASK_ON = """
n=0
while :; do n=$((n + 1)); dig +tries=1 +time=1 live$n.example >/dev/null 2>&1; dig +tries=1 +time=1 $n.{nonce}.test >/dev/null 2>&1
  echo $n > count; mv count turns; done
"""
LIVE = ["https://echo.example/", *(f"dns:live{n}.example" for n in range(1, 2000))]


def wait_until(condition, what: str, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def in_job(gateway, running, *argv: str) -> str:
    """A command of ours inside the job's network, looked at from outside."""
    inside = [pid for pid in gateway.job_processes() if pid not in gateway.processes()]
    assert inside, running.errors()
    return subprocess.run(["nsenter", "-t", str(inside[0]), "-n", *argv], capture_output=True, text=True, check=True).stdout


def test_stopped_judge_lets_nothing_pass(world, gateway, nonce):
    """SIGSTOP: what the kernel holds for the gateway waits or is lost; when it goes on, what is denied stays denied."""
    since = world.evidence.mark()
    running = gateway.start(ASK_ON.format(nonce=nonce), LIVE)
    turns = running.folder / "work" / "turns"
    wait_until(lambda: len(world.evidence.events(since, "dns")) >= 3, "the positive control never arrived")
    os.kill(running.process.pid, signal.SIGSTOP)
    world.settle()
    stopped, before = world.evidence.mark(), int(turns.read_text())
    wait_until(lambda: int(turns.read_text()) >= before + 2, "the job asks on, in vain")
    world.settle()
    leaked = [p for p in world.evidence.packets(stopped) if 53 in (p.source_port, p.destination_port) or p.is_syn]
    os.kill(running.process.pid, signal.SIGCONT)
    assert leaked == []
    wait_until(lambda: len(world.evidence.events(stopped, "dns")) >= 3, "it goes on when it is let")
    os.kill(running.process.pid, signal.SIGTERM)
    running.process.communicate(timeout=20)
    assert world.traces(nonce) == []
    denied = [r for r in running.records() if nonce in json.dumps(r) and r["type"] == "dns"]
    assert denied and all(r["decision"]["action"] == "deny" for r in denied)


def test_killed_judge_lets_nothing_pass(world, gateway, nonce):
    """SIGKILL: the queue has no reader, the kernel drops what is in it and the job ends."""
    since = world.evidence.mark()
    running = gateway.start(ASK_ON.format(nonce=nonce), LIVE)
    wait_until(lambda: len(world.evidence.events(since, "dns")) >= 3, "the positive control never arrived")
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.communicate(timeout=10)
    world.settle()
    killed = world.evidence.mark()
    wait_until(lambda: gateway.job_processes() == [], "the command ends with its gateway")
    world.settle()
    assert [p for p in world.evidence.packets(killed) if p.source == "10.99.0.2" and p.destination_port == 53] == []
    assert world.traces(nonce) == []


def test_queue_fails_closed_by_its_rules(world, gateway):
    """As the kernel tells it: datagrams are queued, no rule says bypass, and the queue copies whole packets."""
    running = gateway.start("dig +short echo.example; touch started; cat", ["https://echo.example/"], stdin=subprocess.PIPE)
    running.wait_for("started")
    rules = in_job(gateway, running, "nft", "list", "ruleset")
    queues = in_job(gateway, running, "cat", "/proc/net/netfilter/nfnetlink_queue")
    out, err = running.process.communicate(b"", timeout=20)
    print(rules, queues)
    assert out.startswith(b"198.1"), err
    assert "bypass" not in rules, rules
    assert queues.strip(), "a reader is bound"
    for line in queues.splitlines():
        copy_mode, copy_range = line.split()[3:5]
        assert copy_mode == "2" and int(copy_range) >= 65531, line
