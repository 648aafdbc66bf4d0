#!/usr/bin/env python3
"""HTTP/2 as an origin speaks it, over TLS (ALPN) and by prior knowledge: every shape that a gateway must carry or refuse.

usage: h2_origin.py CONFIG.json  with {records, certificate, listen: [{address, port, tls, alpn}]}
A request is recorded when it is complete, a reset or GOAWAY of the gateway when it comes.
Routes: /status/N /stream?bytes=N /echo /trailers /early /reset?code=N /reset-late?code=N /goaway /close /slow?ms=N /never
        /early-end /bad/SHAPE, WebSocket by extended CONNECT; anything else is answered by an account of itself.
"""
from __future__ import annotations

import hashlib
import itertools
import json
import os
import socket
import ssl
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

PATTERN = bytes(range(256)) * 64
BAD = {
    "upper-case": [(":status", "200"), ("X-Upper", "1")],
    "connection": [(":status", "200"), ("connection", "close")],
    "line-break": [(":status", "200"), ("x-a", "1\r\nx-b: 2")],
    "no-status": [("x-a", "1")],
    "status-101": [(":status", "101")],
    "two-status": [(":status", "200"), (":status", "204")],
    "pseudo-late": [("x-a", "1"), (":status", "200")],
    "short-body": [(":status", "200"), ("content-length", "100")],
    "long-body": [(":status", "200"), ("content-length", "2")],
}


class Stream:
    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self.headers, self.trailers = headers, []
        self.fields = dict(headers)
        url = urlsplit(self.fields.get(":path", ""))
        self.path, self.query = url.path, {k: v[0] for k, v in parse_qs(url.query).items()}
        self.route = (self.path.split("/") + [""])[1]
        self.length, self.digest = 0, hashlib.sha256()
        self.pending, self.ends, self.answer_trailers = b"", False, None
        self.left = 0  # of /stream, made as it goes
        self.ended = False  # the request has


class Connection:
    def __init__(self, origin: "Origin", sock: socket.socket, meta: dict) -> None:
        self.origin, self.sock, self.meta = origin, sock, meta
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8", validate_outbound_headers=False,
                                           normalize_outbound_headers=False, validate_inbound_headers=True)
        self.h2 = h2.connection.H2Connection(config=config)
        self.streams: dict[int, Stream] = {}

    def run(self) -> None:
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values={
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1000, h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window((1 << 24) - 65535)
        self.flush()
        while got := self.sock.recv(65536):
            for event in self.h2.receive_data(got):
                self.on(event)
            for number in list(self.streams):
                self.send_more(number)
            self.flush()

    def flush(self) -> None:
        if out := self.h2.data_to_send():
            self.sock.sendall(out)

    def on(self, event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self.streams[event.stream_id] = Stream([(n, v) for n, v in event.headers])
            self.begin(event.stream_id)
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            stream = self.streams.get(event.stream_id)
            if not stream:
                return
            stream.length += len(event.data)
            stream.digest.update(event.data)
            if stream.route == "echo" or ":protocol" in stream.fields:
                stream.pending += event.data
        elif isinstance(event, h2.events.TrailersReceived):
            self.streams[event.stream_id].trailers = [list(t) for t in event.headers]
        elif isinstance(event, h2.events.StreamEnded):
            self.complete(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.streams.pop(event.stream_id, None)
            self.origin.write("h2-reset", code=int(event.error_code), remote=event.remote_reset, **self.meta)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.origin.write("h2-goaway", code=int(event.error_code), **self.meta)

    def begin(self, number: int) -> None:
        """What is answered before the request has ended."""
        stream = self.streams[number]
        self.origin.write("head", headers=[list(h) for h in stream.headers], **self.meta)
        if ":protocol" in stream.fields:
            self.h2.send_headers(number, [(":status", "200")])
        elif stream.route == "echo":
            self.h2.send_headers(number, [(":status", "200"), ("content-type", "application/octet-stream")])
        elif stream.route == "early-end":
            self.h2.send_headers(number, [(":status", "413")], end_stream=True)
            self.h2.reset_stream(number, 0)
            self.streams.pop(number)
        elif stream.fields.get("expect") == "100-continue":
            self.h2.send_headers(number, [(":status", "100")])

    def record(self, number: int) -> None:
        stream = self.streams[number]
        self.origin.write("http", method=stream.fields.get(":method"), target=stream.fields.get(":path"),
                          host=stream.fields.get(":authority"), headers=[list(h) for h in stream.headers],
                          trailers=stream.trailers, length=stream.length, sha256=stream.digest.hexdigest(), stream=number,
                          protocol="http2", **self.meta)

    def complete(self, number: int) -> None:
        if number not in self.streams:
            return
        stream = self.streams[number]
        stream.ended = True
        self.record(number)
        handler = getattr(self, "route_" + stream.route.replace("-", "_"), self.account)
        if ":protocol" in stream.fields:
            handler = self.route_echo
        try:
            handler(number, stream)
        except (h2.exceptions.StreamClosedError, h2.exceptions.StreamIDTooLowError):  # its reset came in the same read
            self.streams.pop(number, None)

    def answer(self, number: int, status: int, body: bytes = b"", headers=(), trailers=None) -> None:
        stream = self.streams[number]
        bodyless = stream.fields[":method"] == "HEAD" or status in (204, 304)
        length = [("content-length", str(len(body)))] if status != 204 and trailers is None else []
        self.h2.send_headers(number, [(":status", str(status)), ("x-origin", "h2"), *length, *headers], end_stream=bodyless)
        if bodyless:
            self.streams.pop(number)
            return
        stream.pending, stream.ends, stream.answer_trailers = body, True, trailers

    def send_more(self, number: int) -> None:
        stream = self.streams[number]
        try:
            while stream.pending or stream.left or stream.ends:
                if not stream.pending and stream.left:
                    piece = PATTERN[:stream.left]
                    stream.pending, stream.left = piece, stream.left - len(piece)
                room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
                piece, rest = stream.pending[:room], stream.pending[room:]
                if not piece and stream.pending:
                    return
                last = stream.ends and not rest and not stream.left
                if piece or last:
                    self.h2.send_data(number, piece, end_stream=last and not stream.answer_trailers)
                stream.pending = rest
                if last:
                    if stream.answer_trailers:
                        self.h2.send_headers(number, stream.answer_trailers, end_stream=True)
                    self.streams.pop(number)
                    return
        except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError):
            self.streams.pop(number, None)

    # Routes, called when the request is complete

    def account(self, number: int, stream: Stream) -> None:
        body = {"method": stream.fields.get(":method"), "target": stream.fields.get(":path"), "host": stream.fields.get(":authority"),
                "headers": stream.headers, "trailers": stream.trailers, "length": stream.length,
                "sha256": stream.digest.hexdigest(), "protocol": "http2", "conn": self.meta["conn"]}
        self.answer(number, 200, json.dumps(body).encode(), [("content-type", "application/json")])

    def route_status(self, number, stream) -> None:
        self.answer(number, int(stream.path.split("/")[2]), b"status\n")

    def route_stream(self, number, stream) -> None:
        self.h2.send_headers(number, [(":status", "200")])
        stream.left, stream.ends = int(stream.query["bytes"]), True

    def route_echo(self, number, stream) -> None:
        stream.ends, stream.answer_trailers = True, [("x-length", str(stream.length))]
        if ":protocol" in stream.fields:
            stream.answer_trailers = None

    def route_trailers(self, number, _stream) -> None:
        self.answer(number, 200, b"body", trailers=[("x-sum", "42"), ("grpc-status", "0")])

    def route_early(self, number, _stream) -> None:
        self.h2.send_headers(number, [(":status", "103"), ("link", "</style.css>")])
        self.answer(number, 200, b"after hints\n")

    def route_early_flood(self, number, _stream) -> None:
        for _ in range(100):
            self.h2.send_headers(number, [(":status", "103"), ("link", "</style.css>")])
        self.answer(number, 200, b"after hints\n")

    def route_reset(self, number, stream) -> None:
        self.h2.reset_stream(number, int(stream.query["code"]))
        self.streams.pop(number)

    def route_reset_late(self, number, stream) -> None:
        self.h2.send_headers(number, [(":status", "200")])
        self.h2.send_data(number, b"only this")
        self.flush()
        self.route_reset(number, stream)

    def route_goaway(self, number, stream) -> None:
        self.account(number, stream)
        self.send_more(number)
        self.h2.close_connection(0, last_stream_id=number)

    def route_close(self, _number, _stream) -> None:
        self.sock.close()
        raise ConnectionResetError

    def route_slow(self, number, stream) -> None:
        time.sleep(int(stream.query["ms"]) / 1000)
        self.answer(number, 200, b"late\n")

    def route_never(self, _number, _stream) -> None:
        pass

    def route_bad(self, number, stream) -> None:
        self.h2.send_headers(number, BAD[stream.path.split("/")[2]])
        stream.pending, stream.ends = b"raw bytes", True


class Origin:
    def __init__(self, config: dict) -> None:
        self.fd = os.open(config["records"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.certificate = config["certificate"]
        self.ids = itertools.count(100000)
        for entry in config["listen"]:
            listener = socket.create_server((entry["address"], entry["port"]), backlog=1024)
            threading.Thread(target=self.accept, args=(listener, entry), daemon=True).start()

    def write(self, kind: str, **fields) -> None:
        os.write(self.fd, (json.dumps({"kind": kind, "time": time.time(), **fields}) + "\n").encode())

    def accept(self, listener: socket.socket, entry: dict) -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=self.converse, args=(sock, entry), daemon=True).start()

    def converse(self, sock: socket.socket, entry: dict) -> None:
        meta = {"conn": next(self.ids), "server": f"{entry['address']}:{entry['port']}", "tls": entry["tls"]}
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(120)
        try:
            if entry["tls"]:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.set_alpn_protocols(entry["alpn"])
                context.load_cert_chain(self.certificate)
                sock = context.wrap_socket(sock, server_side=True)
                meta["alpn"] = sock.selected_alpn_protocol()
            self.write("tcp", **meta)
            Connection(self, sock, meta).run()
        except (OSError, h2.exceptions.ProtocolError) as error:
            self.write("error", error=repr(error), **meta)
        finally:
            sock.close()


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        Origin(json.load(file))
    threading.Event().wait()
