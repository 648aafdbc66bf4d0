"""spoof.py SOURCE DESTINATION TEXT: a DNS query, a UDP datagram and a SYN of somebody else's source. Needs CAP_NET_RAW."""
import socket
import struct
import sys

source, destination, text = sys.argv[1:]
family = socket.AF_INET6 if ":" in source else socket.AF_INET
ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def sealed(protocol: int, segment: bytes, at: int) -> bytes:
    """With the checksum at `at` (RFC 768, RFC 9293, RFC 8200)."""
    value = checksum(ends + struct.pack("!IBBH", len(segment), 0, 0, protocol) + segment)
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


def packet(protocol: int, segment: bytes) -> bytes:
    if family == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28, len(segment), protocol, 64) + ends + segment
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, protocol, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + segment


def datagram(port: int, payload: bytes) -> bytes:
    return packet(17, sealed(17, struct.pack("!HHHH", 4444, port, 8 + len(payload), 0) + payload, 6))


labels = b"".join(bytes([len(label)]) + label for label in (text.encode(), b"denied", b"example"))
query = struct.pack("!6H", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)
syn = struct.pack("!HHIIBBHHH", 5555, 4321, 0x41424344, 0, 0x50, 2, 1000, 0, 0)
raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
for each in (datagram(53, query), datagram(9999, b"\xff" + text.encode()), packet(6, sealed(6, syn, 16))):
    raw.sendto(each, (destination, 0))
print("sent")
