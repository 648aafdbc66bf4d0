"""ClientHellos of which every byte is ours. usage: client_hello.py HOST < [[EXTENSION, HEX], ...] a line, as JSON

For each line: a connection to HOST:443, the hello with these extensions and those that TLS 1.2 needs, and what comes back first:
handshake, alert, closed or silence.
"""
import json
import socket
import sys

# supported_groups, ec_point_formats, signature_algorithms: enough for a server to go on with ECDHE and ECDSA
USUAL = ((10, b"\0\4\0\x1d\0\x17"), (11, b"\1\0"), (13, b"\0\6\4\3\5\3\x08\4"))
SUITES = b"\xc0\x2b\xc0\x2f"
KINDS = {b"": "closed", b"\x15": "alert", b"\x16": "handshake"}


def server_name(*names, kind=0):
    """The extension of RFC 6066, 3, with each of the names (bytes)."""
    listed = b"".join(bytes([kind]) + len(name).to_bytes(2, "big") + name for name in names)
    return 0, len(listed).to_bytes(2, "big") + listed


def record(*extensions):
    """A ClientHello of TLS 1.2 in one TLS record; each extension is its number and its body."""
    listed = b"".join(number.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body for number, body in (*extensions, *USUAL))
    hello = b"\3\3" + bytes(range(32)) + b"\0" + len(SUITES).to_bytes(2, "big") + SUITES + b"\1\0" + len(listed).to_bytes(2, "big") + listed
    return b"\x16\3\1" + (len(hello) + 4).to_bytes(2, "big") + b"\1" + len(hello).to_bytes(3, "big") + hello


def outcome(host, content):
    """Sends it and says what comes back first."""
    with socket.create_connection((host, 443), 10) as sock:
        sock.settimeout(10)
        try:
            sock.sendall(content)
            return KINDS.get(sock.recv(1), "something else")
        except ConnectionError:
            return "closed"
        except TimeoutError:
            return "silence"


if __name__ == "__main__":
    for line in sys.stdin:
        print(outcome(sys.argv[1], record(*((number, bytes.fromhex(body)) for number, body in json.loads(line)))))
