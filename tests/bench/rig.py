"""Network namespaces and measured processes for the benchmarks: client -> one gateway each -> origin, joined by veths.

    client ── veth ── gateway i ── veth ── origin        93.184.216.i and 93.184.217.i are the origin's, reached through gateway i

Everything carries this process's id; what a killed run left is cleared by the next. Needs root.
"""
from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))

from world.network import die_with_parent, remove_namespace  # noqa: E402

PREFIX = "cdbench"
TICKS = os.sysconf("SC_CLK_TCK")
_SYSCTLS = ("net.core.somaxconn=16384", "net.ipv4.tcp_max_syn_backlog=16384", "net.ipv4.ip_local_port_range=1024 65535",
            "net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_forward=1")


def run(*command: str, **more) -> subprocess.CompletedProcess:
    return subprocess.run(command, check=True, **more)


def inside(namespace: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, *command]


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """The files of one run, which servers of other users may read; namespaces that killed runs left are removed first."""
    _remove_stale()
    with tempfile.TemporaryDirectory(prefix="cofferdam-bench-") as text:
        folder = Path(text)
        folder.chmod(0o755)
        yield folder


def _remove_stale() -> None:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    for name, pid in re.findall(rf"^({PREFIX}-(\d+)-\w+)", listed, re.M):
        if not Path(f"/proc/{pid}").exists():
            remove_namespace(name)


class Network:
    """`client`, `origin` and a namespace for each gateway; interfaces `jobs0` and `world0` in the latter."""

    def __init__(self, gateways: list[str]) -> None:
        self.client, self.origin = (f"{PREFIX}-{os.getpid()}-{name}" for name in ("client", "origin"))
        self.gateways = {name: f"{PREFIX}-{os.getpid()}-{name}" for name in gateways}
        self.number = {name: number for number, name in enumerate(gateways, 1)}

    def site(self, name: str) -> str:
        """The address of the origin's web server that is reached through gateway `name`."""
        return f"93.184.216.{self.number[name]}"

    def sink(self, name: str) -> str:
        """The same for the server that takes uploads."""
        return f"93.184.217.{self.number[name]}"

    def inner(self, name: str) -> str:
        """Gateway `name`'s own address on the client's side."""
        return f"10.78.{self.number[name]}.2"

    def uplink(self, name: str) -> str:
        """The origin's address on the link to gateway `name`."""
        return f"10.79.{self.number[name]}.1"

    def create(self) -> None:
        for namespace in (self.client, self.origin, *self.gateways.values()):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        for name in self.gateways:
            self._join(name)
        for namespace in (self.client, self.origin, *self.gateways.values()):
            run(*inside(namespace, "sysctl", "-qw", *_SYSCTLS))

    def _join(self, name: str) -> None:
        i, namespace = self.number[name], self.gateways[name]
        for far, mine, subnet in ((self.client, "jobs0", "78"), (self.origin, "world0", "79")):
            run("ip", "link", "add", f"g{i}", "netns", far, "type", "veth", "peer", "name", mine, "netns", namespace)
            for where, device, host in ((far, f"g{i}", 1), (namespace, mine, 2)):
                run("ip", "-n", where, "addr", "add", f"10.{subnet}.{i}.{host}/24", "dev", device)
                run("ip", "-n", where, "link", "set", device, "up")
        for address in (self.site(name), self.sink(name)):
            run("ip", "-n", self.origin, "addr", "add", f"{address}/32", "dev", "lo")
            run("ip", "-n", self.client, "route", "add", f"{address}/32", "via", f"10.78.{i}.2")
        run("ip", "-n", self.origin, "route", "add", f"10.78.{i}.0/24", "via", f"10.79.{i}.2")
        run("ip", "-n", namespace, "route", "add", "default", "via", self.uplink(name))

    def redirect(self, name: str, port: int) -> None:
        """TCP to port 443 from the client ends at `port` of the gateway."""
        table = ("table ip bench {\n  chain prerouting {\n    type nat hook prerouting priority dstnat;\n"
                 f"    iifname \"jobs0\" tcp dport 443 redirect to :{port}\n  }}\n}}\n")
        run(*inside(self.gateways[name], "nft", "-f", "-"), input=table, text=True)

    def close(self) -> None:
        for namespace in (self.client, *self.gateways.values(), self.origin):
            remove_namespace(namespace)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its children not counted."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


class Measured:
    """A process that was started, with what it has started itself."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process

    def pids(self) -> list[int]:
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [int(pid) for parent in new for task in _tasks(parent) for pid in _read(f"{task}/children").split()]
        return found

    def cpu(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.pids())

    def memory(self, field: str = "VmRSS") -> float:
        """Resident megabytes; `VmHWM` is the most since `forget_peak`."""
        return sum(int(found[1]) for pid in self.pids() if (found := re.search(rf"{field}:\s+(\d+)", _read(f"/proc/{pid}/status")))) / 1024

    def forget_peak(self) -> None:
        for pid in self.pids():
            try:
                Path(f"/proc/{pid}/clear_refs").write_text("5")
            except OSError:
                pass  # it has ended


class Processes:
    """What runs in the namespaces, with a log file each; all of it ends with `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[tuple[str, subprocess.Popen]] = []

    def start(self, namespace: str, command: list[str], name: str, **more) -> Measured:
        with self.log(name).open("w") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **more}
            process = subprocess.Popen(inside(namespace, *command), preexec_fn=_ready_child, **streams)
        self._running.append((name, process))
        return Measured(process)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def check(self) -> None:
        """Raises if any of them has ended."""
        for name, process in self._running:
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}: {self.tail(name)}")

    def tail(self, name: str) -> str:
        return self.log(name).read_text(errors="replace")[-2000:]

    def close(self) -> None:
        for _, process in self._running:
            process.send_signal(signal.SIGTERM)
        for _, process in reversed(self._running):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(true, what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def _ready_child() -> None:
    die_with_parent()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []
