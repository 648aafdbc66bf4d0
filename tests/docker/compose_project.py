"""A compose file that is up, and what its tests ask of it."""
from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

import yaml

from engine import REPOSITORY, Engine, run
from world import names
from world.fake_internet import FakeInternet


class Project:
    """`compose/FILE` with the test's policy in place of its own, and the fake internet's root trusted by the gateway."""

    def __init__(self, engine: Engine, world: FakeInternet, compose: list[str], file: str, allow: list[str]) -> None:
        self.engine, self.world = engine, world
        self.folder = tempfile.TemporaryDirectory(prefix="cofferdam-compose-")
        config = {"compose.yaml": "serve.yaml", "shared.yaml": "serve-shared.yaml"}[file]
        made = yaml.safe_load((REPOSITORY / "compose" / config).read_text())
        made |= {"tls": {"extra_roots": ["/etc/cofferdam/root.pem"]}, "dns": {"upstreams": [f"{names.DNS}:53"]}}
        folder = Path(self.folder.name)
        folder.chmod(0o755)
        self._config, self._settings = folder / config, made
        self.write_policy(allow)
        root = folder / "root.pem"
        root.write_bytes(world.root_file.read_bytes())
        root.chmod(0o644)
        self.name = Path(file).stem + "-test"
        self._argv = [*compose, "-p", self.name, "-f", str(REPOSITORY / "compose" / file)]
        self.gateway = f"{self.name}-gateway"
        self._containers: dict[str, str] = {}
        self.environment = {**engine.environment, "COFFERDAM_CONFIG": str(folder), "BUILD_IMAGE": "client",
                            "PROMETHEUS_IMAGE": "prometheus", "GATEWAY_NAME": self.gateway}

    def write_policy(self, allow: list[str]) -> None:
        """As editors do: another file takes the place of the one that was there."""
        fresh = self._config.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(self._settings | {"allow": allow}))
        fresh.chmod(0o644)
        fresh.rename(self._config)

    def compose(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess:
        return run(*self._argv, *argv, check=check, env=self.environment)

    def up(self, *services: str) -> None:
        done = self.compose("up", "-d", "--no-build", *services, check=False)
        if done.returncode:
            logs = self.compose("logs", "--no-color", check=False).stdout
            raise RuntimeError(f"compose up: {done.stdout}{done.stderr}\n{logs[-4000:]}")

    def container(self, service: str) -> str:
        """Its id: compose is asked once, for it takes its time."""
        if service not in self._containers:
            self._containers[service] = self.compose("ps", "-q", service).stdout.strip()
        return self._containers[service]

    def inside(self, command: str, service: str = "build", timeout: float = 60) -> subprocess.CompletedProcess:
        """Runs `command` with sh in the service's container; its exit code is not judged here."""
        return self.engine.docker("exec", self.container(service), "sh", "-c", command, check=False, timeout=timeout)

    def records(self) -> list[dict]:
        """The audit log, read by its volume: the gateway need not run."""
        mounts = self.engine.inspect(self.container("gateway"))["Mounts"]
        folder = next(m["Source"] for m in mounts if m["Destination"] == "/var/log/cofferdam")
        log = Path(folder) / "audit.jsonl"
        whole = log.read_text().rpartition("\n")[0] if log.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    def await_record(self, action: str, text: str) -> dict:
        """The HTTP record with this action in which `text` stands: it is written a few milliseconds after what it tells."""
        deadline = time.monotonic() + 10
        while True:
            found = [r for r in self.records() if r["type"] == "http" and r["decision"]["action"] == action and text in json.dumps(r)]
            if found:
                return found[-1]
            assert time.monotonic() < deadline, self.records()[-10:]
            time.sleep(0.05)

    def down(self) -> None:
        self.compose("down", "-v", "--remove-orphans", "-t", "2")
        self.folder.cleanup()
