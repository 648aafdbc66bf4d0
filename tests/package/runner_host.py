"""A runner's host with the package: the service as its unit says, and a container's network behind the bridge docker0."""
from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

import yaml

from clean_root import ENVIRONMENT, CleanRoot
from world import names
from world.fake_internet import FakeInternet, Finished
from world.network import remove_namespace, run

UNIT = "/lib/systemd/system/cofferdam.service"
CONFIG = "/etc/cofferdam/serve.yaml"
BRIDGE, CLIENT = "172.17.0.1", "172.17.0.2"
RUNNER_UID = 4000


class RunnerHost:
    def __init__(self, world: FakeInternet, root: CleanRoot) -> None:
        self.world, self.root = world, root
        self.client_namespace = f"{world.network.gw}-client"
        self._service: subprocess.Popen | None = None
        self._client_network()
        # Where the test's own files are: a file system of the root's, so that nothing of them is a change of it.
        self.trust = root.path("/run/root.pem")
        self.trust.write_bytes(world.root_file.read_bytes())
        config = yaml.safe_load(root.path(CONFIG).read_text())
        config |= {"dns": {"upstreams": [f"{names.DNS}:53"]}, "tls": {"extra_roots": ["/run/root.pem"]}}
        root.path(CONFIG).write_text(yaml.safe_dump(config))
        self.unit = dict(re.findall(r"^(\w+)=(.*)$", root.path(UNIT).read_text(), re.M))

    def _client_network(self) -> None:
        gw, client = self.world.network.gw, self.client_namespace
        overlay = Path("/etc/netns") / client
        overlay.mkdir(parents=True)
        (overlay / "resolv.conf").write_text(f"nameserver {names.DNS}\noptions timeout:2 attempts:1\n")
        run("ip", "netns", "add", client)
        run("ip", "link", "add", "docker0", "netns", gw, "type", "veth", "peer", "name", "eth0", "netns", client)
        for namespace, device, address in ((gw, "docker0", BRIDGE), (client, "eth0", CLIENT)):
            run("ip", "-n", namespace, "addr", "add", f"{address}/16", "dev", device)
            run("ip", "-n", namespace, "link", "set", device, "up")
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("ip", "-n", client, "route", "add", "default", "via", BRIDGE)

    def start_service(self) -> None:
        """What systemd does for the unit: its user, its capabilities, its folders; returns at READY=1."""
        root, user = self.root, self.unit["User"]
        root.run("install", "-d", "-o", user, "-g", user, "-m", self.unit["RuntimeDirectoryMode"], "/run/cofferdam")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify = root.path("/run/notify")
        self._notify.bind(str(notify))
        notify.chmod(0o666)
        self._notify.settimeout(30)
        capabilities = ",".join(["-all", *(f"+{c.removeprefix('CAP_').lower()}" for c in self.unit["AmbientCapabilities"].split())])
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", f"--inh-caps={capabilities}",
                f"--ambient-caps={capabilities}", f"--bounding-set={capabilities}", "--no-new-privs"]
        self.log = root.path("/run/service.log")
        with self.log.open("wb") as log:
            self._service = root.start(*drop, *shlex.split(self.unit["ExecStart"]), stdout=log, stderr=log,
                                       env={"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "1000000"})
        self.await_notice(b"READY=1")

    def await_notice(self, state: bytes) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if state in self._notify.recv(4096).split(b"\n"):
                    return
            except TimeoutError:
                break
        raise AssertionError(f"no {state.decode()}: {self.log.read_text()}")

    def stop_service(self) -> int:
        """SIGTERM, as systemd does; the exit code."""
        (main,) = Path(f"/proc/{self._service.pid}/task/{self._service.pid}/children").read_text().split() or [self._service.pid]
        os.kill(int(main), signal.SIGTERM)
        code = self._service.wait(30)
        self._service = None
        self._notify.close()
        return code

    def client(self, command: str, ca: Path | None = None) -> Finished:
        """A command in a job's container: the machine behind docker0."""
        trust = {"CURL_CA_BUNDLE": str(ca)} if ca else {}
        started = time.monotonic()
        done = subprocess.run(["ip", "netns", "exec", self.client_namespace, "sh", "-c", command], capture_output=True, text=True,
                              check=False, timeout=60, env={**ENVIRONMENT, **trust})
        return Finished(done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def hook(self, name: str, env: dict[str, str]) -> subprocess.CompletedProcess:
        """A hook as the runner's user runs it: a member of the group cofferdam, with no right beside that."""
        gid = self.root.run("getent", "group", "cofferdam").stdout.split(":")[2]
        self.root.run("install", "-d", "-o", str(RUNNER_UID), "/run/runner")
        return self.root.run("setpriv", f"--reuid={RUNNER_UID}", f"--regid={RUNNER_UID}", f"--groups={gid}", "--bounding-set=-all",
                             "--inh-caps=-all", f"/usr/lib/cofferdam/hooks/{name}", env={"HOME": "/run/runner", **env}, check=False)

    def close(self) -> None:
        if self._service:
            self.stop_service()
        self.root.run("nft", "delete", "table", "inet", "cofferdam", check=False)
        remove_namespace(self.client_namespace)
