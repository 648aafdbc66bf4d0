#!/usr/bin/env python3
"""Authoritative and recursive DNS server of the fake internet: UDP and TCP, every query recorded before it is answered.

usage: dns_server.py ZONE.json RECORDS.jsonl ADDRESS...
"""
from __future__ import annotations

import ipaddress
import json
import socket
import struct
import sys
import threading
import time

TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 41: "OPT",
         64: "SVCB", 65: "HTTPS", 255: "ANY"}
NUMBERS = {name: number for number, name in TYPES.items()}
UDP_LIMIT = 1232


def encode_name(name: str) -> bytes:
    out = b""
    for label in name.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("latin-1")
    return out + b"\0"


def read_name(packet: bytes, at: int) -> tuple[str, int]:
    labels = []
    while packet[at]:
        if packet[at] >= 64:
            raise ValueError("compressed question")
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    return ".".join(labels), at + 1


def encode_rdata(kind: str, value: str) -> bytes:
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "CNAME":
        return encode_name(value)
    if kind == "TXT":
        return bytes([len(value)]) + value.encode()
    if kind in ("MX", "SRV", "SVCB", "HTTPS") and " " in value:
        *numbers, target = value.split()
        return struct.pack(f"!{len(numbers)}H", *map(int, numbers)) + encode_name(target)
    return bytes.fromhex(value)  # HTTPS, SVCB with parameters


class Server:
    def __init__(self, zone: dict, records: str) -> None:
        self.exact, self.wildcards, self.delegated = zone["exact"], zone["wildcards"], zone["delegated"]
        self.turns: dict[str, int] = {}
        self.records = open(records, "a", buffering=1)
        self.lock = threading.Lock()

    def record(self, **fields) -> None:
        with self.lock:
            self.records.write(json.dumps({"kind": "dns", "time": time.time(), **fields}) + "\n")

    def lookup(self, name: str) -> dict:
        name = name.lower()
        if name in self.exact:
            return self.exact[name]
        labels = name.split(".")
        for cut in range(1, len(labels)):
            if ".".join(labels[cut:]) in self.wildcards:
                return self.wildcards[".".join(labels[cut:])]
        return {"rcode": 3}

    def in_turn(self, found: dict, name: str) -> dict:
        """An entry with `turns` answers by one of them, until a query for an entry that names it in `advance` moves it on."""
        if "advance" in found:
            with self.lock:
                self.turns[found["advance"]] = self.turns.get(found["advance"], 0) + 1
        if "turns" not in found:
            return found
        return found["turns"][min(self.turns.get(name, 0), len(found["turns"]) - 1)]

    def authority(self, name: str) -> str | None:
        """The server that `name` is delegated to."""
        name = name.lower()
        return next((server for zone, server in self.delegated.items() if f".{name}".endswith(f".{zone}")), None)

    @staticmethod
    def ask(server: str, packet: bytes) -> bytes | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect((server, 53))
            s.send(packet)
            try:
                return s.recv(65535)
            except OSError:
                return None

    def answer(self, packet: bytes, transport: str, peer: str) -> bytes | None:
        ident, flags, questions, _, _, additional = struct.unpack("!6H", packet[:12])
        name, at = read_name(packet, 12)
        qtype, qclass = struct.unpack("!2H", packet[at:at + 4])
        question = packet[12:at + 4]
        self.record(qname=name, qtype=TYPES.get(qtype, str(qtype)), transport=transport, peer=peer,
                    flags=flags, questions=questions, raw=packet.hex())
        if server := self.authority(name):
            return self.ask(server, packet)
        found = self.in_turn(self.lookup(name), name.lower())
        ttl = found.get("ttl", 60)
        if found.get("silent"):
            return None
        answers, owner = [], name
        for _ in range(8):
            if "CNAME" not in found or qtype == NUMBERS["CNAME"]:
                break
            target = found["CNAME"][0]
            answers.append((owner, "CNAME", target))
            owner, found = target, self.lookup(target)
        kind = TYPES.get(qtype, "")
        answers += [(owner, kind, value) for value in found.get(kind, [])]
        body = b""
        for who, what, value in answers:
            rdata = encode_rdata(what, value)
            body += encode_name(who) + struct.pack("!2HIH", NUMBERS[what], 1, ttl, len(rdata)) + rdata
        opt = b"\0" + struct.pack("!2HIH", 41, UDP_LIMIT, 0, 0) if additional else b""
        rcode, truncated = found.get("rcode", 0), 0
        if transport == "udp" and 12 + len(question) + len(body) + len(opt) > 512:
            answers, body, truncated = [], b"", 0x0200
        soa = b""
        if not answers and not truncated:
            rdata = encode_name("ns.example") + encode_name("root.example") + struct.pack("!5I", 1, 60, 60, 60, 60)
            soa = encode_name("example") + struct.pack("!2HIH", 6, 1, 60, len(rdata)) + rdata
        head = struct.pack("!6H", ident, 0x8480 | truncated | (flags & 0x0100) | rcode, 1, len(answers),
                           1 if soa else 0, 1 if opt else 0)
        return head + question + body + soa + opt

    def reply(self, packet: bytes, transport: str, peer: str) -> bytes | None:
        try:
            return self.answer(packet, transport, peer)
        except (struct.error, IndexError, ValueError) as error:
            self.record(malformed=str(error), transport=transport, peer=peer, raw=packet.hex())
            return None

    def serve_udp(self, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            s.bind((address, 53))
            while True:
                packet, peer = s.recvfrom(65535)
                if self.is_delegated(packet):  # these servers take their time
                    threading.Thread(target=self.send_reply, args=(s, packet, peer), daemon=True).start()
                else:
                    self.send_reply(s, packet, peer)

    def is_delegated(self, packet: bytes) -> bool:
        try:
            return self.authority(read_name(packet, 12)[0]) is not None
        except (IndexError, ValueError):
            return False

    def send_reply(self, s: socket.socket, packet: bytes, peer: tuple) -> None:
        out = self.reply(packet, "udp", peer[0])
        if out is not None:
            s.sendto(out, peer)

    def serve_tcp(self, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.create_server((address, 53), family=family, backlog=256)
        while True:
            connection, peer = listener.accept()
            threading.Thread(target=self.converse, args=(connection, peer[0]), daemon=True).start()

    def converse(self, connection: socket.socket, peer: str) -> None:
        with connection, connection.makefile("rb") as stream:
            connection.settimeout(30)
            try:
                while len(size := stream.read(2)) == 2:
                    out = self.reply(stream.read(struct.unpack("!H", size)[0]), "tcp", peer)
                    if out is not None:
                        connection.sendall(struct.pack("!H", len(out)) + out)
            except OSError:
                pass


def main() -> None:
    zone, records, *addresses = sys.argv[1:]
    with open(zone) as file:
        server = Server(json.load(file), records)
    threads = [threading.Thread(target=serve, args=(address,)) for address in addresses
               for serve in (server.serve_udp, server.serve_tcp)]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
