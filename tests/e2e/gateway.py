"""Runs commands behind `cofferdam run` and reads what it leaves: exit code, audit records, evidence of the other side."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from world import names
from world.fake_internet import FakeInternet, Finished
from world.homes import ROOT, User


@dataclass(repr=False)
class Behind(Finished):
    """A job that ran behind the gateway. `out` and `err` are the job's and the gateway's together, as a caller sees them."""
    records: list[dict]
    events: list[dict]
    folder: Path
    report: Path

    def of_type(self, kind: str) -> list[dict]:
        return [r for r in self.records if r["type"] == kind]

    def about(self, text: str, kind: str | None = None) -> list[dict]:
        """Records in which `text` occurs; job records carry the command line and are left out unless asked for."""
        kinds = (kind,) if kind else ("http", "dns", "connection", "alert")
        return [r for r in self.records if r["type"] in kinds and text in json.dumps(r)]

    def denied(self) -> list[dict]:
        return [r for r in self.records if r.get("decision", {}).get("action") == "deny"]

    def requests(self) -> list[dict]:
        """What the recording origin saw of this job."""
        return [e for e in self.events if e["kind"] == "http"]

    def forwarded(self) -> list[dict]:
        """Every HTTP request that any server of the fake internet saw of this job."""
        return [e for e in self.events if e["kind"] in ("http", "nginx")]

    def queries(self) -> list[dict]:
        return [e for e in self.events if e["kind"] == "dns"]


class Gateway:
    def __init__(self, world: FakeInternet, binary: Path) -> None:
        self.world, self.binary = world, binary

    def policy(self, allow: list[str], **more) -> dict:
        """A policy for the fake internet; `more` adds to it: maps are merged, other values replaced."""
        made = {"version": 1, "allow": allow, "tls": {"extra_roots": [str(self.world.root_file)]},
                "dns": {"upstreams": [f"{names.DNS}:53"]}}
        for key, value in more.items():
            made[key] = {**made[key], **value} if isinstance(made.get(key), dict) else value
        return made

    def command(self, folder: Path, user: User, allow: list[str] | None = None, policy: dict | str | None = None,
                options: list[str] | None = None) -> list[str]:
        """Writes the policy and gives the command line up to `--`; `options` add to the usual ones, or replace them.

        A `policy` of type str is written as it is.
        """
        state = folder / "gateway"
        state.mkdir(exist_ok=True)
        if not isinstance(policy, str):
            policy = yaml.safe_dump(self.policy(allow or [], **(policy or {})), sort_keys=False)
        (state / "policy.yaml").write_text(policy)
        os.chown(state, user.uid, user.gid)
        options = options or []
        files = {"--policy": "policy.yaml", "--audit": "audit.jsonl", "--report": "report.json"}
        usual = [word for option, file in files.items() if option not in options for word in (option, str(state / file))]
        return [str(self.binary), "run", *usual, *options, "--"]

    def run(self, argv: list[str] | str, allow: list[str] | None = None, *, policy: dict | str | None = None,
            user: User = ROOT, options: list[str] | None = None, folder: Path | None = None, project: str | None = None,
            env: dict[str, str] | None = None, input: bytes | None = None, timeout: float = 120) -> Behind:
        """Runs `argv` (a string: for sh -c) behind the gateway. `env` adds to a clean environment; no CA is named in it."""
        folder = folder or self.world.job_folder(user, project)
        argv = ["sh", "-c", argv] if isinstance(argv, str) else argv
        since = self.world.evidence.mark()
        done = self.world.run([*self.command(folder, user, allow, policy, options), *argv], folder, user, env, input, timeout)
        made = Behind(**vars(done), records=read_audit(folder / "gateway" / "audit.jsonl"),
                      events=self.world.evidence.events(since), folder=folder, report=folder / "gateway" / "report.json")
        print("audit:", *(json.dumps(r) for r in made.records[-40:]), sep="\n  ")
        print("the world saw:", *(json.dumps(e)[:400] for e in made.events[-40:]), sep="\n  ")
        return made

    def start(self, argv: list[str] | str, allow: list[str] | None = None, *, policy: dict | str | None = None,
              user: User = ROOT, options: list[str] | None = None, folder: Path | None = None, **popen) -> "Running":
        folder = folder or self.world.job_folder(user)
        argv = ["sh", "-c", argv] if isinstance(argv, str) else argv
        process = self.world.start([*self.command(folder, user, allow, policy, options), *argv], folder, user, **popen)
        return Running(self, process, folder)

    def processes(self) -> list[int]:
        """Process ids of everything that runs our copy of the binary."""
        return [pid for pid in _pids() if _link(f"/proc/{pid}/exe") == str(self.binary)]

    def job_processes(self) -> list[int]:
        """Process ids of everything that was started with a HOME of this world: gateways and all their jobs' processes."""
        token = f"HOME={self.world.folder}/jobs/".encode()
        return [pid for pid in _pids() if token in _bytes(f"/proc/{pid}/environ")]

    def stop_all(self, patience: float = 3.0) -> list[str]:
        """Kills what is left of earlier runs; returns the command lines of what had to be killed."""
        deadline = time.monotonic() + patience
        while (left := self.job_processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        found = [f"{pid}: {_bytes(f'/proc/{pid}/cmdline').replace(bytes(1), b' ').decode(errors='replace')}" for pid in left]
        for pid in left:
            _kill(pid, signal.SIGKILL)
        return found


class Running:
    """A gateway with its job, while they run."""

    def __init__(self, gateway: Gateway, process: subprocess.Popen, folder: Path) -> None:
        self.gateway, self.process, self.folder = gateway, process, folder

    def wait_for(self, file: str, timeout: float = 30) -> Path:
        """Until the job has made `file` in its work folder."""
        path = self.folder / "work" / file
        deadline = time.monotonic() + timeout
        while not path.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{file} never came; exit {self.process.poll()}: {self.errors()}")
            time.sleep(0.02)
        return path

    def errors(self) -> str:
        """What stands on the standard error of a job that has ended."""
        if self.process.poll() is None or not self.process.stderr:
            return ""
        return self.process.stderr.read().decode(errors="replace")[-3000:]

    def records(self) -> list[dict]:
        return read_audit(self.folder / "gateway" / "audit.jsonl")

    def memory(self) -> int:
        """Resident bytes of the gateway: what is each process's own, and the program itself once."""
        own, program = 0, 0
        for pid in self.gateway.processes():
            status = dict(line.split(":", 1) for line in _bytes(f"/proc/{pid}/status").decode().splitlines())
            if "RssAnon" in status:
                own += sum(int(status[key].split()[0]) for key in ("RssAnon", "RssShmem")) * 1024
                program = max(program, int(status["RssFile"].split()[0]) * 1024)
        return own + program


def read_audit(path: Path) -> list[dict]:
    """Every line is one JSON object with a type; anything else is a failure of the audit log."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
