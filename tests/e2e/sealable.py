"""A container's network namespace, with an interface and default routes of its own to the fake internet."""
from __future__ import annotations

import ctypes
import os
import socket
import threading
from pathlib import Path

from served import Served
from world import names
from world.network import Network, remove_namespace, run

INSIDE, OUTSIDE = "10.98.0.2", "10.98.0.1"
INSIDE6, OUTSIDE6 = "2001:470:78::2", "2001:470:78::1"
_PEER = "sealed0"  # the internet's end
_ETH_P_ALL = 3
_CLONE_NEWNET = 0x40000000


class Witness:
    """Everything that arrives at the internet from the namespace. A socket of the kernel's own: what was sent when a client has ended is
    here."""

    def __init__(self, namespace: str, device: str) -> None:
        self._socket: socket.socket

        def open_inside() -> None:
            with open(f"/run/netns/{namespace}", "rb") as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            self._socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
            self._socket.bind((device, 0))
            self._socket.setblocking(False)

        thread = threading.Thread(target=open_inside)  # which alone is in that namespace
        thread.start()
        thread.join()

    def frames(self) -> list[bytes]:
        """IP packets since the last call; not ARP and not the neighbour discovery, router solicitation and group reports of IPv6."""
        out = []
        while True:
            try:
                frame, address = self._socket.recvfrom(65536)
            except BlockingIOError:
                return out
            if address[2] == socket.PACKET_OUTGOING or frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
                continue
            local_only = frame[12:14] == b"\x86\xdd" and (frame[20] == 58 and 133 <= frame[54] <= 137 or frame[20] == 0)
            if not local_only:
                out.append(frame)

    def close(self) -> None:
        self._socket.close()


class Sealable:
    """Such a namespace beside a gateway; a client in it knows the fake internet's resolver."""

    def __init__(self, served: Served) -> None:
        self.served, self.world = served, served.world
        self.namespace = f"{served.network.gw}-pod"
        self.path = f"/run/netns/{self.namespace}"
        self.ca = served.state / "attached.pem"
        net = served.network.net
        overlay = Path("/etc/netns") / self.namespace
        overlay.mkdir(parents=True)
        (overlay / "resolv.conf").write_text(f"nameserver {names.DNS}\noptions timeout:2 attempts:2\n")
        run("ip", "netns", "add", self.namespace)
        run("ip", "link", "add", _PEER, "netns", net, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        for namespace, device, address, address6 in ((net, _PEER, OUTSIDE, OUTSIDE6), (self.namespace, "eth0", INSIDE, INSIDE6)):
            run("ip", "-n", namespace, "addr", "add", f"{address}/30", "dev", device)
            run("ip", "-n", namespace, "addr", "add", f"{address6}/64", "dev", device, "nodad")
            run("ip", "-n", namespace, "link", "set", "lo", "up")
            run("ip", "-n", namespace, "link", "set", device, "up")
        run("ip", "-n", self.namespace, "route", "add", "default", "via", OUTSIDE)
        run("ip", "-n", self.namespace, "-6", "route", "add", "default", "via", OUTSIDE6)
        self.witness = Witness(net, _PEER)

    def client(self, argv: list[str] | str, timeout: float = 60):
        """Runs a client in the namespace, as root without capabilities beside those that a container has."""
        argv = ["sh", "-c", argv] if isinstance(argv, str) else argv
        container = "-sys_admin,-net_admin,-sys_ptrace,-sys_module"
        return self.world.run(["setpriv", f"--bounding-set={container}", f"--inh-caps={container}", *argv], self.served.folder,
                              env={"CA": str(self.ca)}, timeout=timeout, namespace=self.namespace)

    def root(self, *argv: str) -> str:
        """Runs something in the namespace with all rights."""
        return run(*Network.inside(self.namespace, *argv)).stdout

    def close(self) -> None:
        self.witness.close()
        remove_namespace(self.namespace)
        run("ip", "-n", self.served.network.net, "link", "del", _PEER, check=False)


def start_process_in(sealable: Sealable):
    """A process that lives in the namespace."""
    return sealable.world.start(["sleep", "600"], sealable.served.folder, namespace=sealable.namespace)


def kill(process) -> None:
    os.killpg(process.pid, 9)
    process.wait()
