"""HTTP/1.1 as an origin speaks it, with routes that show every shape of message a gateway must carry or refuse.

A request is recorded whole (head as received, up to 64 KiB of body, length and digest) before it is answered.
Routes: /status/N  /stream?bytes=N[&chunked]  /trailers  /early  /refuse-expect  /until-close  /slow?ms=N  /reset
        /once  /hang-up  /surplus  /challenge
        /bad/SHAPE  /ws  /redirect?to=URL  /dns-query  /resolve?name=NAME  /dns-answer
        and, on git.*, smart HTTP; anything else is answered by an account of itself.
"""
from __future__ import annotations

import base64
import hashlib
import json
import socket
import time
from urllib.parse import parse_qs, urlsplit

import doh
import git_backend

MAX_HEAD = 1 << 20
KEPT_BODY = 65536
PATTERN = bytes(range(256)) * 1024
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

BAD_RESPONSES = {
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "length-and-chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare-lf": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "obs-fold": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok",
    "space-before-colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "unsolicited-101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\nraw bytes",
    "interim-flood": b"HTTP/1.1 102 Processing\r\n\r\n" * 1000 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "bad-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
    "short-body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok",
    "not-http": b"220 ready\r\n",
    "nul-in-header": b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
}


class Malformed(Exception):
    pass


class Reader:
    """Buffered reading from a socket, exact to the byte."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream, self.buffer = stream, b""

    def more(self) -> bool:
        got = self.stream.recv(262144)
        self.buffer += got
        return bool(got)

    def until(self, mark: bytes, limit: int) -> bytes:
        while mark not in self.buffer:
            if len(self.buffer) > limit:
                raise Malformed("too long")
            if not self.more():
                if self.buffer:
                    raise Malformed("closed inside")
                return b""
        out, self.buffer = self.buffer.split(mark, 1)
        return out + mark

    def pieces(self, count: int):
        while count:
            if not self.buffer and not self.more():
                raise Malformed("closed inside a body")
            piece, self.buffer = self.buffer[:count], self.buffer[count:]
            count -= len(piece)
            yield piece


class Request:
    def __init__(self, head: bytes) -> None:
        lines = head[:-4].decode("latin-1").split("\r\n")
        try:
            self.method, self.target, self.version = lines[0].split(" ")
            self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
            self.fields = {name.lower(): value for name, value in self.headers}
        except ValueError as error:
            raise Malformed(str(error)) from error
        url = urlsplit(self.target)
        self.path, self.query = url.path, {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()}
        self.host = self.fields.get("host", "")
        self.trailers: list[str] = []
        self.body, self.length, self.digest = b"", 0, hashlib.sha256()

    def keep(self, piece: bytes) -> None:
        self.length += len(piece)
        if self.length <= 1 << 26:  # hashing gigabytes would only burn the machine
            self.digest.update(piece)
        self.body += piece[:max(0, KEPT_BODY - len(self.body))]

    def pieces(self, reader: Reader):
        if "chunked" in self.fields.get("transfer-encoding", "").lower():
            while size := int(reader.until(b"\r\n", 4096).split(b";")[0], 16):
                yield from reader.pieces(size)
                reader.until(b"\r\n", 2)
            while (line := reader.until(b"\r\n", 65536)) != b"\r\n":
                self.trailers.append(line.decode("latin-1").strip())
        else:
            yield from reader.pieces(int(self.fields.get("content-length", 0)))


class HttpService:
    def __init__(self, records, git_root: str) -> None:
        self.records, self.git_root = records, git_root

    def serve(self, stream: socket.socket, meta: dict) -> None:
        reader = Reader(stream)
        try:
            while self.exchange(stream, reader, meta):
                pass
        except (Malformed, ValueError) as error:
            raw = base64.b64encode(reader.buffer[:KEPT_BODY]).decode()
            self.records.write("malformed", error=str(error), bytes=raw, **meta)

    def exchange(self, stream: socket.socket, reader: Reader, meta: dict) -> bool:
        """One request and its answer; false when the connection ends."""
        head = reader.until(b"\r\n\r\n", MAX_HEAD)
        if not head:
            return False
        try:
            request = Request(head)
        except Malformed:
            reader.buffer = head + reader.buffer
            raise
        self.records.write("head", head=head.decode("latin-1"), **meta)
        if request.fields.get("expect", "").lower() == "100-continue":
            if request.path == "/refuse-expect":
                stream.sendall(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return False
            stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.host.split(":")[0].startswith("git."):
            spooled = git_backend.spool(request.pieces(reader))
            self.record(request, meta)
            return git_backend.answer(self.git_root, stream, request, spooled)
        for piece in request.pieces(reader):
            request.keep(piece)
        self.record(request, meta)
        self.answer(stream, request, meta)
        return request.fields.get("connection", "").lower() != "close" and request.version == "HTTP/1.1"

    def record(self, request: Request, meta: dict) -> None:
        self.records.write("http", method=request.method, target=request.target, host=request.host,
                           headers=request.headers, trailers=request.trailers, length=request.length,
                           body=base64.b64encode(request.body).decode(), sha256=request.digest.hexdigest(), **meta)

    def answer(self, stream: socket.socket, request: Request, meta: dict) -> None:
        first = request.path.split("/")[1] if "/" in request.path else ""
        route = getattr(self, "route_" + first.replace("-", "_"), None)
        if route is None:
            account = {"method": request.method, "target": request.target, "host": request.host,
                       "headers": request.headers, "trailers": request.trailers, "length": request.length,
                       "sha256": request.digest.hexdigest(), "sni": meta["sni"], "tls": meta["tls"],
                       "conn": meta["conn"]}
            self.reply(stream, request, 200, json.dumps(account).encode(), "application/json")
        else:
            route(stream, request)

    @staticmethod
    def reply(stream: socket.socket, request: Request, status: int, body: bytes = b"", kind: str = "text/plain",
              extra: str = "") -> None:
        head = f"HTTP/1.1 {status} Fixture\r\nContent-Type: {kind}\r\nX-Origin: fixture\r\n{extra}"
        if status >= 200 and status != 204:
            head += f"Content-Length: {len(body)}\r\n"
        head += "\r\n"
        bodyless = request.method == "HEAD" or status in (204, 304)
        stream.sendall(head.encode() + (b"" if bodyless else body))

    def route_status(self, stream, request) -> None:
        self.reply(stream, request, int(request.path.split("/")[2]), b"status\n")

    def route_redirect(self, stream, request) -> None:
        self.reply(stream, request, 302, extra=f"Location: {request.query['to']}\r\n")

    def route_slow(self, stream, request) -> None:
        time.sleep(int(request.query["ms"]) / 1000)
        self.reply(stream, request, 200, b"late\n")

    def route_early(self, stream, request) -> None:
        stream.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        self.reply(stream, request, 200, b"after hints\n")

    def route_stream(self, stream, request) -> None:
        left = int(request.query["bytes"])
        chunked = "chunked" in request.query
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {left}"
        stream.sendall(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        while left:
            piece = PATTERN[:left]
            stream.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            left -= len(piece)
        if chunked:
            stream.sendall(b"0\r\n\r\n")

    def route_dns_query(self, stream, request) -> None:
        body, kind = doh.over_https(request)
        self.reply(stream, request, 200, body, kind)

    route_resolve = route_dns_query

    def route_dns_answer(self, stream, request) -> None:
        """DNS by its type, to a request that did not say so."""
        self.reply(stream, request, 200, b"secret-answer", "Application/DNS-Message; x=y")

    def route_trailers(self, stream, _request) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                       b"4;note=1\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n")

    def route_until_close(self, stream, _request) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end")
        stream.shutdown(socket.SHUT_RDWR)

    def route_once(self, stream, request) -> None:
        """Takes the next request of the connection and ends without an answer."""
        self.reply(stream, request, 200, b"once\n")
        stream.recv(MAX_HEAD)
        stream.close()

    def route_hang_up(self, stream, request) -> None:
        """Ends the connection without having announced it."""
        self.reply(stream, request, 200, b"bye\n")
        stream.shutdown(socket.SHUT_RDWR)

    def route_surplus(self, stream, request) -> None:
        """Two answers to one request."""
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"
        stream.sendall(answer + b"surplus\n" + answer + b"poison!\n")

    def route_challenge(self, stream, request) -> None:
        self.reply(stream, request, 401, extra="WWW-Authenticate: Basic realm=x, NTLM\r\n")

    def route_reset(self, stream, _request) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        stream.close()

    def route_bad(self, stream, request) -> None:
        stream.sendall(BAD_RESPONSES[request.path.split("/")[2]])
        stream.shutdown(socket.SHUT_RDWR)

    def route_ws(self, stream, request) -> None:
        """A WebSocket that sends every frame back unmasked (short text frames only)."""
        key = request.fields.get("sec-websocket-key", "").encode()
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest()).decode()
        stream.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        reader = Reader(stream)
        while True:
            head = b"".join(reader.pieces(2))
            mask = b"".join(reader.pieces(4))
            masked = b"".join(reader.pieces(head[1] & 0x7F))
            text = bytes(b ^ mask[i % 4] for i, b in enumerate(masked))
            stream.sendall(bytes([head[0], len(text)]) + text)
            if head[0] & 0x0F == 8:
                return
