"""One query over and over in one go, its answers unread: sent when a line comes on stdin. Then: queries sent, drops.

Drops are datagrams that the kernel had no room for at the resolver's socket.

usage: flood.py NAME COUNT
"""
import socket
import struct
import sys

RESOLVER_PORT = ":0002"
CLIENTS = 200  # what waits in the queue counts as in its sender's buffer


def drops():
    with open("/proc/net/udp") as table:
        return sum(int(row.split()[-1]) for row in table if row.split()[1].endswith(RESOLVER_PORT))


with open("/etc/resolv.conf") as conf:
    nameserver = next(line.split()[1] for line in conf if line.startswith("nameserver "))
labels = b"".join(bytes([len(label)]) + label for label in sys.argv[1].encode().split(b"."))
question = labels + b"\0" + struct.pack(">2H", 1, 1)


def make_client():
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind(("203.0.113.9", 0))  # from here every query goes to the resolver, whatever is known
    client.connect((nameserver, 53))
    client.settimeout(1)
    return client


def send(client, number):
    return client.send(struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + question) > 0


def answered(client, number):
    """The queue is emptied in order: with this answer nothing that was sent before is still in it."""
    try:
        while client.recv(4096)[:2] != struct.pack(">H", number):
            pass
        return True
    except TimeoutError:
        return False


clients = [make_client() for _ in range(CLIENTS)]
open("ready", "w").close()
sys.stdin.readline()
sent = sum(send(client, 0) for client in clients for _ in range(int(sys.argv[2]) // CLIENTS))
open("sent", "w").close()
for number in range(1, 60):
    sent += send(clients[-1], number)
    if answered(clients[-1], number):
        break
print(sent, drops())
