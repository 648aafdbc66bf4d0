#!/usr/bin/env python3
"""A very small internet on 127.0.0.1 for scripts/demo.sh: one DNS server and one HTTPS server, standard library only.

    internet.py FOLDER

FOLDER holds server.pem (certificate and key) and packages/*.tar.gz. Written there: ports (when both servers listen),
dns.log (a line for each name that was asked for) and evil.log (whatever evil.example received).
It ends when its standard input does, so it cannot outlive the script that started it.
"""
import hashlib
import http.server
import socket
import socketserver
import ssl
import struct
import sys
import threading
from pathlib import Path

HERE = "127.0.0.1"
NAMES = {"pypi.example", "files.python.example", "evil.example"}
EVIL_ZONE = "evil2.example"  # everything below it exists: whoever asks has told us something
A, SOA = 1, 6
NOERROR, NXDOMAIN = 0, 3


def question_of(message):
    """The first question: (name, type, end of the question)."""
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode("latin-1"))
        at += 1 + message[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", message, at + 1)[0], at + 5


def answer_to(message, log):
    name, kind, end = question_of(message)
    log(name)
    known = name in NAMES or name == EVIL_ZONE or name.endswith("." + EVIL_ZONE)
    answers = b""
    if known and kind == A:
        answers = b"\xc0\x0c" + struct.pack("!HHIH", A, 1, 60, 4) + socket.inet_aton(HERE)
    # An authority section makes "no such name" and "no such type" proper negative answers (RFC 2308).
    authority = b"" if answers else b"\x00" + struct.pack("!HHIH", SOA, 1, 60, 22) + b"\x00\x00" + struct.pack("!5I", 1, 60, 60, 60, 60)
    flags = 0x8580 | (NOERROR if known else NXDOMAIN)
    counts = struct.pack("!4H", 1, bool(answers), bool(authority), 0)
    return message[:2] + struct.pack("!H", flags) + counts + message[12:end] + answers + authority


def open_dns(log):
    class udp(socketserver.BaseRequestHandler):
        def handle(self):
            message, sock = self.request
            sock.sendto(answer_to(message, log), self.client_address)

    class tcp(socketserver.StreamRequestHandler):
        def handle(self):
            while len(prefix := self.rfile.read(2)) == 2:
                answer = answer_to(self.rfile.read(struct.unpack("!H", prefix)[0]), log)
                self.wfile.write(struct.pack("!H", len(answer)) + answer)

    for _ in range(50):  # the same free port for both
        over_tcp = socketserver.ThreadingTCPServer((HERE, 0), tcp)
        port = over_tcp.server_address[1]
        try:
            return over_tcp, socketserver.ThreadingUDPServer((HERE, port), udp), port
        except OSError:
            over_tcp.server_close()
    raise SystemExit("no free port")


def open_https(folder, log_evil):
    packages = {p.name: p.read_bytes() for p in (folder / "packages").glob("*.tar.gz")}

    class handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self, status, body, kind="text/html"):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            host = (self.headers.get("Host") or "").split(":")[0]
            if host == "evil.example":
                log_evil(f"{self.command} {self.path} {body.decode('latin-1')}")
                return self.reply(200, b"thank you\n")
            parts = self.path.split("?")[0].strip("/").split("/")
            if host == "pypi.example" and parts[0] == "simple" and len(parts) == 2:
                return self.reply(200, self.index(parts[1]).encode())
            if host == "files.python.example" and parts[0] == "packages" and parts[-1] in packages:
                return self.reply(200, packages[parts[-1]], "application/gzip")
            return self.reply(404, b"no such page\n")

        do_POST = do_PUT = do_HEAD = do_GET

        def index(self, project):
            port = self.server.server_address[1]
            links = [f'<a href="https://files.python.example:{port}/packages/{name}#sha256={hashlib.sha256(data).hexdigest()}">{name}</a>'
                     for name, data in packages.items() if name.startswith(project + "-")]
            return "<!doctype html>\n" + "\n".join(links) + "\n"

        def log_message(self, *_):
            pass

    class server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):  # a client that goes away inside TLS is no news
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    https = server((HERE, 0), handler)
    # The handshake belongs to the connection's own thread: a silent client must not stop the others.
    https.socket = context.wrap_socket(https.socket, server_side=True, do_handshake_on_connect=False)
    return https


def main():
    folder = Path(sys.argv[1])
    lock = threading.Lock()

    def logger(name):
        (folder / name).touch()

        def log(line):
            with lock, open(folder / name, "a", encoding="utf-8") as out:
                out.write(line + "\n")
        return log

    over_tcp, over_udp, dns_port = open_dns(logger("dns.log"))
    https = open_https(folder, logger("evil.log"))
    for each in (over_tcp, over_udp, https):
        each.daemon_threads = True
        threading.Thread(target=each.serve_forever, daemon=True).start()
    (folder / "ports.new").write_text(f"{dns_port} {https.server_address[1]}\n")
    (folder / "ports.new").rename(folder / "ports")
    sys.stdin.read()


if __name__ == "__main__":
    main()
