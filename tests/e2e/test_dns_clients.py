"""Every resolver that jobs use finds an allowed name as with a good resolver, and learns of a refusal at once."""
from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from world import names
from world.homes import BUILDER

ALLOW = ["https://echo.example/", "https://svc.example/", "dns:missing.example"]
SOURCES = Path(__file__).parent / "fixtures" / "resolvers"
REFUSAL_MS = 10  # of the best of several, as the machine has other things to do
SHORTEST_TIMEOUT_MS = 1000  # of all these clients; dnspython's is 2 s, the others' 5 s
VIRTUAL = re.compile(r"198\.1[89]\.\d+\.\d+")
OWN_PROGRAMS = ["musl", "glibc", "go", "node", "java", "dnspython"]


@pytest.fixture(scope="session")
def lookups(world) -> dict[str, list[str]]:
    """Command lines of programs that print `NAME ADDRESS|none|failed MILLISECONDS` for each name of their arguments."""
    folder = world.folder / "resolvers"
    shutil.copytree(SOURCES, folder)
    build = {"musl": ["musl-gcc", "-static", "-O1", "-o", "lookup-musl", "lookup.c"],
             "glibc": ["gcc", "-O1", "-o", "lookup-glibc", "lookup.c"],
             "go": ["go", "build", "-o", "lookup-go", "lookup.go"],
             "java": ["javac", "Lookup.java"]}
    for argv in build.values():
        subprocess.run(argv, cwd=folder, check=True)
    return {**{name: [str(folder / f"lookup-{name}")] for name in ("musl", "glibc", "go")},
            "node": ["node", str(folder / "lookup.mjs")], "java": ["java", "-cp", str(folder), "Lookup"],
            "dnspython": ["/usr/bin/python3", str(folder / "lookup.py")]}


def outcomes(done) -> dict[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = {}
    for name, outcome, milliseconds in (line.split() for line in done.out.splitlines()):
        found.setdefault(name, []).append((outcome, float(milliseconds)))
    return found


@pytest.mark.parametrize("client", OWN_PROGRAMS)
def test_library_resolves_and_learns_of_refusals_at_once(world, gateway, nonce, lookups, client):
    refused = [f"{n}.{nonce}.test" for n in range(6)]
    done = gateway.run([*lookups[client], "echo.example", "missing.example", *refused, "svc.example", "echo.example"], ALLOW,
                       user=BUILDER)
    found = outcomes(done)
    assert all(VIRTUAL.fullmatch(outcome) for name in ("echo.example", "svc.example") for outcome, _ in found[name]), done
    assert all(outcome == "none" for outcome, _ in found["missing.example"]), done
    answers = [answer for name in refused for answer in found[name]]
    assert all(outcome in ("none", "failed") for outcome, _ in answers), done
    assert max(ms for _, ms in answers) < SHORTEST_TIMEOUT_MS, f"by time-out, not by refusal: {done}"
    assert min(ms for _, ms in answers) < REFUSAL_MS, done
    assert world.traces(nonce) == []
    assert all(done.about(name, "dns") for name in refused), done


@pytest.mark.parametrize("command", ["getent ahosts {} | head -1", "getent hosts {}", "busybox nslookup {}",
                                     "busybox nslookup -type=a {}", "ping -c1 -W1 {} 2>&1 | head -1"])
def test_tool_of_the_system_resolves_and_learns_of_refusals_at_once(world, gateway, nonce, command):
    def timed(name: str) -> str:
        return f"begin=$(date +%s%N); {command.format(name)}; echo took $((($(date +%s%N) - begin) / 1000000))"

    done = gateway.run("; ".join(timed(n) for n in ("echo.example", "missing.example", f"{nonce}.test", "echo.example")), ALLOW)
    first, missing, refused, again = re.split(r"took \d+\n", done.out)[:4]
    times = [int(ms) for ms in re.findall(r"took (\d+)", done.out)]
    assert VIRTUAL.search(first) and VIRTUAL.search(again), done
    assert not VIRTUAL.search(missing) and not VIRTUAL.search(refused), done
    assert times[2] < 2 * SHORTEST_TIMEOUT_MS, f"by time-out, not by refusal: {done}"
    assert world.traces(nonce) == [] and done.about(nonce, "dns"), done


DIG_WAYS = ["+notcp", "+tcp", "+noedns", "+edns=0 +bufsize=4096", "+cookie", "+nocookie", "+subnet=203.0.113.0/24", "+dnssec",
            "+dnssec +cdflag", "+noad", "+padding=468", "+nsid", "+keepopen +tcp"]


@pytest.mark.parametrize("way", DIG_WAYS)
def test_dig_sees_a_good_resolver(world, gateway, nonce, way):
    ask = f"dig +tries=1 +time=5 {way} "
    done = gateway.run(f"{ask}echo.example; {ask}eChO.ExAmPlE; {ask}echo.example AAAA; {ask}missing.example; "
                       f"{ask}{nonce}.test; {ask}{nonce}.test AAAA; {ask}echo.example", ALLOW)
    answers = [a for a in done.out.split("<<>> DiG") if "status:" in a]
    statuses = [re.search(r"status: (\w+)", a)[1] for a in answers]
    refused = "NXDOMAIN" if "+noedns" in way else "REFUSED"  # musl and its like, without EDNS, take REFUSED for silence
    assert statuses == ["NOERROR", "NOERROR", "NOERROR", "NXDOMAIN", refused, refused, "NOERROR"], done
    counts = [int(re.search(r"ANSWER: (\d+)", a)[1]) for a in answers]
    assert counts == [1, 1, 0, 0, 0, 0, 1], done
    assert ";eChO.ExAmPlE." in done.out, "the question comes back as it was asked"
    assert ("EDE: 15" in answers[4]) == ("+noedns" not in way), done
    assert "WARNING" not in done.out and "Got bad packet" not in done.out, done
    assert world.traces(nonce) == [] and len(done.about(nonce, "dns")) == 2, done


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_refusal_takes_less_than_ten_milliseconds(world, gateway, nonce, transport):
    done = gateway.run(f"for n in $(seq 10); do dig +tries=1 +time=5 {transport} $n.{nonce}.test; done; "
                       "dig +short echo.example", ALLOW)
    times = [int(ms) for ms in re.findall(r"Query time: (\d+) msec", done.out)]
    assert len(times) == 10 and min(times) < REFUSAL_MS, times
    assert VIRTUAL.search(done.out) and world.traces(nonce) == [] and len(done.about(nonce, "dns")) == 10, done


STUB = """
ns=$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -1)
dnsmasq --no-daemon --conf-file=/dev/null --port=53 --listen-address=127.0.0.53 --bind-interfaces --no-resolv --no-hosts \
  --user=$(id -un) --group= --pid-file= --server=$ns {options} 2>dnsmasq.log &
stub=$!
for turn in $(seq 100); do dig @127.0.0.53 +tries=1 +time=1 +short echo.example | grep -q '^198' && break; sleep 0.05; done
"""


@pytest.mark.parametrize("options", ["", "--edns-packet-max=4096 --dnssec-check-unsigned=no", "--all-servers --no-negcache",
                                     "--add-mac --add-subnet=24"])
def test_local_stub_resolver(world, gateway, nonce, options):
    """Such as systemd-resolved or dnsmasq on 127.0.0.53: what it forwards is judged, what it answers is ours."""
    ask = "dig @127.0.0.53 +tries=1 +time=5 "
    done = gateway.run(f"{STUB.format(options=options)}{ask}+short echo.example; {ask}echo.example AAAA; "
                       f"{ask}missing.example; {ask}{nonce}.test; {ask}+tcp {nonce}.test; {ask}+short svc.example; "
                       "kill $stub; cat dnsmasq.log", ALLOW, user=BUILDER)
    assert re.findall(r"status: (\w+)", done.out) == ["NOERROR", "NXDOMAIN", "REFUSED", "REFUSED"], done
    assert len(VIRTUAL.findall(done.out)) >= 2, done
    assert max(int(ms) for ms in re.findall(r"Query time: (\d+) msec", done.out)) < SHORTEST_TIMEOUT_MS, done
    assert world.traces(nonce) == [] and done.about(nonce, "dns"), done
    assert all(q["qname"] == q["qname"].lower() and "c0000200" not in q["raw"] for q in done.queries()), done


def test_parallel_questions_on_one_socket_are_each_answered(world, gateway, lookups):
    """The C libraries ask A and AAAA at once from one port; musl takes whichever order they come in."""
    done = gateway.run([*lookups["musl"], *(f"n{n}.example" for n in range(50))], ["dns:*.example.com", "https://*.svc.example/",
                       *(f"dns:n{n}.example" for n in range(50))])
    found = outcomes(done)
    assert len(found) == 50 and all(VIRTUAL.fullmatch(a) for answers in found.values() for a, _ in answers), done
    asked = [(r["dns"]["qname"], r["dns"]["qtype"]) for r in done.of_type("dns")]
    assert len(asked) == len(set(asked)) == 100, "each question once: none was lost and asked again"
    assert max(ms for answers in found.values() for _, ms in answers) < SHORTEST_TIMEOUT_MS, done


def test_reverse_lookups_of_what_was_given(gateway):
    done = gateway.run("a=$(getent ahostsv4 echo.example | awk 'NR==1{print $1}'); getent hosts $a; busybox nslookup $a", ALLOW)
    assert done.out.count("echo.example") >= 2 and names.ORIGIN not in done.out, done
