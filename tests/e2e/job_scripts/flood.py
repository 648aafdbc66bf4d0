"""One query over and over, its answers unread, until the kernel drops some at the resolver's socket. Then: queries sent, drops.

usage: flood.py NAME SECONDS (at most)
"""
import socket
import struct
import sys
import time

RESOLVER_PORT = ":0002"


def drops():
    with open("/proc/net/udp") as table:
        return sum(int(row.split()[-1]) for row in table if row.split()[1].endswith(RESOLVER_PORT))


with open("/etc/resolv.conf") as conf:
    nameserver = next(line.split()[1] for line in conf if line.startswith("nameserver "))
labels = b"".join(bytes([len(label)]) + label for label in sys.argv[1].encode().split(b"."))
question = labels + b"\0" + struct.pack(">2H", 1, 1)
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.bind(("203.0.113.9", 0))  # from here every query goes to the resolver, whatever is known
client.connect((nameserver, 53))
client.settimeout(1)


def send(number):
    return client.send(struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + question) > 0


def answered(number):
    """The queue is emptied in order: with this answer nothing that was sent before is still in it."""
    try:
        while client.recv(4096)[:2] != struct.pack(">H", number):
            pass
        return True
    except TimeoutError:
        return False


sent, end = 0, time.monotonic() + float(sys.argv[2])
while not drops() and time.monotonic() < end:
    sent += sum(send(0) for _ in range(1000))
for number in range(1, 60):
    sent += send(number)
    if answered(number):
        break
print(sent, drops())
