"""A pod of the Helm chart, run for real: its containers share a network namespace, with the rendered arguments, capabilities and mounts."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from world import names
from world.fake_internet import SYSTEM_PATH, FakeInternet
from world.network import die_with_parent, remove_namespace, run

ADDRESS, NODE = "10.98.0.2", "10.98.0.1"
# What the container runtime does for a container: its volumes, a read-only root if asked for, then the user and capabilities.
CONTAINER = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/upper/cofferdam /mnt/work
cp "$POD/resolv.conf" /mnt/upper/resolv.conf
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
mount -t tmpfs tmpfs /run
while read -r volume path options; do
  mkdir -p "$path"
  mount --bind "$POD/volumes/$volume" "$path"
  if [ "$options" = ro ]; then mount -o remount,bind,ro "$path"; fi
done < "$POD/$NAME.mounts"
if [ "$READ_ONLY" = 1 ]; then mount -o remount,bind,ro /; fi
shift
exec setpriv "$@"
"""


class Pod:
    """The pod of a rendered Deployment, on the machine of the fake internet as its node."""

    def __init__(self, world: FakeInternet, binary: Path, deployment: dict, config: str) -> None:
        self.world, self.binary = world, binary
        self.spec = deployment["spec"]["template"]["spec"]
        self.namespace = f"{world.network.gw}-pod"
        self.folder = world.folder / "pod"
        self._containers: dict[str, subprocess.Popen] = {}
        for volume in self.spec["volumes"]:
            (self.folder / "volumes" / volume["name"]).mkdir(parents=True)
        (self.folder / "volumes" / "policy" / "serve.yaml").write_text(config)
        (self.folder / "resolv.conf").write_text(f"nameserver {names.DNS}\n")
        self._network()

    def _network(self) -> None:
        """A veth to the node, which forwards, as nodes do."""
        node, net = self.world.network.gw, self.world.network.net
        run("ip", "netns", "add", self.namespace)
        run("ip", "link", "add", "podnode", "netns", node, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        for namespace, device, address in ((node, "podnode", NODE), (self.namespace, "eth0", ADDRESS)):
            run("ip", "-n", namespace, "addr", "add", f"{address}/30", "dev", device)
            run("ip", "-n", namespace, "link", "set", device, "up")
            run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("ip", "-n", self.namespace, "route", "add", "default", "via", NODE)
        run("ip", "-n", net, "route", "add", "10.98.0.0/30", "via", "10.99.0.2")
        run("ip", "netns", "exec", node, "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def container(self, name: str) -> dict:
        return next(c for c in [*self.spec["initContainers"], *self.spec["containers"]] if c["name"] == name)

    def argv(self, name: str, *command: str) -> list[str]:
        """The command line that runs `command` as the container `name` would."""
        container = self.container(name)
        context = container["securityContext"]
        mounts = [f"{m['name']} {m['mountPath']} {'ro' if m.get('readOnly') else 'rw'}" for m in container["volumeMounts"]]
        (self.folder / f"{name}.mounts").write_text("\n".join(mounts) + "\n")
        capabilities = ",".join(["-all", *("+" + c.lower() for c in context["capabilities"].get("add", []))])
        user = str(context.get("runAsUser", 0))
        setpriv = [f"--bounding-set={capabilities}", "--inh-caps=-all", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        if not context["allowPrivilegeEscalation"]:
            setpriv.append("--no-new-privs")
        return ["nsenter", f"--net=/run/netns/{self.namespace}", "unshare", "--mount", "env", f"POD={self.folder}", f"NAME={name}",
                f"READ_ONLY={int(context.get('readOnlyRootFilesystem', False))}", "sh", "-c", CONTAINER, "sh", name, *setpriv, *command]

    def environment(self, name: str) -> dict[str, str]:
        given = {e["name"]: e["value"] for e in self.container(name).get("env", []) if "value" in e}
        return {"PATH": SYSTEM_PATH, "HOME": "/tmp", "LANG": "C.UTF-8", **given}

    def start_gateway(self) -> None:
        """The native sidecar: until its startup probe succeeds the kubelet starts nothing else."""
        with (self.folder / "gateway.log").open("ab") as log:
            self._containers["gateway"] = subprocess.Popen(
                self.argv("gateway", str(self.binary), *self.container("gateway")["args"]), env=self.environment("gateway"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent, start_new_session=True)
        deadline = time.monotonic() + 30
        while not self.probe():
            if self._containers["gateway"].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the startup probe never succeeded: {self.log()}")
            time.sleep(0.1)

    def probe(self) -> bool:
        """The startup probe, as the kubelet asks it: from the node."""
        gateway = self.container("gateway")
        probe = gateway["startupProbe"]["httpGet"]
        port = next(p["containerPort"] for p in gateway["ports"] if p["name"] == probe["port"])
        return self.world.run(["curl", "-fsS", "-m", "2", f"http://{ADDRESS}:{port}{probe['path']}"]).code == 0

    def kill(self, name: str) -> None:
        process = self._containers.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def runner(self, command: str, timeout: float = 60) -> subprocess.CompletedProcess:
        """`command` as the runner's container would run it."""
        return subprocess.run(self.argv("runner", "sh", "-c", command), env=self.environment("runner"), capture_output=True,
                              text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL)

    def log(self) -> str:
        return (self.folder / "gateway.log").read_text()

    def records(self) -> list[dict]:
        """The audit log, which goes to the gateway's standard output; a line that is not whole yet is left out."""
        whole = self.log().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def close(self) -> None:
        for name in list(self._containers):
            self.kill(name)
        remove_namespace(self.namespace)
        run("ip", "-n", self.world.network.net, "route", "del", "10.98.0.0/30", check=False)
        run("ip", "netns", "exec", self.world.network.gw, "sysctl", "-qw", "net.ipv4.ip_forward=0")
        shutil.rmtree(self.folder, ignore_errors=True)
