"""Sends one datagram and says what became of it. usage: datagram.py PROTOCOL ADDRESS PORT TEXT [connected|unconnected]

PROTOCOL: udp, icmp, sctp, gre. Prints: refused|answered|silence|cannot SECONDS DETAIL
"""
import os
import select
import socket
import struct
import sys
import time

NUMBERS = {"icmp": 1, "icmpv6": 58, "sctp": 132, "gre": 47}


def checksum(packet):
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def main():
    protocol, address, port, text = sys.argv[1:5]
    connected = len(sys.argv) < 6 or sys.argv[5] == "connected"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    payload, begin = text.encode(), time.monotonic()

    def say(what, detail=""):
        print(f"{what} {time.monotonic() - begin:.3f} {detail}")

    try:
        if protocol == "udp":
            sock = socket.socket(family, socket.SOCK_DGRAM)
        else:
            sock = socket.socket(family, socket.SOCK_RAW, NUMBERS[protocol])
            if protocol == "icmp":
                payload += b" " * (len(payload) % 2)
                head = struct.pack("!2B3H", 8, 0, 0, 77, 1)
                payload = struct.pack("!2B3H", 8, 0, checksum(head + payload), 77, 1) + payload
    except OSError as error:
        return say("cannot", error)
    for option, name in ((socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25)):  # IP_RECVERR, IPV6_RECVERR
        try:
            sock.setsockopt(option, name, 1)
        except OSError:
            pass
    try:
        where = socket.getaddrinfo(address, int(port), family)[0][4]  # with the interface of a link-local address
        if connected:
            sock.connect(where)
            sock.send(payload)
        else:
            sock.sendto(payload, where)
        ready = select.select([sock], [], [], 3)[0]
        if not ready:
            return say("silence")
        got = sock.recv(65535)
        if protocol == "icmp" and got[20:21] == b"\x08":
            ready = select.select([sock], [], [], 3)[0]
            got = sock.recv(65535) if ready else b""
            if not ready:
                return say("silence", "only our own packet came back")
        say("answered", got[:80])
    except OSError as error:
        say("refused", f"{os.strerror(error.errno)}")


main()
