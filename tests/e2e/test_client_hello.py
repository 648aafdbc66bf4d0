"""ClientHellos that no honest client sends: judged in canonical form, or refused before a leaf is minted. No early data."""
from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "job_scripts"))
from client_hello import server_name  # noqa: E402

HOST = "echo.example"
ALLOW = [f"https://{HOST}/", "https://xn--bcher-kva.example/"]
CONTROL = f"curl -fsS -o /dev/null https://{HOST}/control && echo control"


def malformed(nonce: bytes) -> dict[str, list[tuple[int, bytes]]]:
    """Server names that two readers could take differently; as the extensions of a hello."""
    name = HOST.encode()
    number, good = server_name(name)
    return {
        "two extensions": [server_name(name), server_name(nonce + b".test")],
        "two extensions, the denied one first": [server_name(nonce + b".test"), server_name(name)],
        "two names": [server_name(name, nonce + b".test")], "the same name twice": [server_name(name, name)],
        "NUL behind": [server_name(name + b"\0." + nonce)], "NUL before": [server_name(nonce + b"\0." + name)],
        "another kind of name": [server_name(name, kind=1)], "no name": [server_name(b"")], "no list": [(number, b"")],
        "an empty list": [(number, b"\0\0")], "over 255 octets": [server_name((nonce + b".") * 13 + name)],
        "a list that is too long": [(number, (len(good) + 1).to_bytes(2, "big") + good[2:])],
        "a list that is too short": [(number, (len(good) - 3).to_bytes(2, "big") + good[2:])],
        "octets behind the list": [(number, good + nonce)]}


def no_names(nonce: bytes) -> list[bytes]:
    """What is no host name, or an address; none of it may be taken for the address that was dialled, or be dialled."""
    name = HOST.encode()
    return [b"93.184.216.20", b"127.0.0.1", b"127.1", b"0x7f.0.0.1", b"2130706433", b"169.254.169.254.", b"[::1]", b"2606:4700:1::20",
            b"::ffff:93.184.216.20", name + b":443", name + b"/" + nonce, nonce + b"@" + name, b"*.example", b"..", b"." + name, name + b"..",
            b"echo..example", b"-" + name, nonce * 4 + b"." + name, b" " + name, name + b"\n" + nonce, name + b"\r\nX: " + nonce,
            b"\x1b[31m" + nonce, nonce + b"\x9b2J", b"\xff\xfe" + nonce, b"%00" + nonce, b"xn--\xc3\xbc." + nonce + b".test"]


def offer(world, gateway, hellos: list[list[tuple[int, bytes]]], **more):
    """Sends each hello between two controls; gives the job and what came back for each."""
    lines = "".join(json.dumps([(number, body.hex()) for number, body in extensions]) + "\n" for extensions in hellos)
    done = gateway.run(f"{CONTROL}; /usr/bin/python3 {world.scripts}/client_hello.py {HOST}; {CONTROL}", ALLOW, input=lines.encode(), **more)
    first, *outcomes, last = done.out.split()
    assert (first, last, len(outcomes)) == ("control", "control", len(hellos)), done
    return done, outcomes


def upstream_names(done) -> set[str]:
    return {e["sni"] for e in done.events if e["kind"] == "tls"}


@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_ambiguous_server_name_is_refused_before_there_is_a_leaf(world, gateway, nonce, mode):
    hellos = malformed(nonce.encode())
    done, outcomes = offer(world, gateway, list(hellos.values()), options=["--mode", mode])
    assert [(what, got) for what, got in zip(hellos, outcomes) if got == "handshake"] == [], done
    assert [r["decision"]["reason"] for r in done.denied()] == ["malformed_client_hello"] * len(hellos), done
    assert world.traces(nonce) == [] and upstream_names(done) == {HOST}, done


def test_server_name_that_is_no_name_is_refused_before_there_is_a_leaf(world, gateway, nonce):
    hostile = no_names(nonce.encode())
    done, outcomes = offer(world, gateway, [[server_name(each)] for each in hostile])
    assert [(name, got) for name, got in zip(hostile, outcomes) if got == "handshake"] == [], done
    assert [r["decision"]["reason"] for r in done.denied()] == ["malformed_name"] * len(hostile), done
    assert world.traces(nonce) == [] and upstream_names(done) == {HOST}, done
    log = (done.folder / "gateway" / "audit.jsonl").read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", log), "control characters and bare octets are escaped"


SPELLINGS = {b"ECHO.Example": HOST, b"echo.example.": HOST, b"XN--BCHER-KVA.example": "xn--bcher-kva.example",
             "Bücher.example".encode(): "xn--bcher-kva.example"}
LEFT = "client_rejected_leaf"  # what the record calls a client that goes away when it has seen the leaf
GREASE = [(0x0A0A, b""), (0x1A1A, b"\0"), (0xFE0D, b"\0\0\1\0\1\7\0\x20" + bytes(32) + b"\0\x90" + bytes(144))]  # RFC 8701, RFC 9849


def test_other_spellings_are_judged_dialled_and_recorded_as_the_name(world, gateway):
    done, outcomes = offer(world, gateway, [[server_name(each)] for each in SPELLINGS])
    assert outcomes == ["handshake"] * len(SPELLINGS) and upstream_names(done) == set(SPELLINGS.values()), done
    recorded = [(r["connection"]["sni"], r["decision"]["reason"]) for r in done.of_type("connection")]
    assert recorded == [(name, LEFT) for name in SPELLINGS.values()], done


def test_what_is_unknown_in_a_hello_is_tolerated_and_the_outer_name_is_judged(world, gateway, nonce):
    """Unknown extensions, and one for an encrypted hello: nobody but its server can tell it from random bytes."""
    denied = f"{nonce}.test".encode()
    done, outcomes = offer(world, gateway, [[GREASE[0], server_name(HOST.encode()), *GREASE[1:]], [server_name(denied), *GREASE]])
    assert outcomes == ["handshake", "handshake"], "the denied name is told why, under the gateway's own leaf"
    assert upstream_names(done) == {HOST} and world.traces(nonce) == [], done
    recorded = [(r["connection"]["sni"], r["decision"]["reason"]) for r in done.of_type("connection")]
    assert recorded == [(HOST, LEFT), (denied.decode(), "not_in_allow_list")], done


# Of a session that its server gave no leave for early data: a client that sends some all the same.
FORGE = """
import ctypes
ssl, crypto = ctypes.CDLL("libssl.so.3"), ctypes.CDLL("libcrypto.so.3")
for function in (ssl.PEM_read_bio_SSL_SESSION, crypto.BIO_new_file): function.restype = ctypes.c_void_p
file = ctypes.c_void_p(crypto.BIO_new_file(b"session", b"r"))
session = ctypes.c_void_p(ssl.PEM_read_bio_SSL_SESSION(file, None, None, None))
print("leave for", ssl.SSL_SESSION_get_max_early_data(session))
ssl.SSL_SESSION_set_max_early_data(session, 16384)
file = ctypes.c_void_p(crypto.BIO_new_file(b"forged", b"w"))
ssl.PEM_write_bio_SSL_SESSION(file, session)
crypto.BIO_free(file)
"""
SEND = f"openssl s_client -connect {HOST}:443 -servername {HOST} -tls1_3 -ign_eof"
GET = "GET /{} HTTP/1.1\\r\\nHost: " + HOST + "\\r\\nConnection: close\\r\\n\\r\\n"


def test_early_data_is_refused(world, gateway, nonce):
    """0-RTT can be replayed: no session allows it, and what is sent all the same is not read; the handshake goes on without it."""
    folder = world.job_folder()
    (folder / "work" / "forge.py").write_text(FORGE)
    done = gateway.run(f"printf '{GET.format('before')}' | {SEND} -sess_out session > first; /usr/bin/python3 forge.py;"
                       f"printf '{GET.format(nonce)}' > early; printf '{GET.format('after')}' | {SEND} -sess_in forged -early_data early",
                       ALLOW, folder=folder)
    assert "leave for 0\n" in done.out and "Early data was rejected" in done.out and '"target": "/after"' in done.out, done
    assert [e["target"] for e in done.requests()] == ["/before", "/after"] and world.traces(nonce) == [], done
    assert [r["request"]["path"] for r in done.of_type("http")] == ["/before", "/after"], done
