"""Entries udp://HOST:PORT: datagrams are relayed to what the gateway resolved, one flow is one record, and what is lost is told."""
from __future__ import annotations

import subprocess

import pytest

from test_dns_flood import WIDE_QUEUE, flood_while_it_stands_still, told_as_lost
from world import names
from world.fake_internet import PYTHON

PORT = 5399
HOST = "raw.example"
ECHO = """
import socket, sys
where = sys.argv[1], int(sys.argv[2])
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(where)
sign_of_life = socket.create_server(where)
while True:
    content, peer = datagrams.recvfrom(65535)
    datagrams.sendto(content, peer)
"""


@pytest.fixture(scope="session", autouse=True)
def echo(world):
    script = world.folder / "state" / "udp_echo.py"
    script.write_text(ECHO)
    world.serve_at("udp-echo", (names.RAW, PORT), PYTHON, str(script), names.RAW, str(PORT))


def send(world, address: str, port: int, text: str) -> str:
    return f"{PYTHON} {world.scripts}/datagram.py udp {address} {port} {text}"


@pytest.mark.parametrize("dialled, entry", [(HOST, f"udp://{HOST}:{PORT}"), (names.RAW, f"udp://{names.RAW}:{PORT}"),
                                            (names.RAW, f"udp://93.184.216.0/24:{PORT}")])
def test_listed_destination_is_reached(world, gateway, nonce, user, dialled, entry):
    done = gateway.run(send(world, dialled, PORT, nonce), [entry], user=user)
    assert done.out.startswith("answered") and nonce in done.out, done
    (record,) = done.of_type("connection")
    assert (record["decision"]["action"], record["decision"]["rule"]) == ("allow", entry), record
    sent, received = record["connection"]["bytes_sent"], record["connection"]["bytes_received"]
    assert record["connection"]["protocol"] == "udp" and sent == received == len(nonce), record


@pytest.mark.parametrize("address, port", [(names.RAW, PORT + 1), (names.ATTACKER, PORT), ("echo.example", PORT), ("10.1.2.3", PORT)])
def test_other_destinations_are_not(world, gateway, nonce, address, port):
    control = send(world, HOST, PORT, "control")
    done = gateway.run(f"{control}; {send(world, address, port, nonce)}; {control}", [f"udp://{HOST}:{PORT}", "dns:echo.example"])
    first, attempt, last = done.out.splitlines()
    assert "control" in first and "control" in last and not attempt.startswith("answered"), done
    assert world.traces(nonce) == [] and len(done.denied()) == 1, done


def test_every_datagram_of_a_flood_is_relayed_or_told_as_lost(world, gateway):
    size = 100
    running = gateway.start([PYTHON, f"{world.scripts}/flood.py", names.RAW, str(PORT), str(PORT), "5000", bytes(size).hex()],
                            [f"udp://{names.RAW}:{PORT}"], policy={"dns": WIDE_QUEUE}, stdin=subprocess.PIPE)
    sent, dropped = flood_while_it_stands_still(running)
    records = running.records()
    relayed = sum(r["connection"]["bytes_sent"] for r in records if r["type"] == "connection") // size
    assert told_as_lost(records) == dropped and relayed == sent - dropped
