"""A stub resolver on 127.0.0.53 that asks the system's resolver over TCP only. usage: udp_to_tcp.py COMMAND (for sh -c)"""
import socket
import struct
import subprocess
import sys
import threading

LISTEN = ("127.0.0.53", 53)


def system_resolver():
    with open("/etc/resolv.conf") as file:
        return next(line.split()[1] for line in file if line.startswith("nameserver")), 53


def relay(stub, message, peer, upstream):
    try:
        with socket.create_connection(upstream, 5) as sock, sock.makefile("rb") as stream:
            sock.sendall(struct.pack("!H", len(message)) + message)
            size = stream.read(2)
            if len(size) == 2:
                stub.sendto(stream.read(struct.unpack("!H", size)[0]), peer)
    except OSError:
        pass  # the client finds out by silence, as with any resolver


def serve(stub, upstream):
    while True:
        message, peer = stub.recvfrom(65535)
        threading.Thread(target=relay, args=(stub, message, peer, upstream), daemon=True).start()


def main():
    stub = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stub.bind(LISTEN)
    threading.Thread(target=serve, args=(stub, system_resolver()), daemon=True).start()
    sys.exit(subprocess.run(["sh", "-c", sys.argv[1]], check=False).returncode)


main()
