"""TLS 1.3 with two ClientHellos that differ where RFC 8446 (4.1.2) does not allow it; then one HTTP/1.1 request.

usage: two_hellos.py DIAL HELLO HELLO HOST TARGET     a hello: SERVER_NAME/PROTOCOL,PROTOCOL...
The first offers no key share, so that the server asks for another (HelloRetryRequest). The certificate is not looked at. Prints
the protocol that the server chose ("none") and the status line of the answer, or how the connection ended.
"""
import hashlib
import hmac
import os
import socket
import sys

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RETRY = hashlib.sha256(b"HelloRetryRequest").digest()  # the random that a ServerHello then has
HANDSHAKE, APPLICATION, ALERT, CHANGE = 22, 23, 21, 20
SERVER_HELLO, ENCRYPTED_EXTENSIONS, FINISHED = 2, 8, 20
SERVER_NAME, PROTOCOLS, KEY_SHARE, COOKIE = 0, 16, 51, 44


class Ended(Exception):
    pass


def sized(content, octets=2):
    return len(content).to_bytes(octets, "big") + content


def extensions_of(block):
    out, at = {}, 0
    while at < len(block):
        size = int.from_bytes(block[at + 2:at + 4], "big")
        out[int.from_bytes(block[at:at + 2], "big")] = block[at + 4:at + 4 + size]
        at += 4 + size
    return out


def expand(secret, label, context, size):
    info = size.to_bytes(2, "big") + sized(b"tls13 " + label, 1) + sized(context, 1) + b"\1"
    return hmac.digest(secret, info, "sha256")[:size]


class Direction:
    """One traffic secret's keys (RFC 8446, 7.3)."""

    def __init__(self, secret):
        self.secret, self.sequence = secret, 0
        self.cipher, self.iv = AESGCM(expand(secret, b"key", b"", 16)), expand(secret, b"iv", b"", 12)

    def nonce(self):
        self.sequence += 1
        return (int.from_bytes(self.iv, "big") ^ (self.sequence - 1)).to_bytes(12, "big")

    def seal(self, kind, content):
        header = bytes([APPLICATION, 3, 3]) + (len(content) + 17).to_bytes(2, "big")
        return header + self.cipher.encrypt(self.nonce(), content + bytes([kind]), header)

    def open(self, header, content):
        plain = self.cipher.decrypt(self.nonce(), content, header).rstrip(b"\0")
        return plain[-1], plain[:-1]


class Client:
    def __init__(self, address):
        self.sock = socket.create_connection((address, 443), 10)
        self.sock.settimeout(10)
        self.transcript, self.pending, self.down, self.random = b"", b"", None, os.urandom(32)
        self.key = X25519PrivateKey.generate()

    def exactly(self, count):
        out = b""
        while len(out) < count:
            got = self.sock.recv(count - len(out))
            if not got:
                raise Ended("closed")
            out += got
        return out

    def record(self):
        while True:
            header = self.exactly(5)
            kind, content = header[0], self.exactly(int.from_bytes(header[3:], "big"))
            if kind == CHANGE:
                continue
            if kind == APPLICATION:
                kind, content = self.down.open(header, content)
            if kind == ALERT:
                raise Ended(f"alert {content[1]}")
            return kind, content

    def message(self):
        """The next handshake message, with its header; it joins the transcript."""
        while len(self.pending) < 4 or len(self.pending) < 4 + int.from_bytes(self.pending[1:4], "big"):
            self.pending += self.record()[1]
        size = 4 + int.from_bytes(self.pending[1:4], "big")
        out, self.pending = self.pending[:size], self.pending[size:]
        self.transcript += out
        return out

    def hello(self, text, share, cookie):
        name, protocols = text.split("/", 1)
        offered = b"".join(sized(p.encode(), 1) for p in protocols.split(","))
        listed = {SERVER_NAME: sized(b"\0" + sized(name.encode())), 10: sized(b"\0\x1d"), 13: sized(b"\4\3\5\3\x08\4\4\1"),
                  PROTOCOLS: sized(offered), 43: b"\2\3\4", KEY_SHARE: sized(share), **({COOKIE: cookie} if cookie else {})}
        block = b"".join(number.to_bytes(2, "big") + sized(body) for number, body in listed.items())
        body = b"\3\3" + self.random + b"\0" + sized(b"\x13\1") + b"\1\0" + sized(block)
        message = b"\1" + sized(body, 3)
        self.transcript += message
        self.sock.sendall(bytes([HANDSHAKE, 3, 1]) + sized(message))

    def server_hello(self):
        message = self.message()
        if message[0] != SERVER_HELLO:
            raise Ended(f"handshake message {message[0]} instead of ServerHello")
        at = 4 + 2 + 32
        at += 1 + message[at] + 2 + 1
        return message[6:38], extensions_of(message[at + 2:])

    def handshake(self, first, second):
        """The application's protocol, or None; keys for what follows."""
        self.hello(first, b"", None)
        first_hello, self.transcript = self.transcript, b""
        random, answer = self.server_hello()
        if random != RETRY:
            raise Ended("no HelloRetryRequest")
        self.transcript = b"\xfe" + sized(hashlib.sha256(first_hello).digest(), 3) + self.transcript  # RFC 8446, 4.4.1
        share = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.hello(second, b"\0\x1d" + sized(share), answer.get(COOKIE))
        _, answer = self.server_hello()
        shared = self.key.exchange(X25519PublicKey.from_public_bytes(answer[KEY_SHARE][4:]))
        empty, nothing = hashlib.sha256(b"").digest(), bytes(32)
        handshake = hmac.digest(expand(hmac.digest(nothing, nothing, "sha256"), b"derived", empty, 32), shared, "sha256")
        so_far = hashlib.sha256(self.transcript).digest()
        up, self.down = Direction(expand(handshake, b"c hs traffic", so_far, 32)), Direction(expand(handshake, b"s hs traffic", so_far, 32))
        chosen = None
        while (message := self.message())[0] != FINISHED:
            if message[0] == ENCRYPTED_EXTENSIONS:
                protocols = extensions_of(message[6:]).get(PROTOCOLS)
                chosen = protocols[3:].decode() if protocols else None
        so_far = hashlib.sha256(self.transcript).digest()
        finished = hmac.digest(expand(up.secret, b"finished", b"", 32), so_far, "sha256")
        self.sock.sendall(up.seal(HANDSHAKE, bytes([FINISHED]) + sized(finished, 3)))
        master = hmac.digest(expand(handshake, b"derived", empty, 32), nothing, "sha256")
        self.up = Direction(expand(master, b"c ap traffic", so_far, 32))
        self.down = Direction(expand(master, b"s ap traffic", so_far, 32))
        return chosen

    def ask(self, host, target):
        self.sock.sendall(self.up.seal(APPLICATION, f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()))
        got = b""
        while b"\r\n" not in got:
            kind, content = self.record()
            got += content if kind == APPLICATION else b""  # and not the tickets
        return got.split(b"\r\n")[0].decode("latin-1")


if __name__ == "__main__":
    address, one, two, host, target = sys.argv[1:]
    client = Client(address)
    try:
        print(client.handshake(one, two) or "none", flush=True)
        print(client.ask(host, target))
    except Ended as end:
        print(end)
    except ConnectionError:
        print("closed")
