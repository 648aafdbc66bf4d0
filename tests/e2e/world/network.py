"""Network namespaces of one run: `net` is the internet, `gw` the machine on which `cofferdam run` is started."""
from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from . import names

PREFIX = "cofferdam-e2e"
GATEWAY_ADDRESS = "10.99.0.2"
GATEWAY_ADDRESS6 = "2001:470:77::2"
CAPTURED = "build0"  # the interface of the gateway's machine by which clients route
ROUTER_ADDRESS, ROUTER_ADDRESS6 = "10.77.0.1", "fd77::1"
CLIENT_ADDRESS, CLIENT_ADDRESS6 = "10.77.0.2", "fd77::2"
_UPLINK, _UPLINK6 = "10.99.0.1", "2001:470:77::1"
_PR_SET_PDEATHSIG = 1


def run(*argv: str, check: bool = True) -> subprocess.CompletedProcess:
    return subprocess.run(argv, check=check, capture_output=True, text=True)


def die_with_parent() -> None:
    """For preexec_fn: the child gets SIGKILL when the test process dies, however it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def remove_namespace(name: str) -> None:
    """Kills what still runs in the namespace (only this project's processes can), removes it and its /etc overlay."""
    for _ in range(20):
        pids = run("ip", "netns", "pids", name, check=False).stdout.split()
        if not pids:
            break
        for pid in pids:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    run("ip", "netns", "del", name, check=False)
    shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)


def remove_stale_runs() -> None:
    """A run that was killed by SIGKILL could not clean up; its names carry its process id."""
    for line in run("ip", "netns", "list", check=False).stdout.splitlines():
        found = re.match(rf"({PREFIX}-(\d+)-(?:net|gw-pod|gw|client))\b", line)
        if found and not Path(f"/proc/{found[2]}").exists():
            remove_namespace(found[1])
    for path in Path("/tmp").glob(f"{PREFIX}-*"):
        found = re.match(rf"{PREFIX}-(\d+)-", path.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            shutil.rmtree(path, ignore_errors=True)


class Network:
    def __init__(self) -> None:
        pid = os.getpid()
        self.net = f"{PREFIX}-{pid}-net"
        self.gw = f"{PREFIX}-{pid}-gw"
        self.client = f"{PREFIX}-{pid}-client"
        self.net_end, self._gw_end = f"cfd{pid}n", f"cfd{pid}g"

    def create(self, passwd: str, group: str) -> None:
        """`passwd` and `group` are shown as /etc/passwd and /etc/group to what runs in `gw`."""
        overlay = Path("/etc/netns") / self.gw
        overlay.mkdir(parents=True)
        (overlay / "resolv.conf").write_text(f"nameserver {names.DNS}\noptions timeout:2 attempts:2\n")
        (overlay / "passwd").write_text(passwd)
        (overlay / "group").write_text(group)
        run("ip", "netns", "add", self.net)
        run("ip", "netns", "add", self.gw)
        run("ip", "link", "add", self.net_end, "netns", self.net, "type", "veth",
            "peer", "name", self._gw_end, "netns", self.gw)
        for ns, end, address, address6 in ((self.net, self.net_end, _UPLINK, _UPLINK6),
                                           (self.gw, self._gw_end, GATEWAY_ADDRESS, GATEWAY_ADDRESS6)):
            run("ip", "-n", ns, "link", "set", "lo", "up")
            run("ip", "-n", ns, "link", "set", end, "up")
            run("ip", "-n", ns, "addr", "add", f"{address}/30", "dev", end)
            run("ip", "-n", ns, "addr", "add", f"{address6}/64", "dev", end, "nodad")
        for address in names.LOCAL_ADDRESSES:
            run("ip", "-n", self.net, "addr", "add", f"{address}/32", "dev", "lo")
        for address in names.LOCAL_ADDRESSES6:
            run("ip", "-n", self.net, "addr", "add", f"{address}/128", "dev", "lo", "nodad")
        # Every other address is local to the internet too (AnyIP), so a leak to anywhere is answered and captured.
        run("ip", "-n", self.net, "route", "add", "local", "default", "dev", "lo", "table", "main")
        run("ip", "-n", self.net, "-6", "route", "add", "local", "default", "dev", "lo", "table", "main")
        run("ip", "-n", self.gw, "route", "add", "default", "via", _UPLINK)
        run("ip", "-n", self.gw, "-6", "route", "add", "default", "via", _UPLINK6)
        for key in ("net.core.somaxconn=8192", "net.ipv4.tcp_max_syn_backlog=8192"):
            run("ip", "netns", "exec", self.net, "sysctl", "-qw", key)

    def create_client(self) -> None:
        """A machine that routes through `gw`, by an interface of it named build0, and has more than one address."""
        overlay = Path("/etc/netns") / self.client
        overlay.mkdir(parents=True)
        for name in ("passwd", "group"):
            (overlay / name).write_text((Path("/etc/netns") / self.gw / name).read_text())
        (overlay / "resolv.conf").write_text("nameserver 9.9.9.9\noptions timeout:2 attempts:2\n")
        run("ip", "netns", "add", self.client)
        run("ip", "link", "add", "up0", "netns", self.client, "type", "veth", "peer", "name", CAPTURED, "netns", self.gw)
        for ns, end, address, address6 in ((self.client, "up0", CLIENT_ADDRESS, CLIENT_ADDRESS6),
                                           (self.gw, CAPTURED, ROUTER_ADDRESS, ROUTER_ADDRESS6)):
            run("ip", "-n", ns, "link", "set", "lo", "up")
            run("ip", "-n", ns, "link", "set", end, "up")
            run("ip", "-n", ns, "addr", "add", f"{address}/16", "dev", end)
            run("ip", "-n", ns, "addr", "add", f"{address6}/64", "dev", end, "nodad")
        run("ip", "-n", self.client, "route", "add", "default", "via", ROUTER_ADDRESS)
        run("ip", "-n", self.client, "-6", "route", "add", "default", "via", ROUTER_ADDRESS6)

    def forget_flows(self) -> None:
        """Empties `gw`'s connection tracking: what one gateway redirected is not the next one's. IPCTNL_MSG_CT_DELETE of all
        (linux/netfilter/nfnetlink_conntrack.h)."""
        script = ("import socket, struct; s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12); "
                  "s.send(struct.pack('=IHHIIBBH', 20, 0x102, 5, 1, 0, 0, 0, 0)); "
                  "kind, code = struct.unpack('=4xH10xi', s.recv(65536)[:20]); assert (kind, code) == (2, 0), code")
        run(*self.inside(self.gw, "/usr/bin/python3", "-c", script))

    def destroy_client(self) -> None:
        remove_namespace(self.client)
        run("ip", "-n", self.gw, "link", "del", CAPTURED, check=False)

    def destroy(self) -> None:
        remove_namespace(self.client)
        remove_namespace(self.gw)
        remove_namespace(self.net)
        try:
            Path("/etc/netns").rmdir()
        except OSError:
            pass  # not ours alone, or never made

    @staticmethod
    def inside(namespace: str, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", namespace, *argv]

    def leftovers(self) -> list[str]:
        """What a finished run must not leave: namespaces, overlays, mounts."""
        found = [line for line in run("ip", "netns", "list").stdout.splitlines() if self._is_ours(line)]
        found += [str(p) for p in (Path("/etc/netns") / ns for ns in (self.net, self.gw, self.client)) if p.exists()]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found += [m for m in mounts if self._is_ours(m)]
        return found

    def _is_ours(self, text: str) -> bool:
        return any(ns in text for ns in (self.net, self.gw, self.client))
