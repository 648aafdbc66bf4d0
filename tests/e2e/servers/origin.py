#!/usr/bin/env python3
"""Recording servers of the fake internet: HTTP and HTTPS by SNI, raw TCP services, an attacker's catch-all.

usage: origin.py CONFIG.json   with {records, certificates, git_root, listen: [{address, port, service}]}
Services: http, https, dot (DNS over TLS), echo (TCP echo), banner (speaks first, then echoes), silent (reads only), abrupt
(answers "enough" to the first bytes, and resets the connection).
Everything that arrives is recorded, one JSON object a line, before it is answered.
"""
from __future__ import annotations

import base64
import itertools
import json
import os
import resource
import socket
import ssl
import struct
import sys
import threading
import time
from pathlib import Path

import doh
import http_service

MAX_RAW = 65536  # bytes kept of one read
OLD_TLS = b"old.tls.example"


class Recorder:
    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, kind: str, **fields) -> None:
        line = json.dumps({"kind": kind, "time": time.time(), **fields}) + "\n"
        os.write(self._fd, line.encode())  # O_APPEND: one write, one line, whichever thread


class Certificates:
    """An SSL context for each server name, made when first asked for."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.contexts: dict[str, ssl.SSLContext] = {}
        self.lock = threading.Lock()

    def context(self, name: str) -> ssl.SSLContext | None:
        with self.lock:
            if name not in self.contexts:
                path = self.folder / f"{name}.pem"
                if not path.is_file() or "/" in name:
                    return None
                made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                if name.encode() == OLD_TLS:
                    made.set_ciphers("ALL:@SECLEVEL=0")  # the security level comes with the certificate
                made.set_alpn_protocols(["http/1.1"])
                made.load_cert_chain(path)
                self.contexts[name] = made
            return self.contexts[name]


class Origin:
    def __init__(self, config: dict) -> None:
        self.records = Recorder(config["records"])
        self.certificates = Certificates(config["certificates"])
        self.http = http_service.HttpService(self.records, config["git_root"])
        self.ids = itertools.count(1)

    def listen(self, address: str, port: int, service: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.create_server((address, port), family=family, backlog=4096)
        threading.Thread(target=self.accept, args=(listener, getattr(self, "serve_" + service)), daemon=True).start()

    def accept(self, listener: socket.socket, serve) -> None:
        while True:
            connection, peer = listener.accept()
            threading.Thread(target=self.converse, args=(connection, peer, serve), daemon=True).start()

    def converse(self, connection: socket.socket, peer: tuple, serve) -> None:
        ident = next(self.ids)
        here = connection.getsockname()
        meta = {"conn": ident, "server": f"{here[0]}:{here[1]}", "peer": peer[0]}
        self.records.write("tcp", **meta)
        connection.settimeout(120)
        try:
            serve(connection, meta)
        except OSError as error:
            self.records.write("error", error=repr(error), **meta)
        finally:
            connection.close()

    def serve_http(self, connection: socket.socket, meta: dict) -> None:
        self.http.serve(connection, {**meta, "tls": False, "sni": None})

    def serve_https(self, connection: socket.socket, meta: dict) -> None:
        seen: dict = {"sni": None}

        def choose(tls: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
            seen["sni"] = name
            self.records.write("tls", sni=name, **meta)
            chosen = self.certificates.context(name or "")
            if chosen is None:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME if name else None
            tls.context = chosen
            return None

        first = connection.recv(MAX_RAW, socket.MSG_PEEK)
        if first[:1] != b"\x16":
            self.serve_raw_bytes(connection, meta)
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if OLD_TLS in first:  # the version is settled before the SNI callback could change it
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.certificates.folder / "echo.example.pem")
        context.sni_callback = choose
        with context.wrap_socket(connection, server_side=True) as tls:
            self.http.serve(tls, {**meta, "tls": True, "sni": seen["sni"], "version": tls.version()})

    def serve_dot(self, connection: socket.socket, meta: dict) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates.folder / "echo.example.pem")
        with context.wrap_socket(connection, server_side=True) as tls:
            doh.over_tls(tls, lambda message: self.records.write("raw", bytes=base64.b64encode(message).decode(), **meta))

    def serve_raw_bytes(self, connection: socket.socket, meta: dict) -> None:
        """What is not TLS on a TLS port: recorded, then closed."""
        self.records.write("raw", bytes=base64.b64encode(connection.recv(MAX_RAW)).decode(), **meta)

    def serve_echo(self, connection: socket.socket, meta: dict) -> None:
        while got := connection.recv(MAX_RAW):
            self.records.write("raw", bytes=base64.b64encode(got).decode(), **meta)
            connection.sendall(got)

    def serve_banner(self, connection: socket.socket, meta: dict) -> None:
        connection.sendall(b"SSH-2.0-fixture_1.0\r\n")
        self.serve_echo(connection, meta)

    def serve_silent(self, connection: socket.socket, meta: dict) -> None:
        while got := connection.recv(MAX_RAW):
            self.records.write("raw", bytes=base64.b64encode(got).decode(), **meta)

    def serve_abrupt(self, connection: socket.socket, meta: dict) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.recv(MAX_RAW)
        connection.sendall(b"enough")
        time.sleep(0.3)  # a reset overtakes nothing


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threading.stack_size(256 * 1024)
    with open(sys.argv[1]) as file:
        config = json.load(file)
    origin = Origin(config)
    for entry in config["listen"]:
        origin.listen(entry["address"], entry["port"], entry["service"])
    threading.Event().wait()


if __name__ == "__main__":
    main()
