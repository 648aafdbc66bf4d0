"""A gateway that runs as `cofferdam serve`, and clients that route through it."""
from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import yaml

from gateway import Gateway, read_audit
from world.fake_internet import FakeInternet, Finished
from world.network import CAPTURED, Network


class Served:
    """Made for one test: `start` as often as it likes; `close` takes the ruleset and the client away."""

    def __init__(self, world: FakeInternet, binary: Path) -> None:
        self.world, self.binary = world, binary
        self.network = world.network
        self.network.create_client()
        self.folder = world.job_folder()
        self.state = self.folder / "gateway"
        self.state.mkdir()
        self.state.chmod(0o777)  # started as root, it becomes another user
        self.config, self.audit, self.log = (self.state / name for name in ("serve.yaml", "audit.jsonl", "stderr.log"))
        self.ca = self.state / "ca" / "ca.pem"
        self.launch = [str(binary)]  # in place of the program: what ends by becoming it
        self.process: subprocess.Popen | None = None
        self.since = world.evidence.mark()

    def write_config(self, allow: list[str], serve: dict | None = None, **more) -> None:
        """`more` are keys of the policy file; `serve` adds to the section of that name, or takes away (None)."""
        keys = {"intercept": "router", "audit": {"sinks": [{"file": str(self.audit)}]}, **more}
        policy = Gateway(self.world, self.binary).policy(allow, **keys)
        keys = {"interfaces": [CAPTURED], "ca_dir": str(self.ca.parent), **(serve or {})}
        policy["serve"] = {key: value for key, value in keys.items() if value is not None}
        self.config.write_text(yaml.safe_dump(policy, sort_keys=False))

    def start(self, allow: list[str] | None = None, serve: dict | None = None, **more) -> None:
        """Writes the configuration (with None the one that is there stays) and returns when the gateway is ready."""
        if allow is not None:
            self.write_config(allow, serve, **more)
        with self.log.open("ab") as log:
            begin = log.tell()
            self.process = subprocess.Popen(
                Network.inside(self.network.gw, *self.launch, "serve", "--config", str(self.config)),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.state, start_new_session=True,
                env=self.world.environment(self.folder))
        wait_until(lambda: b"cofferdam: ready\n" in self.log.read_bytes()[begin:], self.describe, self.process)

    def describe(self) -> str:
        return f"the gateway said: {self.log.read_text(errors='replace')[-3000:]}"

    def cofferdam(self, *argv: str) -> Finished:
        """Another command of the program, on the gateway's machine."""
        return self.world.run([str(self.binary), *argv], self.folder)

    def send_signal(self, number: int) -> None:
        assert self.process
        os.kill(self.process.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends the gateway; its exit code."""
        assert self.process
        self.send_signal(number)
        code = self.process.wait(20)
        print(self.describe())
        self.process = None
        return code

    def client(self, argv: list[str] | str, env: dict[str, str] | None = None, timeout: float = 60) -> Finished:
        """Runs a client on the machine that routes through the gateway. It trusts the CA that the gateway wrote, if it asks
        for $CA or by the usual variables."""
        variables = {key: str(self.ca) for key in ("CA", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")}
        return self.world.run(argv, self.folder, env={**variables, **(env or {})}, timeout=timeout, namespace=self.network.client)

    def records(self) -> list[dict]:
        return read_audit(self.audit)

    def about(self, text: str, kind: str | None = None) -> list[dict]:
        kinds = (kind,) if kind else ("http", "dns", "connection", "alert")
        return [r for r in self.records() if r["type"] in kinds and text in json.dumps(r)]

    def await_about(self, text: str, kind: str | None = None, count: int = 1) -> list[dict]:
        """As about; waits until there are `count`: records are written a few milliseconds after what they tell."""
        wait_until(lambda: len(self.about(text, kind)) >= count, lambda: f"records: {self.records()[-20:]}\n{self.describe()}")
        return self.about(text, kind)

    def ruleset(self) -> str:
        return subprocess.run(Network.inside(self.network.gw, "nft", "list", "tables"), capture_output=True, text=True,
                              check=True).stdout

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(10)
            print(self.describe())
        print("audit:", *(json.dumps(r) for r in self.records()[-40:]), sep="\n  ")
        print("the world saw:", *(json.dumps(e)[:400] for e in self.world.evidence.events(self.since)[-40:]), sep="\n  ")
        self.cofferdam("nft", "remove")
        self.network.destroy_client()
        self.network.forget_flows()


def leave_group(pid: int, group: int) -> int:
    """Ends the subscriptions of a process to a group of nfnetlink; how many there were."""
    of_process, left = os.pidfd_open(pid), 0
    for number in os.listdir(f"/proc/{pid}/fd"):
        own = ctypes.CDLL(None, use_errno=True).syscall(438, of_process, int(number), 0)  # pidfd_getfd(2)
        if own < 0:
            continue
        try:
            with socket.fromfd(own, socket.AF_NETLINK, socket.SOCK_RAW) as sock:
                groups = sock.getsockopt(270, 9, 16)  # SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS
                subscribed = len(groups) > (group - 1) // 8 and groups[(group - 1) // 8] & 1 << (group - 1) % 8
                if subscribed and sock.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) == 12:  # NETLINK_NETFILTER
                    sock.setsockopt(270, 2, group)  # NETLINK_DROP_MEMBERSHIP
                    left += 1
        except OSError:  # no netlink socket
            pass
        finally:
            os.close(own)
    os.close(of_process)
    return left


def wait_until(condition, describe, process: subprocess.Popen | None = None, timeout: float = 20) -> None:
    """Looks every few milliseconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline or process and process.poll() is not None:
            raise AssertionError(describe())
        time.sleep(0.01)
