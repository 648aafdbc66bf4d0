"""RFC 9113's rules for a server, each as frames that a client may send and what must come back. Run: h2_rules.py HOST PORT tls|plain

One JSON object on stdout: for each rule what happened, as a list of words such as "answer 1 200", "reset 1 5", "goaway 1".
"""
import json
import struct
import sys
from collections import Counter
from contextlib import suppress

from h2_client import CONTINUATION, DATA, GOAWAY, HEADERS, PING, PREFACE, RST, SETTINGS, WINDOW, Raw, connect, frame

PRIORITY, PUSH = 2, 5
PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, COMPRESSION = 1, 3, 5, 6, 7, 9
END, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 1, 1, 4, 8, 0x20
FINE = "fine"  # nothing is wrong: the next request is answered


def u32(number):
    return struct.pack(">I", number)


def setting(number, value):
    return frame(SETTINGS, 0, 0, struct.pack(">HI", number, value))


def goaway(code):
    return [f"goaway {code}"]


def reset(code, stream=1):
    """A stream error, which may be made a connection error (5.4)."""
    return [f"reset {stream} {code}", f"goaway {code}"]


class Session(Raw):
    """A connection to `host`; what rules are written with."""

    def __init__(self, host, port, tls, preface=PREFACE + frame(SETTINGS)):
        super().__init__(host, port=port, tls=tls, preface=preface)
        self.host, self.scheme, self.seen, self.bodies, self.blocks = host, "https" if tls else "http", [], {}, {}
        self.credit, self.settled = Counter(), 0

    def fields(self, method="GET", path="/rule", more=(), **replace):
        made = {":method": method, ":scheme": self.scheme, ":authority": self.host, ":path": path}
        made |= {":" + name: value for name, value in replace.items()}
        return [(n, v) for n, v in made.items() if v is not None] + list(more)

    def block(self, *more, **shape):
        return self.encoder.encode(self.fields(more=more, **shape), huffman=False)

    def get(self, stream, *more, flags=END | END_HEADERS, **shape):
        """A whole request, unless `flags` say otherwise."""
        self.send(frame(HEADERS, flags, stream, self.block(*more, **shape)))

    def post(self, stream, *more, **shape):
        """The head of a request whose body is to follow."""
        self.get(stream, *more, flags=END_HEADERS, **{"method": "POST", **shape})

    def note(self, kind, flags, stream, payload):
        if kind == HEADERS:
            self.blocks[stream] = payload
            self.seen.append(f"answer {stream} {dict(self.decoder.decode(payload)).get(':status', 'trailers')}")
        elif kind == DATA:
            self.bodies[stream] = self.bodies.get(stream, b"") + payload
        elif kind == WINDOW:
            self.credit[stream] += int.from_bytes(payload, "big")
        elif kind == RST:
            self.seen.append(f"reset {stream} {int.from_bytes(payload, 'big')}")
        elif kind == GOAWAY:
            self.seen.append(f"goaway {int.from_bytes(payload[4:8], 'big')}")
        elif kind == PING:
            self.seen.append(f"ping {'ack ' if flags & ACK else ''}{payload.decode('latin-1')}")
        elif kind == SETTINGS:
            self.seen.append("settings ack" if flags & ACK else "settings")
            if not flags & ACK:
                with suppress(OSError):  # gone: what came before that is still to be read
                    self.send(frame(SETTINGS, ACK))
        if kind in (DATA, HEADERS) and flags & END:
            self.seen.append(f"end {stream}")

    def wait(self, *wanted, patience=5):
        """Until one of `wanted` was seen, or the peer closes the connection or is silent."""
        if set(wanted) & set(self.seen):
            return
        for one in self.frames(patience):
            self.note(*one)
            if set(wanted) & set(self.seen):
                return
        self.seen.append("closed" if self.ended else "silent")

    def settle(self):
        """Everything sent so far has been taken in, and answered where it has an answer of the connection's own."""
        self.settled += 1
        self.send(frame(PING, 0, 0, b"settle%02d" % self.settled))
        self.wait(f"ping ack settle{self.settled:02}")


    def content(self, stream, size):
        """Exactly `size` octets of content come, though the server has more."""
        for one in self.frames(5) if len(self.bodies.get(stream, b"")) < size else ():
            self.note(*one)
            if len(self.bodies.get(stream, b"")) >= size:
                break
        self.settle()
        assert len(self.bodies[stream]) == size, self.bodies


RULES = {}


def rule(section, text, expected, **more):
    """`expected`: FINE, or the words of which one must be seen. `more`: preface."""
    def add(play):
        RULES[f"{section} {text}"] = (play, expected, more)
        return play
    return add


def frames(section, text, expected, *content):
    """A rule about frames that need nothing before them but the preface."""
    rule(section, text, expected)(lambda c: c.send(b"".join(content)))


# 3.4, 4: the preface and frames

rule("3.4", "another preface", ["closed", "goaway 1"], preface=b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + frame(SETTINGS))(lambda c: None)
rule("3.4", "no SETTINGS first", goaway(PROTOCOL), preface=PREFACE + frame(PING, 0, 0, bytes(8)))(lambda c: None)


@rule("3.4", "a request before the server's SETTINGS has come", ["answer 1 200"])
def _(c):
    c.get(1)


frames("4.1", "unknown type", FINE, frame(0x16, 0xFF, 0, bytes(8)), frame(0xF6, 0, 77, b""))
frames("4.1", "unknown flags", FINE, frame(PING, 0xFE, 0, bytes(8)))
frames("4.1", "reserved bit", FINE, frame(PING, 0, 1 << 31, bytes(8)))


@rule("4.2", "DATA of 2^14 octets", ["answer 1 200"])
def _(c):
    c.post(1)
    c.send(frame(DATA, END, 1, bytes(1 << 14)))


@rule("4.2", "DATA beyond SETTINGS_MAX_FRAME_SIZE", reset(SIZE))
def _(c):
    c.post(1)
    c.send(frame(DATA, END, 1, bytes((1 << 14) + 1)))


@rule("4.2", "HEADERS beyond SETTINGS_MAX_FRAME_SIZE", goaway(SIZE))
def _(c):
    c.send(frame(HEADERS, END | END_HEADERS, 1, c.block(("x-big", "b" * (1 << 14)))))


frames("4.3", "index 0", goaway(COMPRESSION), frame(HEADERS, END | END_HEADERS, 1, b"\x80"))
frames("4.3", "index outside of the tables", goaway(COMPRESSION), frame(HEADERS, END | END_HEADERS, 1, b"\xff\x80\x01"))
frames("4.3", "a table larger than allowed", goaway(COMPRESSION), frame(HEADERS, END | END_HEADERS, 1, b"\x3f\xe2\x1f\x82"))
frames("4.3", "EOS in a Huffman string", goaway(COMPRESSION), frame(HEADERS, END | END_HEADERS, 1, b"\x00\x01x\x84\xff\xff\xff\xff"))
frames("4.3", "Huffman padding of a whole octet", goaway(COMPRESSION), frame(HEADERS, END | END_HEADERS, 1, b"\x00\x01x\x82\x1f\xff"))
frames("4.3", "Huffman padding of zeros", goaway(COMPRESSION), frame(HEADERS, END | END_HEADERS, 1, b"\x00\x01x\x81\x18"))


@rule("4.3", "a table size after a field", goaway(COMPRESSION))
def _(c):
    c.send(frame(HEADERS, END | END_HEADERS, 1, c.block() + b"\x20"))


@rule("4.3", "the tables go on through a malformed request", ["answer 3 200"])
def _(c):
    c.get(1, ("te", "gzip"), ("x-kept", "learnt here"))
    c.wait("reset 1 1", "answer 1 400")
    c.get(3, ("x-kept", "learnt here"))
    c.wait("end 3")
    assert b"learnt here" in c.bodies[3], c.bodies


for name, between in {"PRIORITY": frame(PRIORITY, 0, 1, bytes(5)), "DATA": frame(DATA, 0, 1, b"x"), "PING": frame(PING, 0, 0, bytes(8)),
                      "unknown type": frame(0x16, 0, 0, b"x"), "HEADERS on another stream": frame(HEADERS, 5, 3, b"\x82")}.items():
    rule("4.3, 6.10", f"{name} inside of a header block", goaway(PROTOCOL))(
        lambda c, between=between: (c.get(1, flags=END), c.send(between)))

# 5.1: states

frames("5.1", "DATA on an idle stream", goaway(PROTOCOL), frame(DATA, 0, 1, b"x"))
frames("5.1", "RST_STREAM on an idle stream", goaway(PROTOCOL), frame(RST, 0, 1, u32(8)))
frames("5.1", "WINDOW_UPDATE on an idle stream", goaway(PROTOCOL), frame(WINDOW, 0, 1, u32(1)))
frames("5.1", "CONTINUATION on an idle stream", goaway(PROTOCOL), frame(CONTINUATION, END_HEADERS, 1, b"\x82"))
frames("5.1", "PRIORITY on an idle stream", FINE, frame(PRIORITY, 0, 1, bytes(5)))
HALF_CLOSED = {"DATA": (frame(DATA, END, 1, b"x"), reset(CLOSED)), "HEADERS": (None, reset(CLOSED)),
               "CONTINUATION": (frame(CONTINUATION, END_HEADERS, 1, b"\x82"), [*reset(CLOSED), *goaway(PROTOCOL)]),
               "WINDOW_UPDATE": (frame(WINDOW, 0, 1, u32(1)), FINE), "PRIORITY": (frame(PRIORITY, 0, 1, bytes(5)), FINE),
               "RST_STREAM": (frame(RST, 0, 1, u32(8)), FINE)}


def on_half_closed(c, content):
    c.get(1, path="/slow?ms=300")
    c.send(content) if content else c.get(1)


def on_closed(c, content):
    c.get(1)
    c.wait("end 1")
    c.send(content) if content else c.get(1)


def on_reset(c, content):
    c.post(1)
    c.send(frame(RST, 0, 1, u32(8)))
    c.settle()
    c.send(content) if content else c.get(1)


for name, (content, expected) in HALF_CLOSED.items():
    rule("5.1", f"{name} on a half-closed stream", expected)(lambda c, content=content: on_half_closed(c, content))
    rule("5.1", f"{name} on a closed stream", expected)(lambda c, content=content: on_closed(c, content))
    rule("5.1", f"{name} on a stream that was reset", expected)(lambda c, content=content: on_reset(c, content))


@rule("5.1", "frames on their way when the server ends a stream", FINE)
def _(c):
    c.post(1, ("te", "gzip"))
    c.wait("reset 1 1", "answer 1 400")
    c.send(frame(DATA, 0, 1, b"on its way") + frame(WINDOW, 0, 1, u32(1)) + frame(RST, 0, 1, u32(8)))


rule("5.1.1", "an even stream", goaway(PROTOCOL))(lambda c: c.get(2))
rule("5.1.1", "stream 0", goaway(PROTOCOL))(lambda c: c.get(0))
rule("5.1.1", "a stream below an earlier one", goaway(PROTOCOL))(lambda c: (c.get(5), c.wait("end 5"), c.get(3)))
rule("5.1.1", "streams passed over", FINE)(lambda c: (c.get(7), c.wait("end 7"), c.get(15), c.wait("end 15")))


@rule("5.1.2", "more streams than allowed", [*goaway(PROTOCOL), *reset(REFUSED, 201)])
def _(c):
    for stream in range(1, 203, 2):
        c.post(stream)


rule("5.4.1", "the connection closes after GOAWAY", ["closed"])(lambda c: (c.send(frame(DATA, 0, 0, b"")), c.wait("closed")))


@rule("5.4.2", "no RST_STREAM in answer to one", FINE)
def _(c):
    c.post(1)
    c.send(frame(RST, 0, 1, u32(8)))
    c.settle()
    assert not [w for w in c.seen if w.startswith("reset")], c.seen


frames("5.5", "unknown settings", FINE, setting(0xAA, 7))

# 6: frames

frames("6.1", "DATA on stream 0", goaway(PROTOCOL), frame(DATA, 0, 0, b"x"))


@rule("6.1", "padding as long as the payload", goaway(PROTOCOL))
def _(c):
    c.post(1)
    c.send(frame(DATA, END | PADDED, 1, bytes([5]) + bytes(4)))


@rule("6.1", "padding is taken off, and counted by flow control", ["answer 1 200"])
def _(c):
    c.post(1)
    c.settle()  # its window is known
    batch, window = frame(DATA, PADDED, 1, bytes([253]) + b"x" + bytes(253)) * 400, 1 << 18
    for sent in range(0, 8 * 400 * 255, 400 * 255):  # most of a megabyte of padding, and some content
        for one in c.frames() if sent + 400 * 255 > window + c.credit[1] else ():
            c.note(*one)
            if sent + 400 * 255 <= window + c.credit[1]:
                break
        c.send(batch)
    c.send(frame(DATA, END, 1, b""))
    c.wait("end 1")
    assert b'"length": 3200' in c.bodies[1], c.bodies


frames("6.2", "HEADERS on stream 0", goaway(PROTOCOL), frame(HEADERS, END | END_HEADERS, 0, b"\x82"))
rule("6.2", "padding longer than the block", goaway(PROTOCOL))(
    lambda c: c.send(frame(HEADERS, END | END_HEADERS | PADDED, 1, b"\xff" + c.block())))
rule("6.2", "padding and priority", ["answer 1 200"])(
    lambda c: c.send(frame(HEADERS, END | END_HEADERS | PADDED | HAS_PRIORITY, 1, b"\x03" + bytes(4) + b"\x10" + c.block() + bytes(3))))
frames("6.3", "PRIORITY on stream 0", goaway(PROTOCOL), frame(PRIORITY, 0, 0, bytes(5)))
frames("6.3", "PRIORITY of another length", reset(SIZE), frame(PRIORITY, 0, 1, bytes(4)))
frames("6.4", "RST_STREAM on stream 0", goaway(PROTOCOL), frame(RST, 0, 0, u32(8)))
rule("6.4", "RST_STREAM of another length", goaway(SIZE))(lambda c: (c.post(1), c.send(frame(RST, 0, 1, bytes(3)))))
frames("6.5", "ACK with a payload", goaway(SIZE), frame(SETTINGS, ACK, 0, bytes(6)))
frames("6.5", "SETTINGS on a stream", goaway(PROTOCOL), frame(SETTINGS, 0, 1, bytes(6)))
frames("6.5", "SETTINGS of another length", goaway(SIZE), frame(SETTINGS, 0, 0, bytes(5)))
frames("6.5.2", "ENABLE_PUSH of 2", goaway(PROTOCOL), setting(2, 2))
frames("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", goaway(FLOW), setting(4, 1 << 31))
frames("6.5.2", "MAX_FRAME_SIZE below 2^14", goaway(PROTOCOL), setting(5, (1 << 14) - 1))
frames("6.5.2", "MAX_FRAME_SIZE of 2^24", goaway(PROTOCOL), setting(5, 1 << 24))
frames("RFC 8441, 3", "ENABLE_CONNECT_PROTOCOL of 2", goaway(PROTOCOL), setting(8, 2))


@rule("6.5.3", "SETTINGS are acknowledged each", FINE)
def _(c):
    c.settle()
    before = c.seen.count("settings ack")
    c.send(setting(4, 100) + setting(3, 7) + frame(SETTINGS, 0, 0, b""))
    c.settle()
    assert c.seen.count("settings ack") == before + 3, c.seen


@rule("6.5.3", "values are taken in order", FINE)
def _(c):
    c.send(frame(SETTINGS, 0, 0, struct.pack(">HIHI", 4, 100, 4, 1)))
    c.get(1)
    c.content(1, 1)


@rule("6.5.2", "a smaller HEADER_TABLE_SIZE is heeded and told", FINE)
def _(c):
    c.get(1)
    c.wait("end 1")
    c.send(setting(1, 0))
    c.decoder.max_allowed_table_size = 0
    c.get(3)
    c.wait("end 3")
    assert c.blocks[3][0] == 0x20, c.blocks[3][:4]


@rule("6.5.2", "MAX_FRAME_SIZE is heeded", FINE)
def _(c):
    c.send(setting(4, 1 << 20) + frame(WINDOW, 0, 0, u32(1 << 20)))
    c.get(1, path="/stream?bytes=100000")
    for kind, flags, stream, payload in c.frames():
        assert len(payload) <= 1 << 14, len(payload)
        c.note(kind, flags, stream, payload)
        if "end 1" in c.seen:
            break


@rule("6.6", "PUSH_PROMISE of a client", goaway(PROTOCOL))
def _(c):
    c.post(1)
    c.send(frame(PUSH, END_HEADERS, 1, u32(2) + c.block()))


frames("6.7", "PING is answered with its own content", ["ping ack 8 octets"], frame(PING, 0, 0, b"8 octets"))
frames("6.7", "PING on a stream", goaway(PROTOCOL), frame(PING, 0, 1, bytes(8)))
frames("6.7", "PING of another length", goaway(SIZE), frame(PING, 0, 0, bytes(7)))


@rule("6.7", "an answer to a PING is not answered", FINE)
def _(c):
    c.send(frame(PING, ACK, 0, b"answered"))
    c.settle()
    assert "ping ack answered" not in c.seen, c.seen


frames("6.8", "GOAWAY on a stream", goaway(PROTOCOL), frame(GOAWAY, 0, 1, bytes(8)))


@rule("6.8", "streams go on after GOAWAY of the client", ["end 1"])
def _(c):
    c.get(1, path="/slow?ms=100")
    c.send(frame(GOAWAY, 0, 0, u32(0) + u32(0)))


frames("6.9", "an increment of 0", goaway(PROTOCOL), frame(WINDOW, 0, 0, u32(0)))
rule("6.9", "an increment of 0 on a stream", reset(PROTOCOL))(lambda c: (c.post(1), c.send(frame(WINDOW, 0, 1, u32(0)))))
frames("6.9", "WINDOW_UPDATE of another length", goaway(SIZE), frame(WINDOW, 0, 0, bytes(3)))
frames("6.9.1", "a window over 2^31-1", goaway(FLOW), frame(WINDOW, 0, 0, u32((1 << 31) - 1)))
rule("6.9.1", "a stream's window over 2^31-1", reset(FLOW))(lambda c: (c.post(1), c.send(frame(WINDOW, 0, 1, u32((1 << 31) - 1)))))


@rule("6.9.1", "a stream's window is heeded", FINE)
def _(c):
    c.send(setting(4, 10))
    c.get(1, path="/stream?bytes=1000")
    c.content(1, 10)
    c.send(frame(WINDOW, 0, 1, u32(7)))
    c.content(1, 17)
    c.send(setting(4, 1000))  # 6.9.2
    c.content(1, 1000)


@rule("6.9.2", "a window may become negative", FINE)
def _(c):
    c.send(setting(4, 100))
    c.get(1, path="/stream?bytes=1000")
    c.content(1, 100)
    c.send(setting(4, 40) + frame(WINDOW, 0, 1, u32(60)))
    c.content(1, 100)
    c.send(frame(WINDOW, 0, 1, u32(5)))
    c.content(1, 105)


@rule("6.9.1", "the connection's window is heeded", FINE)
def _(c):
    c.send(setting(4, 1 << 20))
    c.get(1, path="/stream?bytes=100000")
    c.get(3, path="/stream?bytes=100000")
    c.wait("silent", patience=1)
    c.seen.remove("silent")
    assert sum(map(len, c.bodies.values())) == 65535, c.bodies.keys()
    c.send(frame(WINDOW, 0, 0, u32(1 << 20)))
    c.wait("end 1")
    c.wait("end 3")


@rule("6.9.1", "more than the window", reset(FLOW))
def _(c):
    c.post(1, path="/never")
    for _ in range(40):
        c.send(frame(DATA, 0, 1, bytes(1 << 14)))


frames("6.10", "CONTINUATION on stream 0", goaway(PROTOCOL), frame(CONTINUATION, END_HEADERS, 0, b"\x82"))
rule("6.10", "CONTINUATION after END_HEADERS", goaway(PROTOCOL))(
    lambda c: (c.post(1), c.send(frame(CONTINUATION, END_HEADERS, 1, b"\x82"))))
rule("6.10", "CONTINUATION after DATA", goaway(PROTOCOL))(
    lambda c: (c.post(1), c.send(frame(DATA, 0, 1, b"x") + frame(CONTINUATION, END_HEADERS, 1, b"\x82"))))
rule("6.10", "CONTINUATION on another stream", goaway(PROTOCOL))(
    lambda c: (c.get(1, flags=END), c.send(frame(CONTINUATION, END_HEADERS, 3, b"\x82"))))


@rule("6.10", "a block in many pieces", ["answer 1 200"])
def _(c):
    block = c.block(("x-a", "1" * 100))
    c.send(frame(HEADERS, END, 1, block[:1]))
    for at in range(1, 6):
        c.send(frame(CONTINUATION, 0, 1, block[at:at + 1]))
    c.send(frame(CONTINUATION, END_HEADERS, 1, block[6:]))


rule("7", "an unknown error code", FINE)(lambda c: (c.post(1), c.send(frame(RST, 0, 1, u32(0xFF)))))

# 8: messages. What is malformed is a stream error; a server may answer it first (8.1.1).


def malformed(section, text, *more, body=None, **shape):
    def play(c):
        c.post(1, *more, **shape) if body is not None else c.get(1, *more, **shape)
        for piece in body or ():
            c.send(piece)
    rule(section, text, [*reset(PROTOCOL), "answer 1 400", "answer 1 405"])(play)


malformed("8.1", "trailers without END_STREAM", body=[frame(HEADERS, END_HEADERS, 1, b"\x00\x01x\x011")])
malformed("8.1.1", "a content-length too small", ("content-length", "1"), body=[frame(DATA, END, 1, b"test")])
malformed("8.1.1", "a content-length too large", ("content-length", "9"), body=[frame(DATA, 0, 1, b"te"), frame(DATA, END, 1, b"st")])
malformed("8.1.1", "a content-length without content", ("content-length", "5"))

@rule("8.2.1", "octets that no name has", FINE)
def _(c):
    octets = [*range(0x00, 0x21), *range(0x41, 0x5B), *range(0x7F, 0x100)]
    for stream, octet in enumerate(octets):
        c.get(101 + 2 * stream, (b"x-" + bytes([octet]), b"1"))
        c.wait(*(f"{word} {101 + 2 * stream} {code}" for word, code in (("reset", 1), ("answer", 400))))
    c.settle()
    refused = [w for w in c.seen if w.startswith("reset") or w.endswith(" 400")]
    assert len(refused) == len(octets), c.seen


malformed("8.2.1", "a colon in a name", ("x:y", "1"))
malformed("8.2.1", "an empty name", ("", "1"))
for octet in (0x00, 0x0A, 0x0D):
    malformed("8.2.1", f"octet {octet:#x} in a value", (b"x-a", b"1" + bytes([octet]) + b"2"))
for value in (" 1", "1 ", "\t1", "1\t"):
    malformed("8.2.1", f"a value {value!r}", ("x-a", value))
for name in ("connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"):
    malformed("8.2.2", f"{name}", (name, "close" if "connection" in name else "1"))
malformed("8.2.2", "te other than trailers", ("te", "trailers, deflate"))
malformed("8.3", "an unknown pseudo-header", (":unknown", "1"))
malformed("8.3", "a pseudo-header of answers", (":status", "200"))
malformed("8.3", "a pseudo-header in trailers", body=[frame(HEADERS, END | END_HEADERS, 1, b"\x84")])
malformed("8.3", "a pseudo-header after a field", ("x-a", "1"), (":path", "/rule"), path=None)
malformed("8.3.1", "an empty path", path="")
malformed("8.3.1", "a path without a slash", path="rule")
for name in ("method", "scheme", "path"):
    malformed("8.3.1", f"no :{name}", **{name: None})
    malformed("8.3.1", f":{name} twice", (f":{name}", {"method": "GET", "scheme": "https", "path": "/rule"}[name]))
malformed("8.3.1", "userinfo in :authority", authority="user@h2.example")
malformed("8.3.1", "a Host that is not :authority", ("host", "other.example"))
malformed("8.5", "CONNECT with a path", method="CONNECT")

rule("8.1", "interim and trailers of the client", ["answer 1 200"])(
    lambda c: (c.post(1), c.send(frame(DATA, 0, 1, b"x") + frame(HEADERS, END | END_HEADERS, 1, b"\x00\x03x-t\x011"))))
rule("8.2.1", "octets above 0x7f in a value", ["answer 1 200"])(lambda c: c.get(1, (b"x-a", "é€".encode())))
rule("8.2.2", "te: trailers", ["answer 1 200"])(lambda c: c.get(1, ("te", "trailers")))
rule("8.3.1", "OPTIONS *", ["answer 1 200"])(lambda c: c.get(1, method="OPTIONS", path="*"))
rule("8.3.1", "Host in place of :authority", ["answer 1 200"])(lambda c: c.get(1, ("host", c.host), authority=None))


def happens(play, expected, more, host, port, tls):
    """What was seen, and whether that is as the rule wants it."""
    c = Session(host, port, tls, **more)
    try:
        play(c)
        if expected == FINE:
            c.get(9999)
            c.wait("answer 9999 200")
            return c.seen, "answer 9999 200" in c.seen and not any(w.startswith("goaway") for w in c.seen)
        c.wait(*expected)
        return c.seen, bool(set(expected) & set(c.seen))
    except (OSError, AssertionError) as error:  # the peer may be gone before everything is sent
        c.seen.append(repr(error))
        if isinstance(error, OSError):
            c.wait(*(expected if expected != FINE else []))
        return c.seen, expected != FINE and bool(set(expected) & set(c.seen))
    finally:
        c.sock.close()


if __name__ == "__main__":
    to = (sys.argv[1], int(sys.argv[2]), sys.argv[3] == "tls")
    print(json.dumps({name: happens(*each, *to) for name, each in RULES.items()}))
