"""What the fake internet saw: DNS queries, TLS names, HTTP requests, raw bytes and packets."""
from __future__ import annotations

import base64
import ipaddress
import json
import struct
import time
from dataclasses import dataclass
from pathlib import Path

_ETHERNET_HEADER = 14
_PCAP_HEADER = 24


@dataclass(frozen=True)
class Packet:
    """One packet on the wire between the gateway's machine and the internet. `flags` are TCP's, 0 otherwise."""
    protocol: int
    source: str
    destination: str
    source_port: int
    destination_port: int
    flags: int
    data: bytes

    @property
    def is_syn(self) -> bool:
        return self.protocol == 6 and self.flags & 0x12 == 0x02


class Evidence:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.dns, self.origin = folder / "dns.jsonl", folder / "origin.jsonl"
        self.nginx, self.capture = folder / "nginx.jsonl", folder / "packets.pcap"
        for path in (self.dns, self.origin, self.nginx):
            path.touch()

    def mark(self) -> dict[Path, int]:
        """The present end of everything recorded; pass it as `since`."""
        return {p: p.stat().st_size if p.exists() else 0 for p in (self.dns, self.origin, self.nginx, self.capture)}

    def events(self, since: dict[Path, int] | None = None, kind: str | None = None) -> list[dict]:
        """Records of the servers in order of time: kind dns, tcp, tls, head, http, raw, malformed, error, nginx."""
        out = []
        for path in (self.dns, self.origin, self.nginx):
            with path.open() as file:
                file.seek((since or {}).get(path, 0))
                out += [json.loads(line) for line in file]
        return sorted((e for e in out if kind in (None, e["kind"])), key=lambda e: e["time"])

    def packets(self, since: dict[Path, int] | None = None) -> list[Packet]:
        with self.capture.open("rb") as file:
            file.seek(max(_PCAP_HEADER, (since or {}).get(self.capture, 0)))
            data = file.read()
        out, at = [], 0
        while at + 16 <= len(data):
            length = struct.unpack_from("<I", data, at + 8)[0]
            packet = _decode(data[at + 16 + _ETHERNET_HEADER:at + 16 + length], data[at + 16 + 12:at + 16 + 14])
            at += 16 + length
            if packet:
                out.append(packet)
        return out

    def wait_for_packet(self, token: bytes, since: dict[Path, int], timeout: float = 5.0) -> None:
        """Until `token` is on disk in the capture; what was sent before it is then there too."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with self.capture.open("rb") as file:
                file.seek(since.get(self.capture, 0))
                if token in file.read():
                    return
            time.sleep(0.01)
        raise TimeoutError("the packet capture does not keep up")

    def traces(self, nonce: str, since: dict[Path, int] | None = None) -> list[str]:
        """Every place in which `nonce` was seen, in any case; empty if nothing of it arrived."""
        wanted = nonce.lower().encode()
        found = []
        for event in self.events(since):
            text = json.dumps(event).lower().encode()
            hidden = b"".join(base64.b64decode(event.get(key, "")) for key in ("body", "bytes"))
            if wanted in text or wanted in hidden.lower() or wanted.hex().encode() in text:
                found.append(f"{event['kind']}: {text[:300].decode()}")
        with self.capture.open("rb") as file:
            file.seek((since or {}).get(self.capture, 0))
            if wanted in file.read().lower():
                found.append("packet capture")
        return found


def _decode(ip: bytes, ethertype: bytes) -> Packet | None:
    if ethertype == b"\x08\x00" and len(ip) >= 20:
        header, protocol, source, destination = (ip[0] & 15) * 4, ip[9], ip[12:16], ip[16:20]
    elif ethertype == b"\x86\xdd" and len(ip) >= 40:
        header, protocol, source, destination = 40, ip[6], ip[8:24], ip[24:40]
    else:
        return None
    payload, ports, flags = ip[header:], (0, 0), 0
    if protocol in (6, 17) and len(payload) >= 8:
        ports = struct.unpack_from("!2H", payload)
    if protocol == 6 and len(payload) >= 20:
        flags = payload[13]
    return Packet(protocol, str(ipaddress.ip_address(source)), str(ipaddress.ip_address(destination)), *ports, flags, payload)
