"""Sends given DNS messages, byte for byte, and prints what comes back. usage: dns_exchange.py < STEPS

STEPS is a JSON list; each step is done in turn, on a socket of its own, and answered by one line of JSON
{"answers": [HEX...], "milliseconds": N, "error": TEXT or null}:
  how       sendto, send (a connected socket), sendmsg, sendmmsg, gso (one sendmsg that the kernel cuts), tcp
  to        [ADDRESS, PORT]; the system's resolver if missing
  messages  [HEX...]
  expect    answers to wait for (default: one for each message), for at most `wait` seconds (default 3)
  tcp only: raw (messages are not framed), pieces (size of a segment), close (shut down after sending)
  udp only: mtu (IPV6_MTU, cuts datagrams into fragments), bind (source port)
"""
import ctypes
import json
import os
import select
import socket
import struct
import sys
import time

UDP_SEGMENT, IPV6_MTU = 103, 24


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("length", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.POINTER(Iovec)),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int)]


class Mmsghdr(ctypes.Structure):
    _fields_ = [("header", Msghdr), ("length", ctypes.c_uint)]


def system_resolver():
    with open("/etc/resolv.conf") as file:
        return next(line.split()[1] for line in file if line.startswith("nameserver"))


def sendmmsg(sock, messages):
    vectors = [Iovec(m, len(m)) for m in messages]
    headers = (Mmsghdr * len(messages))(*(Mmsghdr(Msghdr(None, 0, ctypes.pointer(v), 1, None, 0, 0), 0) for v in vectors))
    if ctypes.CDLL(None, use_errno=True).sendmmsg(sock.fileno(), headers, len(messages), 0) != len(messages):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def send_datagrams(sock, how, target, messages):
    if how == "sendto":
        for m in messages:
            sock.sendto(m, target)
    elif how == "sendmsg":
        for m in messages:
            sock.sendmsg([m[:5], m[5:]], [], 0, target)
    else:
        sock.connect(target)
        if how == "send":
            for m in messages:
                sock.send(m)
        elif how == "sendmmsg":
            sendmmsg(sock, messages)
        elif how == "gso":  # messages of one length
            sock.sendmsg([b"".join(messages)], [(socket.SOL_UDP, UDP_SEGMENT, struct.pack("H", len(messages[0])))])


def collect_datagrams(sock, expect, deadline):
    answers = []
    while len(answers) < expect and (left := deadline - time.monotonic()) > 0 and select.select([sock], [], [], left)[0]:
        answers.append(sock.recv(65535))
    return answers


def over_udp(step, target, family, messages, answers):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if "mtu" in step:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU, step["mtu"])
        if "bind" in step:
            sock.bind(("", step["bind"]))
        send_datagrams(sock, step["how"], target, messages)
        answers += collect_datagrams(sock, step.get("expect", len(messages)), time.monotonic() + step.get("wait", 3))


def over_tcp(step, target, messages, answers):
    content = b"".join(messages if step.get("raw") else (struct.pack("!H", len(m)) + m for m in messages))
    size = step.get("pieces") or len(content)
    with socket.create_connection(target, 3) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(content), size):
            sock.sendall(content[at:at + size])
        if step.get("close"):
            sock.shutdown(socket.SHUT_WR)
        sock.settimeout(step.get("wait", 3))
        stream = sock.makefile("rb")
        while len(answers) < step.get("expect", len(messages)) and len(head := stream.read(2)) == 2:
            answers.append(stream.read(struct.unpack("!H", head)[0]))


def main():
    for step in json.load(sys.stdin):
        address, port = step.get("to") or (system_resolver(), 53)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        messages, answers, error, begin = [bytes.fromhex(m) for m in step["messages"]], [], None, time.monotonic()
        try:
            if step["how"] == "tcp":
                over_tcp(step, (address, port), messages, answers)
            else:
                over_udp(step, (address, port), family, messages, answers)
        except OSError as problem:
            error = repr(problem)
        print(json.dumps({"answers": [a.hex() for a in answers], "milliseconds": (time.monotonic() - begin) * 1000,
                          "error": error}), flush=True)


main()
