"""HTTP/2 down to the frame, for what no honest client does. Used as a library by scripts that tests write.

    c = Client("h2.example"); n = c.request("/x"); print(c.answer(n))
"""
import socket
import ssl
import struct
import sys
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def connect(host, port=443, tls=True, alpn=("h2",), sni=None):
    sock = socket.create_connection((host, port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        context = ssl.create_default_context()
        context.set_alpn_protocols(list(alpn))
        sock = context.wrap_socket(sock, server_hostname=sni or host)
    return sock


class Raw:
    """Frames as they are written here; answers as (kind, flags, stream, payload)."""

    def __init__(self, host, preface=PREFACE + frame(SETTINGS), **more):
        self.sock = connect(host, **more)
        self.buffer, self.ended = b"", False
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.sock.sendall(preface)

    def send(self, content):
        self.sock.sendall(content)

    def headers(self, stream, fields, end=True, flags=4):
        block = self.encoder.encode(fields, huffman=False)
        return frame(HEADERS, flags | (1 if end else 0), stream, block)

    def frames(self, patience=10):
        """Until the peer closes or is silent."""
        self.sock.settimeout(patience)
        while True:
            while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
                try:
                    got = self.sock.recv(65536)
                except socket.timeout:
                    return
                except (ConnectionError, ssl.SSLError):
                    got = b""
                if not got:
                    self.ended = True
                    return
                self.buffer += got
            size = int.from_bytes(self.buffer[:3], "big")
            head, payload, self.buffer = self.buffer[:9], self.buffer[9:9 + size], self.buffer[9 + size:]
            yield head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7FFFFFFF, payload

    def until(self, kind, stream=None, patience=10):
        for one in self.frames(patience):
            if one[0] == HEADERS:
                fields = self.decoder.decode(one[3])
                if kind == HEADERS and stream in (None, one[2]):
                    return fields
            elif one[0] == kind and stream in (None, one[2]):
                return one
        return None


class Client:
    """A well-behaved client that shows everything it gets."""

    def __init__(self, host, port=443, tls=True, authority=None, window=None, **more):
        self.authority, self.scheme = authority or (host if port in (80, 443) else f"{host}:{port}"), "https" if tls else "http"
        self.sock = connect(host, port, tls, **more)
        config = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False,
                                           normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config=config)
        self.h2.initiate_connection()
        if window is None:
            self.h2.increment_flow_control_window(1 << 24)
        self.events, self.goaway, self.manual = [], None, window is not None
        self.flush()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def fields(self, path, method="GET", authority=None, extra=()):
        return [(":method", method), (":scheme", self.scheme), (":authority", authority or self.authority), (":path", path),
                *extra]

    def request(self, path, method="GET", body=None, extra=(), authority=None, trailers=None, end=True):
        number = self.h2.get_next_available_stream_id()
        bare = body is None and trailers is None and end
        self.h2.send_headers(number, self.fields(path, method, authority, extra), end_stream=bare)
        self.flush()
        if body is not None:
            self.body(number, body, end and trailers is None)
        if trailers is not None:
            self.h2.send_headers(number, trailers, end_stream=True)
            self.flush()
        return number

    def body(self, number, content, end=True):
        while True:
            room = min(self.h2.local_flow_control_window(number), 16384)
            if room == 0 and content:
                self.pump()
                continue
            piece, content = content[:room], content[room:]
            self.h2.send_data(number, piece, end_stream=end and not content)
            self.flush()
            if not content:
                return

    def pump(self, patience=20):
        self.sock.settimeout(patience)
        got = self.sock.recv(65536)
        if not got:
            raise ConnectionError("closed")
        for event in self.h2.receive_data(got):
            if isinstance(event, h2.events.DataReceived) and not self.manual:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if isinstance(event, h2.events.ConnectionTerminated):
                self.goaway = int(event.error_code)
            self.events.append(event)
        self.flush()

    def answer(self, number, patience=20):
        """{status, headers, body, trailers, interim, reset}: when the stream has ended one way or the other."""
        out = {"status": None, "body": b"", "interim": [], "trailers": None, "reset": None, "headers": {}}
        while True:
            mine = [e for e in self.events if getattr(e, "stream_id", None) == number]
            self.events = [e for e in self.events if getattr(e, "stream_id", None) != number]
            for event in mine:
                if isinstance(event, h2.events.InformationalResponseReceived):
                    out["interim"].append(dict(event.headers)[":status"])
                elif isinstance(event, h2.events.ResponseReceived):
                    out["headers"] = dict(event.headers)
                    out["status"] = int(out["headers"][":status"])
                elif isinstance(event, h2.events.DataReceived):
                    out["body"] += event.data
                elif isinstance(event, h2.events.TrailersReceived):
                    out["trailers"] = dict(event.headers)
                elif isinstance(event, h2.events.StreamReset):
                    out["reset"] = int(event.error_code)
                    return out
                elif isinstance(event, h2.events.StreamEnded):
                    return out
            try:
                self.pump(patience)
            except (OSError, h2.exceptions.ProtocolError) as error:
                out["reset"] = repr(error)
                return out
