"""DNS messages as bytes, the wrong ones included: what no resolver library would send. RFC 1035, 6891, 8914."""
from __future__ import annotations

import struct
from dataclasses import dataclass

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "SVCB": 64,
         "HTTPS": 65, "CAA": 257}
REFUSED, NXDOMAIN, FORMERR, NOTIMP, NOERROR = 5, 3, 1, 4, 0
RECURSION_DESIRED, RESPONSE = 0x0100, 0x8000


def encode_labels(labels: list[bytes]) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def encode_name(name: str) -> bytes:
    return encode_labels([label.encode("latin-1") for label in name.split(".") if label])


def question(name: str | bytes, qtype: str | int = "A", qclass: int = 1) -> bytes:
    """`name` as text, or as the bytes of an encoded name."""
    encoded = name if isinstance(name, bytes) else encode_name(name)
    return encoded + struct.pack("!2H", TYPES.get(qtype, qtype), qclass)


def record(name: str, kind: int, rdata: bytes, kind_class: int = 1, ttl: int = 0) -> bytes:
    return encode_name(name) + struct.pack("!2HIH", kind, kind_class, ttl, len(rdata)) + rdata


def edns(options: list[tuple[int, bytes]] = (), size: int = 1232, flags: int = 0, version: int = 0) -> bytes:
    body = b"".join(struct.pack("!2H", code, len(value)) + value for code, value in options)
    return b"\0" + struct.pack("!2HBBHH", 41, size, 0, version, flags, len(body)) + body


def message(questions: list[bytes], *, ident: int = 0x1234, flags: int = RECURSION_DESIRED, answers: list[bytes] = (),
            authorities: list[bytes] = (), additionals: list[bytes] = (), trailing: bytes = b"",
            counts: tuple[int, int, int, int] | None = None) -> bytes:
    counts = counts or (len(questions), len(answers), len(authorities), len(additionals))
    return struct.pack("!6H", ident, flags, *counts) + b"".join([*questions, *answers, *authorities, *additionals]) + trailing


def query(name: str | bytes, qtype: str | int = "A", **more) -> bytes:
    return message([question(name, qtype)], **more)


@dataclass(frozen=True)
class Answer:
    ident: int
    rcode: int
    answers: int
    extended_error: int | None  # RFC 8914 info code
    raw: bytes


def read_answer(packet: bytes) -> Answer:
    ident, flags, questions, answers, authorities, additionals = struct.unpack("!6H", packet[:12])
    at, extended = 12, None
    for _ in range(questions):
        at = _skip_name(packet, at) + 4
    for _ in range(answers + authorities + additionals):
        at = _skip_name(packet, at)
        kind, length = struct.unpack_from("!H", packet, at)[0], struct.unpack_from("!H", packet, at + 8)[0]
        if kind == 41:
            extended = _extended_error(packet[at + 10:at + 10 + length])
        at += 10 + length
    return Answer(ident, flags & 15, answers, extended, packet)


def _extended_error(options: bytes) -> int | None:
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from("!2H", options, at)
        if code == 15:
            return struct.unpack_from("!H", options, at + 4)[0]
        at += 4 + length
    return None


def _skip_name(packet: bytes, at: int) -> int:
    while packet[at]:
        if packet[at] >= 0xC0:
            return at + 2
        at += 1 + packet[at]
    return at + 1
