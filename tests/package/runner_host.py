"""A runner's host with the package: systemd runs the service, and a container's network is behind a bridge of Docker's."""
from __future__ import annotations

import subprocess
import time
from pathlib import Path

import yaml

from booted_root import BootedRoot
from clean_root import ENVIRONMENT
from world import names
from world.fake_internet import FakeInternet, Finished
from world.network import die_with_parent, remove_namespace, run

CONFIG = "/etc/cofferdam/serve.yaml"
DEFAULT_CA = "/run/cofferdam/ca/bundle.pem"
BRIDGE_NAME = "br-0f1e2d3c4b5a"  # as Docker names the bridge of a network that a runner makes for a job
BRIDGE, CLIENT = "172.18.0.1", "172.18.0.2"
RUNNER_UID = 4000


class RunnerHost:
    def __init__(self, world: FakeInternet, root: BootedRoot, **policy) -> None:
        self.world, self.root = world, root
        self.client_namespace = f"{world.network.gw}-client"
        # Where the test's own files are: a file system of the root's, so that nothing of them is a change of it.
        trust = root.path("/run/root.pem")
        trust.write_bytes(world.root_file.read_bytes())
        trust.chmod(0o644)
        self.configure(**policy)

    def configure(self, **policy) -> None:
        """The package's configuration with what the fake internet needs, every bridge of Docker's, and `policy`."""
        config = yaml.safe_load(self.root.path(CONFIG).read_text())
        config |= {"dns": {"upstreams": [f"{names.DNS}:53"]}, "tls": {"extra_roots": ["/run/root.pem"]}, **policy}
        config["serve"]["interfaces"] = ["docker0", "br-*"]
        self.root.path(CONFIG).write_text(yaml.safe_dump(config))

    def add_client(self) -> None:
        """The network of a job's container: its bridge is made, in practice, long after the service has started."""
        gw, client = self.world.network.gw, self.client_namespace
        overlay = Path("/etc/netns") / client
        overlay.mkdir(parents=True)
        (overlay / "resolv.conf").write_text(f"nameserver {names.DNS}\noptions timeout:2 attempts:1\n")
        run("ip", "netns", "add", client)
        run("ip", "link", "add", BRIDGE_NAME, "netns", gw, "type", "veth", "peer", "name", "eth0", "netns", client)
        for namespace, device, address in ((gw, BRIDGE_NAME, BRIDGE), (client, "eth0", CLIENT)):
            run("ip", "-n", namespace, "addr", "add", f"{address}/16", "dev", device)
            run("ip", "-n", namespace, "link", "set", device, "up")
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("ip", "-n", client, "route", "add", "default", "via", BRIDGE)

    def systemctl(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess:
        done = self.root.run("systemctl", *argv, check=False)
        assert done.returncode == 0 or not check, f"{done}\n{self.journal()[-4000:]}"
        return done

    def show(self, *properties: str) -> dict[str, str]:
        text = self.systemctl("show", "cofferdam", *(f"--property={each}" for each in properties)).stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def main_process(self) -> str:
        return self.show("MainPID")["MainPID"]

    def journal(self) -> str:
        return self.root.run("journalctl", "--no-pager", "--output=cat", "--unit=cofferdam").stdout

    def await_restart(self) -> None:
        """Until systemd has started it again, and it is ready."""
        deadline = time.monotonic() + 60
        while (state := self.show("NRestarts", "ActiveState")) != {"NRestarts": "1", "ActiveState": "active"}:
            assert time.monotonic() < deadline, f"{state}\n{self.journal()[-4000:]}"
            time.sleep(0.1)

    def await_journal(self, text: str) -> None:
        deadline = time.monotonic() + 20
        while text not in self.journal():
            assert time.monotonic() < deadline, self.journal()[-4000:]
            time.sleep(0.1)

    def client(self, command: str, ca: Path | None = None) -> Finished:
        """A command in a job's container: the machine behind the bridge."""
        started = time.monotonic()
        done = subprocess.run(self._in_client(command), capture_output=True, text=True, check=False, timeout=60,
                              env=self._environment(ca))
        return Finished(done.returncode, done.stdout, done.stderr, time.monotonic() - started)

    def start_client(self, command: str) -> subprocess.Popen:
        return subprocess.Popen(self._in_client(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env=self._environment(None), preexec_fn=die_with_parent)

    def _in_client(self, command: str) -> list[str]:
        return ["ip", "netns", "exec", self.client_namespace, "sh", "-c", command]

    @staticmethod
    def _environment(ca: Path | None) -> dict[str, str]:
        return {**ENVIRONMENT, "CURL_CA_BUNDLE": str(ca)} if ca else ENVIRONMENT

    def hook(self, name: str, env: dict[str, str]) -> subprocess.CompletedProcess:
        """A hook as the runner's user runs it: a member of the group cofferdam, with no right beside that. GitHub's runner says
        `bash -e FILE`, and takes no file that does not end in .sh."""
        gid = self.root.run("getent", "group", "cofferdam").stdout.split(":")[2]
        self.root.run("install", "-d", "-o", str(RUNNER_UID), "/run/runner")
        return self.root.run("setpriv", f"--reuid={RUNNER_UID}", f"--regid={RUNNER_UID}", f"--groups={gid}", "--bounding-set=-all",
                             "--inh-caps=-all", "bash", "-e", f"/usr/lib/cofferdam/hooks/{name}", env={"HOME": "/run/runner", **env},
                             check=False)

    def close(self) -> None:
        self.root.run("systemctl", "stop", "cofferdam", check=False)
        self.root.run("nft", "delete", "table", "inet", "cofferdam", check=False)
        remove_namespace(self.client_namespace)
