"""One datagram over and over in one go, its answers unread: sent when a line comes on stdin. Then: datagrams sent, drops.

Its first two bytes are a number, which the answer repeats. Drops are datagrams that the kernel had no room for at the gateway's socket.

usage: flood.py SERVER|resolver PORT SOCKET COUNT HEX     SOCKET is the gateway's port, at which what goes to PORT arrives
"""
import itertools
import socket
import sys

server, port, gateway_port, count, payload = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), bytes.fromhex(sys.argv[5])
CLIENTS = 200  # what waits in the queue counts as in its sender's buffer
numbers = itertools.count(1)


def drops():
    with open("/proc/net/udp") as table:
        return sum(int(row.split()[-1]) for row in table if row.split()[1].endswith(f":{gateway_port:04X}") and row.split()[2].endswith(":0000"))


def make_client():
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if resolver:
        client.bind(("203.0.113.9", 0))  # from here every query goes to it, whatever is known
    client.connect((server, port))
    client.settimeout(1)
    return client


def send(client, number):
    return client.send(number.to_bytes(2, "big") + payload[2:]) > 0


def answered(client, number):
    """The queue is emptied in order: with this answer nothing that was sent before is still in it."""
    try:
        while client.recv(65535)[:2] != number.to_bytes(2, "big"):
            pass
        return True
    except TimeoutError:
        return False


def ask(client):
    """Sends until there is an answer; how often."""
    for attempts in range(1, 60):
        number = next(numbers)
        send(client, number)
        if answered(client, number):
            return attempts
    raise SystemExit("no answer")


resolver = server == "resolver"
if resolver:
    with open("/etc/resolv.conf") as conf:
        server = next(line.split()[1] for line in conf if line.startswith("nameserver "))
clients = [make_client() for _ in range(CLIENTS)]
sent = sum(ask(client) for client in clients)
open("ready", "w").close()
sys.stdin.readline()
sent += sum(send(client, 0) for client in clients for _ in range(count // CLIENTS))
open("sent", "w").close()
sent += ask(clients[-1])
print(sent, drops())
