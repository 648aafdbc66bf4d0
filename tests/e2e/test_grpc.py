"""gRPC through the gateway, with Python's and Go's own clients and servers: each call judged, all kinds of streams, statuses, deadlines."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from served import wait_until
from test_http2 import http2_records
from world import names
from world.fake_internet import PYTHON

SIZE = 64 << 20
GO_LIBRARIES = "/usr/share/gocode"  # of Debian's golang-google-grpc-dev: no module is fetched

PYTHON_SERVER = """
import sys, grpc, concurrent.futures
def size(request, context): return str(len(request)).encode()
def many(request, context):
    for _ in range(int(request)): yield b"x" * (1 << 20)
def upload(requests, context): return str(sum(len(r) for r in requests)).encode()
def echo(requests, context): yield from requests
def fail(request, context): context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked")
class Handler(grpc.GenericRpcHandler):
    def service(self, call):
        return {"/t.T/size": grpc.unary_unary_rpc_method_handler(size), "/t.T/many": grpc.unary_stream_rpc_method_handler(many),
                "/t.T/upload": grpc.stream_unary_rpc_method_handler(upload), "/t.T/fail": grpc.unary_unary_rpc_method_handler(fail),
                "/t.T/echo": grpc.stream_stream_rpc_method_handler(echo)}.get(call.method)
pem = open(sys.argv[1], "rb").read()
server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
server.add_generic_rpc_handlers((Handler(),))
server.add_secure_port(sys.argv[2] + ":443", grpc.ssl_server_credentials([(pem, pem)]))
server.start(); server.wait_for_termination()
"""

PYTHON_CLIENT = """
import os, grpc
roots = open("/etc/ssl/certs/ca-certificates.crt", "rb").read()
channel = grpc.secure_channel("grpc.example:443", grpc.ssl_channel_credentials(roots),
                              options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)])
same = lambda b: b
big = bytes(64 << 20)
print(channel.unary_unary("/t.T/size", same, same)(big))
print(sum(len(m) for m in channel.unary_stream("/t.T/many", same, same)(b"64")))
print(channel.stream_unary("/t.T/upload", same, same)(iter([big[:1 << 20]] * 64)))
print([len(m) for m in channel.stream_stream("/t.T/echo", same, same)(iter([b"a", big, b"c"]))])
try:
    channel.unary_unary("/t.T/fail", same, same)(b"")
except grpc.RpcError as error:
    print(error.code().name, error.details())
try:
    channel.unary_unary("/t.T/denied", same, same)(b"")
except grpc.RpcError as error:
    print(error.code().name)
"""


def test_python(world, gateway):
    server = world.folder / "state" / "grpc_server.py"
    server.write_text(PYTHON_SERVER)
    world.serve_at("grpc", (names.GRPC, 443), PYTHON, str(server), str(world.authority.folder / "grpc.example.pem"), names.GRPC)
    calls = ("size", "many", "upload", "echo", "fail")
    done = gateway.run([PYTHON, "-"], [f"https://grpc.example/t.T/{c}" for c in calls], input=PYTHON_CLIENT.encode(), timeout=200)
    assert done.out.splitlines() == [f"b'{SIZE}'", str(SIZE), f"b'{SIZE}'", f"[1, {SIZE}, 1]", "FAILED_PRECONDITION as asked",
                                     "PERMISSION_DENIED"], done
    reasons = [(r["request"]["path"], r["decision"]["action"], r["close_reason"]) for r in http2_records(done)]
    assert reasons == [*((f"/t.T/{c}", "allow", "completed") for c in calls), ("/t.T/denied", "deny", "path_not_allowed")], done


@pytest.fixture(scope="session")
def go_program(world) -> Path:
    """fixtures/grpc/main.go, built: client and server in one."""
    program = world.folder / "tools" / "go-grpc"
    subprocess.run(["go", "build", "-o", str(program), str(Path(__file__).parent / "fixtures" / "grpc" / "main.go")], check=True,
                   env={**os.environ, "GO111MODULE": "off", "GOPATH": GO_LIBRARIES, "GOFLAGS": "", "GOTOOLCHAIN": "local"})
    return program


SERVICE = "/grpc.testing.TestService"
GO_OUTCOMES = [
    ("unary", r'true [[one two]] ["\x00\xff"]'), ("server-stream", str(SIZE)), ("client-stream", str(SIZE)), ("conversation", "100 EOF"),
    ("many", "50"), ("failure", "FailedPrecondition: as asked: 100% ü"),
    ("unimplemented", "Unimplemented: method HalfDuplexCall not implemented"), ("deadline", "DeadlineExceeded: context deadline exceeded"),
    ("cancellation", "Canceled: context canceled"), ("unlisted", "PermissionDenied: "), ("after", r'true [[one two]] ["\x00\xff"]')]


def test_go(world, gateway, go_program):
    certificate = world.authority.folder / "grpc.example.pem"
    world.serve_at("go-grpc", (names.GRPC, 8443), str(go_program), "serve", f"{names.GRPC}:8443", str(certificate))
    done = gateway.run([str(go_program), "call", "grpc.example:8443", str(SIZE >> 20)], [f"https://grpc.example:8443{SERVICE}/"],
                       timeout=300)
    said = [line.split(" ", 1) for line in done.out.splitlines()]
    assert [name for name, _ in said] == [name for name, _ in GO_OUTCOMES], done
    other = [(name, outcome) for (name, outcome), (_, expected) in zip(said, GO_OUTCOMES) if not outcome.startswith(expected)]
    assert other == [], done
    log = world.folder / "state" / "go-grpc.log"
    wait_until(lambda: sorted(log.read_text().splitlines()) == ["stream Canceled", "unary true"], log.read_text)
    calls = [(r["request"]["path"].removeprefix(f"{SERVICE}/"), r["close_reason"]) for r in http2_records(done)]
    completed = ["UnaryCall"] * 52 + ["StreamingOutputCall", "StreamingInputCall", "FullDuplexCall", "EmptyCall", "HalfDuplexCall"]
    expected = [*((call, "completed") for call in completed), ("FullDuplexCall", "client_closed"), ("/grpc.testing.Other/Call", "path_not_allowed")]
    # The deadline is the server's too: whose clock is first ends the call.
    assert sorted(calls) in [sorted([*expected, ("UnaryCall", ended)]) for ended in ("client_closed", "completed")], done
