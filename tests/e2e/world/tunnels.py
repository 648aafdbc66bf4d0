"""Real servers of DNS tunnels, authoritative for delegated zones of the fake internet, and how their clients are started."""
from __future__ import annotations

import struct
import subprocess
import time
from pathlib import Path

from . import names
from .fake_internet import FakeInternet

_FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
_SECRET, _ECHO_PORT, _SINK_PORT = "fixture", 7007, 7008
_SERVER_IN_TUNNEL, _CLIENT_IN_TUNNEL = bytes([10, 253, 77, 1]), bytes([10, 253, 77, 2])
SESSION_OF_IODINE = "Connection setup complete"
RESOLVER = "$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -1)"


class Tunnels:
    def __init__(self, world: FakeInternet) -> None:
        self.world = world
        self._sink = world.folder / "state" / "sink.txt"
        self._no_tun = world.folder / "tools" / "no_tun.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(self._no_tun), str(_FIXTURES / "no_tun.c"), "-ldl", "-lpthread"], check=True)
        configuration = world.folder / "state" / "dns2tcpd.conf"
        configuration.write_text(f"listen = {names.DNS2TCP}\nport = 53\nuser = nobody\nchroot = /tmp\n"
                                 f"domain = {names.DNS2TCP_ZONE}\nkey = {_SECRET}\nresources = echo:127.0.0.1:{_ECHO_PORT}\n")
        self._servers = [
            world.serve("echo", "socat", f"TCP-LISTEN:{_ECHO_PORT},bind=127.0.0.1,fork,reuseaddr", "EXEC:cat"),
            world.serve("dns2tcpd", "dns2tcpd", "-F", "-d", "1", "-f", str(configuration)),
            world.serve("iodined", "iodined", "-f", "-c", "-P", _SECRET, "-l", names.IODINE, "10.253.77.1/28", names.IODINE_ZONE),
            world.serve("sink", "socat", "-u", f"UDP-RECV:{_SINK_PORT}", f"OPEN:{self._sink},creat,append"),
        ]
        for label, ready in (("dns2tcpd", "Listening"), ("iodined", "Listening")):
            self._wait_for(world.folder / "state" / f"{label}.log", ready)

    def close(self) -> None:
        """dns2tcpd is left spinning by a client that went away."""
        for server in self._servers:
            self.world.stop(server)

    @staticmethod
    def _wait_for(log: Path, text: str) -> None:
        deadline = time.monotonic() + 10
        while text not in log.read_text():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{log.name}: {log.read_text()[-500:]}")
            time.sleep(0.02)

    def iodine(self, folder: Path, text: str, server: str = RESOLVER, options: str = "", seconds: int = 3) -> str:
        """A shell command: the real client, without its raw UDP mode, until it gives up or has had its time.

        Once it believes to have a session it sends `text` in UDP packets to a sink at the other end of the tunnel.
        """
        packet = folder / "work" / "packet"
        packet.write_bytes(_tun_packet(text.encode()))
        packet.chmod(0o644)
        return _until("nothing that it says ends it", f"TUN_PACKET={packet} LD_PRELOAD={self._no_tun} iodine -f -r {options} "
                      f"-P {_SECRET} {server} {names.IODINE_ZONE}", seconds)

    def came_through(self, text: str) -> bool:
        """Did iodine's tunnel carry `text` to the sink?"""
        return self._sink.exists() and text in self._sink.read_text(errors="replace")

    @staticmethod
    def dns2tcp(text: str, server: str = RESOLVER, options: str = "", seconds: int = 6) -> str:
        """A shell command: `text` through the real client to an echo service behind the real server; prints what comes back."""
        talk = f"(printf {text}; exec sleep {seconds} 2>/dev/null)"
        return _until(text, f"{talk} | dns2tcpc {options} -z {names.DNS2TCP_ZONE} -k {_SECRET} -r echo -l - {server}", seconds)


def _until(text: str, client: str, seconds: int) -> str:
    return (f"{client} >client.log 2>&1 & client=$!; for turn in $(seq {seconds * 10}); do grep -q '{text}' client.log && break; "
            "kill -0 $client 2>/dev/null || break; sleep 0.1; done; kill -KILL $client 2>/dev/null; cat client.log")


def _tun_packet(payload: bytes) -> bytes:
    """A UDP datagram as a tun device hands it over: its own header (IPv4), IP header, UDP header without a checksum."""
    def header(checksum: int) -> bytes:
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 1, 0, 64, 17, checksum, _CLIENT_IN_TUNNEL, _SERVER_IN_TUNNEL)

    total = sum(struct.unpack("!10H", header(0)))
    total = (total & 0xFFFF) + (total >> 16)
    udp = struct.pack("!4H", _SINK_PORT, _SINK_PORT, 8 + len(payload), 0)
    return b"\0\0\x08\0" + header(~(total + (total >> 16)) & 0xFFFF) + udp + payload


def subdomains(queries: list[dict], zone: str) -> set[str]:
    """What stood left of `zone` in the queries that its authoritative server was asked."""
    wanted = [q["qname"].lower() for q in queries if q.get("qname", "").lower().endswith(f".{zone}")]
    return {name[:-len(zone) - 1] for name in wanted}
