"""Streams of bytes to host:port lines: both directions, their ends, and what breaks; the record says who ended it."""
from __future__ import annotations

import base64
import shlex

import pytest

ECHO, SILENT, ABRUPT = "raw.example:7", "raw.example:9", "raw.example:11"
CLIENT = """
import socket, struct, time
def dial(port):
    made = socket.create_connection(("raw.example", port), timeout=20)
    made.settimeout(20)
    return made
def rest(connection):
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionResetError:
        return got, "reset"
    return got, "end"
def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
"""


@pytest.fixture
def talk(gateway):
    """Runs Python text as the job, with CLIENT's functions in reach; gives the run and its one relayed connection's record."""
    def run(text: str, line: str, **policy):
        done = gateway.run(f"/usr/bin/python3 -c {shlex.quote(CLIENT + text)}", [line], policy=policy)
        records = done.of_type("connection")
        assert done.code == 0 and len(records) == 1 and done.denied() == [], done
        return done, records[0]["connection"]
    return run


def test_server_that_speaks_first(gateway):
    done = gateway.run("socat -u -T2 TCP:raw.example:2222 -; socat -u -T2 TCP:raw.example:22 -; true", ["raw.example:2222"])
    assert done.out == "SSH-2.0-fixture_1.0\r\n", done
    assert len([r for r in done.of_type("connection") if r["decision"]["action"] == "deny"]) == 1, done


def test_half_close_and_large_echo_through_a_splice(gateway):
    done = gateway.run("head -c 5000000 /dev/urandom > a; socat -t10 - TCP:raw.example:7 < a > b; cmp a b && echo same",
                       ["raw.example:7"])
    assert "same" in done.out, done


def test_reset_by_the_server_is_a_reset_for_the_client_too(talk):
    """What the server had said before arrives; nobody takes half an answer for the whole."""
    done, record = talk("c = dial(11); c.sendall(b'question\\n'); print(*rest(c))", ABRUPT)
    assert done.out == "b'enough' reset\n" and record["close_reason"] == "upstream_closed", done
    assert (record["bytes_sent"], record["bytes_received"]) == (9, 6) and "the server closed the connection early" in done.err, done


def test_reset_by_the_server_in_the_middle_of_an_upload(talk):
    done, record = talk("""
c = dial(11)
try:
    while True: c.sendall(bytes(65536))
except (ConnectionResetError, BrokenPipeError): print("cut")""", ABRUPT)
    assert done.out == "cut\n" and record["close_reason"] == "upstream_closed", done


def test_reset_by_the_server_after_the_client_had_ended_is_no_failure(talk):
    """PostgreSQL does so with whoever says good-bye in TLS; the client is gone, or waits only for the end."""
    done, record = talk("c = dial(11); c.sendall(b'last words'); c.shutdown(socket.SHUT_WR); print(rest(c)[0])", ABRUPT)
    assert done.out == "b'enough'\n" and record["close_reason"] == "completed" and "failed" not in done.err, done


def test_reset_by_the_client_reaches_the_server(world, talk, nonce):
    done, record = talk(f"c = dial(9); c.sendall(b'{nonce}\\n'); time.sleep(0.5); reset(c); time.sleep(0.5)", SILENT)
    assert record["close_reason"] == "client_closed" and record["bytes_sent"] == len(nonce) + 1, done
    world.settle()
    heard = [r["conn"] for r in world.evidence.events(kind="raw") if r["bytes"] == base64.b64encode(f"{nonce}\n".encode()).decode()]
    broke = [r["error"] for r in world.evidence.events(kind="error") if r["conn"] in heard]
    assert len(heard) == 1 and "ConnectionResetError" in str(broke), (heard, broke)


def test_reset_by_the_client_that_does_not_read(talk):
    done, record = talk("""
c = dial(7)
c.settimeout(1)
try:
    while True: c.sendall(bytes(65536))
except TimeoutError: pass
reset(c)""", ECHO)
    assert record["close_reason"] == "client_closed", done


def test_stream_that_stalls_is_reset_and_not_ended(talk):
    """Nobody knows whether what came before was all."""
    done, record = talk("c = dial(7); c.sendall(b'half\\n'); print(*rest(c))", ECHO, limits={"stream_idle_timeout": "1s"})
    assert done.out == "b'half\\n' reset\n" and record["close_reason"] == "upstream_timed_out", done
