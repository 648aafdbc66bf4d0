"""Speaks DNS to the system's resolver in ways no library does. usage: dns_messages.py mutate|dribble

mutate: sends 500 damaged datagrams. dribble: three pipelined queries over TCP in one-byte segments; prints (id, rcode).
"""
import random
import socket
import struct
import sys
import time

with open("/etc/resolv.conf") as file:
    SERVER = (next(line.split()[1] for line in file if line.startswith("nameserver")), 53)


def query(ident, name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", ident, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def mutate():
    random.seed(7)
    good = query(0x1234, "echo.example")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(500):
            packet = bytearray(good)
            for _ in range(random.randrange(6)):
                packet[random.randrange(len(packet))] = random.randrange(256)
            sock.sendto(bytes(packet[:random.randrange(len(packet) + 1)]), SERVER)
        sock.sendto(good[:12] + b"\xc0\x0c\0\1\0\1", SERVER)  # a name that points at itself
        sock.sendto(struct.pack("!6H", 1, 0x0100, 60000, 60000, 60000, 60000), SERVER)


def dribble():
    with socket.create_connection(SERVER, 5) as sock:
        for ident, name in ((1, "echo.example"), (2, "denied.test"), (3, "svc.example")):
            message = query(ident, name)
            for byte in struct.pack("!H", len(message)) + message:
                sock.sendall(bytes([byte]))
                time.sleep(0.002)
        stream, got = sock.makefile("rb"), []
        for _ in range(3):
            answer = stream.read(struct.unpack("!H", stream.read(2))[0])
            got.append((answer[1], answer[3] & 15))
        print(sorted(got))


{"mutate": mutate, "dribble": dribble}[sys.argv[1]]()
