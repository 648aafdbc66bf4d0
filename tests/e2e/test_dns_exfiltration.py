"""The information budget in force: how much the names of one job may say, to whom, and what is free."""
from __future__ import annotations

import json
import random
import re

import pytest

from world.homes import BUILDER

ALLOW = ["https://echo.example/"]
DIG = "dig +tries=1 +time=5 "
CONTROL = f"{DIG}+short echo.example"
UNKNOWN_BITS, JOB_BITS, WILDCARD_BITS = 128, 224, 1024
AUDIT_MODE = {"mode": "audit"}


def hex_names(seed: str, domain: str, count: int, digits: int = 8) -> list[str]:
    """Names as a tunnel makes them: each says `digits` hexadecimal digits of a secret."""
    source = random.Random(seed)
    return [f"{source.getrandbits(4 * digits):0{digits}x}.{domain}" for _ in range(count)]


def look_up(wanted: list[str], options: str = "", pause: float = 0) -> str:
    """A shell script that asks for each name, between two controls."""
    lines = [f"{DIG}{options} {name}" + (f"; sleep {pause}" if pause else "") for name in wanted]
    return "; ".join([CONTROL, *lines, CONTROL])


def check_controls(done) -> None:
    lines = done.out.strip().splitlines()
    assert lines[0].startswith("198.1") and lines[-1].startswith("198.1"), done


def of_domain(done, domain: str) -> list[dict]:
    return [r for r in done.of_type("dns") if r["dns"]["qname"] == domain or r["dns"]["qname"].endswith(f".{domain}")]


def decisions(records: list[dict]) -> list[str]:
    return [r["decision"]["action"] for r in records]


def alerts_about(done, key: str) -> list[dict]:
    return [r for r in done.of_type("alert") if key in json.dumps(r)]


def check_cut(done, domain: str, key: str, limit: float, tier: str) -> int:
    """Allowed until the budget is spent, then refused for good, one alert; returns how many names got through."""
    records = of_domain(done, domain)
    actions = decisions(records)
    passed = actions.index("deny") if "deny" in actions else len(actions)
    assert 0 < passed < len(actions) and set(actions[passed:]) == {"deny"}, f"sticky: {actions}"
    assert {r["decision"]["reason"] for r in records[passed:]} == {"exfiltration_budget"}, records[passed]
    assert {r["dns"]["tier"] for r in records} == {tier} and {r["dns"]["key"] for r in records} == {key}, records[0]
    spent = [r["dns"]["spent_bits"] for r in records[:passed]]
    costs = [r["dns"]["cost_bits"] for r in records[:passed]]
    assert all(cost > 0 for cost in costs) and abs(sum(costs) - spent[-1]) < 0.5 and spent == sorted(spent), (costs, spent)
    assert spent[-1] <= limit, spent
    assert len(alerts_about(done, key)) == 1, done.of_type("alert")
    asked = {q["qname"] for q in done.queries() if q.get("qname", "").endswith(domain)}
    assert asked <= {r["dns"]["qname"] for r in records[:passed]}, "before anything leaves"
    return passed


def test_unknown_domain_is_cut_in_mode_audit(world, gateway, nonce):
    """Mode audit refuses nothing that the policy refuses; the budget is no policy, and holds."""
    domain = f"{nonce}.example"
    done = gateway.run(look_up(hex_names(nonce, domain, 12)), ALLOW, policy=AUDIT_MODE)
    check_controls(done)
    passed = check_cut(done, domain, domain, UNKNOWN_BITS, "unknown")
    assert passed * 4 <= 8, f"{passed} names of four bytes got out"
    assert "status: REFUSED" in done.out and re.search(r"EDE: 1[578]\b.*exfiltration_budget", done.out), done


def test_budget_is_one_for_both_transports_and_every_pace(world, gateway, nonce):
    """UDP, TCP, any resolver's address, and slowly: one budget."""
    domain = f"{nonce}.example"
    wanted = hex_names(nonce, domain, 10)
    ways = ["+notcp", "+tcp", "@8.8.8.8 +notcp", "@8.8.8.8 +tcp +noedns"]
    lines = [f"{DIG}{ways[n % 4]} {name}; sleep 0.3" for n, name in enumerate(wanted)]
    mixed = gateway.run("; ".join([CONTROL, *lines, CONTROL]), ALLOW, policy=AUDIT_MODE, user=BUILDER)
    check_controls(mixed)
    assert check_cut(mixed, domain, domain, UNKNOWN_BITS, "unknown") * 4 <= 8
    fast = gateway.run(look_up(wanted), ALLOW, policy=AUDIT_MODE)
    assert decisions(of_domain(mixed, domain)) == decisions(of_domain(fast, domain)), "pace and transport make no difference"


def test_what_was_paid_is_free_and_case_says_nothing(world, gateway, nonce):
    domain = f"{nonce}.example"
    name = f"one.{domain}"
    wanted = [name, name.upper(), name.title(), name] * 5 + [name, f"{name}."]
    done = gateway.run(look_up(wanted), ALLOW, policy=AUDIT_MODE)
    check_controls(done)
    records = of_domain(done, domain)
    assert len(records) == len(wanted) and set(decisions(records)) == {"allow"}, done
    price = records[0]["dns"]["cost_bits"]
    assert price > 0 and {r["dns"]["cost_bits"] for r in records} == {price}, "the record tells the name's price"
    assert {r["dns"]["spent_bits"] for r in records} == {price}, "and that it was paid once"
    assert len([q for q in done.queries() if q["qname"] == name]) == 1, "answered from the job's cache"


def test_wildcard_rule_has_a_budget_of_its_own(world, gateway, nonce):
    """Larger than a stranger's, its own for each rule, and no rule's spending is another's."""
    first, second = f"a.{nonce}.example", f"b.{nonce}.example"
    wanted = hex_names(nonce, first, 60)
    done = gateway.run(look_up([*wanted, f"ok.{second}"]), [*ALLOW, f"*.{first}:443", f"*.{second}:443"])
    check_controls(done)
    passed = check_cut(done, first, first, WILDCARD_BITS, "wildcard")
    assert passed * 4 > 8 and passed * 32 <= WILDCARD_BITS, passed
    assert decisions(of_domain(done, second)) == ["allow"], done


@pytest.mark.parametrize("bits, more", [(64, False), (20000, True)])
def test_budgets_are_configurable(world, gateway, nonce, bits, more):
    zone, domain = f"w.{nonce}.example", f"u{nonce}.example"
    wanted = hex_names(nonce, zone, 60) + hex_names(nonce, domain, 12)
    limits = {"wildcard_bits": bits, "unknown_domain_bits": bits, "job_bits": 2 * bits}
    done = gateway.run(look_up(wanted), [*ALLOW, f"*.{zone}:443"], policy={**AUDIT_MODE, "dns": {"exfiltration": limits}})
    check_controls(done)
    for of_it, default in ((zone, WILDCARD_BITS), (domain, UNKNOWN_BITS)):
        records = of_domain(done, of_it)
        spent = max(r["dns"]["spent_bits"] for r in records)
        assert (spent > default) == more and spent <= bits, (of_it, spent)
        assert ("deny" in decisions(records)) == (not more), of_it


def test_no_budget_means_no_unknown_name(world, gateway, nonce):
    done = gateway.run(look_up([f"www.{nonce}.example", f"x.{nonce}.example"]), ALLOW,
                       policy={**AUDIT_MODE, "dns": {"exfiltration": {"unknown_domain_bits": 0, "job_bits": 0, "new_domains": 0}}})
    check_controls(done)
    assert world.traces(nonce) == [] and set(decisions(of_domain(done, f"{nonce}.example"))) == {"deny"}, done


def test_exactly_allowed_names_are_free(world, gateway, nonce):
    wanted = hex_names(nonce, "example", 60, 16)
    done = gateway.run(look_up(wanted), ALLOW + [f"dns:{name}" for name in wanted])
    check_controls(done)
    records = [r for r in done.of_type("dns") if r["dns"]["qname"] in wanted]
    assert len(records) == 60 and set(decisions(records)) == {"allow"} and {r["dns"]["tier"] for r in records} == {"known"}, done
    assert all(r["dns"]["cost_bits"] == 0 and r["dns"]["spent_bits"] == 0 for r in records), done


@pytest.mark.parametrize("mode, sees_all", [("enforce", False), ("audit", True)])
def test_job_wide_limit_refuses_or_in_mode_audit_alerts(world, gateway, nonce, mode, sees_all):
    """Many domains, little each: their sum is limited too. A rule makes the names resolvable, no entry names them."""
    domains = [f"{label}.example" for label in hex_names(nonce, "", 24, 10)]
    domains = [d.replace(".", "", d.count(".") - 1) for d in domains]
    wanted = [f"q{n}x.{domain}" for n, domain in enumerate(domains)]
    rule = {"name": "reads", "expr": 'http.req.method == "GET"', "action": "allow"}
    done = gateway.run(look_up(wanted), ALLOW, policy={"mode": mode, "rules": [rule]})
    check_controls(done)
    records = [r for r in done.of_type("dns") if r["dns"]["qname"] in wanted]
    assert len(records) == len(wanted) and {r["dns"]["tier"] for r in records} == {"unknown"}, done
    allowed = [r for r in records if r["decision"]["action"] == "allow"]
    assert (len(allowed) == len(wanted)) == sees_all, done
    assert sees_all or sum(r["dns"]["cost_bits"] for r in allowed) <= JOB_BITS, done
    assert done.of_type("alert"), done


def test_baseline_makes_what_was_seen_free(world, gateway, nonce, tmp_path):
    """Names of an accepted audit log cost nothing; others still do."""
    zone = f"{nonce}.example"
    seen, fresh = hex_names(nonce, zone, 8), hex_names(f"other {nonce}", zone, 8)
    generous = {"exfiltration": {"wildcard_bits": 10000}}
    learnt = gateway.run(look_up(seen), [*ALLOW, f"*.{zone}:443"], policy={"dns": generous})
    assert set(decisions(of_domain(learnt, zone))) == {"allow"}, learnt
    baseline = tmp_path / "accepted.jsonl"
    baseline.write_text((learnt.folder / "gateway" / "audit.jsonl").read_text())
    tmp_path.chmod(0o755)
    tight = {"exfiltration": {"wildcard_bits": 60, "baseline": str(baseline)}}
    done = gateway.run(look_up([*seen, *fresh]), [*ALLOW, f"*.{zone}:443"], policy={"dns": tight})
    check_controls(done)
    known = [r for r in done.of_type("dns") if r["dns"]["qname"] in seen]
    assert len(known) == len(seen) and set(decisions(known)) == {"allow"}, done
    assert {r["dns"]["tier"] for r in known} == {"known"} and all(r["dns"]["cost_bits"] == 0 for r in known), done
    others = [r for r in done.of_type("dns") if r["dns"]["qname"] in fresh]
    assert "deny" in decisions(others) and {r["dns"]["tier"] for r in others} == {"wildcard"}, done


def test_name_with_odd_octets_blocks_its_domain(world, gateway, nonce):
    """No honest client asks for such a name; what is still to come of its domain is refused."""
    domain = f"{nonce}.example"
    done = gateway.run(f"{CONTROL}; {DIG}fine.{domain}; {DIG}'a\\@b.{domain}'; {DIG}again.{domain}; {CONTROL}", ALLOW, policy=AUDIT_MODE)
    check_controls(done)
    assert decisions(of_domain(done, domain)) == ["allow", "deny", "deny"], done
    assert {q["qname"] for q in done.queries() if domain in q["qname"]} == {f"fine.{domain}"}, done


@pytest.mark.parametrize("entry", ["*.nip.io:443", "https://**.sslip.io/", "*.eu.org:443", "**.duckdns.org:443"])
def test_wildcard_on_a_delegating_suffix_stops_the_start(gateway, entry):
    """Anybody may own a name there, and its name server: a located error at load."""
    done = gateway.run("touch ran", policy=f"version: 1\nallow:\n  - https://echo.example/\n  - '{entry}'\n")
    assert done.code == 78 and "policy.yaml:4:" in done.err, done
    assert not (done.folder / "work" / "ran").exists()


# ---- replay-dns

WORDS = ("access account alert asset auth backup batch billing blog branch bucket build cache canary client cloud code config "
         "console core data deploy dev disk docs domain edge event feed file flow forum gate group guest help host image index "
         "input item job key kernel label layer library link list local login mail main map master media metric mirror mobile "
         "model module monitor name network node note object office order origin output package page panel part path peer "
         "photo plan platform plugin point policy pool portal press price print probe process profile project proxy public").split()


def base32(number: int, length: int) -> str:
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[number >> 5 * n & 31] for n in range(length))


def traces(seed: int) -> dict[str, list[tuple[str, str, float]]]:
    """Encodings of a secret into names: (qtype, qname, bytes of the secret that the query carries)."""
    source, domain = random.Random(seed), "tunnel-of-nobody.net"
    bits = source.getrandbits
    types = ["A", "AAAA", "TXT", "MX", "NS", "SRV", "CNAME", "CAA"]
    return {
        "hex": [("A", f"{n}-{bits(16):04x}.x.{domain}", 2) for n in range(200)],
        "long-hex": [("TXT", f"{bits(240):060x}.{bits(240):060x}.{n}.{domain}", 60) for n in range(20)],
        "base32": [("A", f"{n}-{base32(bits(40), 8)}.x.{domain}", 5) for n in range(100)],
        "words": [("A", f"{source.choice(WORDS)}.x.{domain}", 0.8) for n in range(200)],
        "bit-repeat": [("A", f"{source.choice('ab')}.x.{domain}", 0.125) for n in range(800)],
        "qtype": [(source.choice(types), f"{n}.x.{domain}", 0.375) for n in range(200)],
        "one-shot": [("A", f"{base32(bits(160), 52)}.{domain}", 32)],
        "many-domains": [("A", f"{bits(12):03x}.z{n}{bits(8):02x}.net", 1.5) for n in range(100)],
    }


def write_trace(path, queries: list[tuple[str, str, float]]) -> str:
    path.write_text("".join(f"{n * 0.5:.3f}\t{qtype}\t{qname}\t{payload}\n" for n, (qtype, qname, payload) in enumerate(queries)))
    return str(path)


def replay(world, gateway, *argv: str):
    done = world.run([str(gateway.binary), "replay-dns", *argv])
    lines = [json.loads(line) for line in done.out.splitlines()]
    return done, lines


@pytest.mark.parametrize("encoding", traces(0))
def test_replay_leaks_at_most_eight_bytes_of_a_domain(world, gateway, tmp_path, encoding):
    queries = traces(3)[encoding]
    done, lines = replay(world, gateway, write_trace(tmp_path / "trace.tsv", queries))
    assert done.code == 0 and len(lines) == len(queries) + 1, done
    *answered, total = lines
    assert [(line["qtype"], line["qname"]) for line in answered] == [(qtype, qname) for qtype, qname, _ in queries]
    assert all({"action", "reason", "tier", "key", "cost_bits", "spent_bits"} <= line.keys() for line in answered), answered[0]
    counted = [sum(line["action"] == action for line in answered) for action in ("allow", "refuse", "cache")]
    assert sum(counted) == total["queries"] == len(queries), total
    assert [total["allowed"], total["refused"], total["cached"]] == counted, total
    assert total["leaked_bytes"] <= (JOB_BITS / 8 if encoding == "many-domains" else 8), total
    assert encoding == "bit-repeat" or total["refused"] > 0, total


def test_replay_of_honest_names_refuses_none(world, gateway, tmp_path):
    hosts = ["api.example.com", "www.example.com", "cdn.example.com", "docs.example.org", "www.example.net", "git.example.net"] * 20
    done, lines = replay(world, gateway, write_trace(tmp_path / "trace.tsv", [("A", host, 0) for host in hosts]))
    assert done.code == 0 and lines[-1]["refused"] == 0 and lines[-1]["allowed"] + lines[-1]["cached"] == len(hosts), done


def test_replay_under_a_policy(world, gateway, tmp_path):
    """Exact names are free, a wildcard has its budget, the rest is refused by the policy."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nallow:\n  - dns:exact.example.net\n  - '*.wild.example.net:443'\n")
    queries = [("A", "exact.example.net", 1), ("A", "other.example.net", 2)] + \
        [("A", name, 4) for name in hex_names("replay", "wild.example.net", 80)]
    done, lines = replay(world, gateway, "--policy", str(policy), write_trace(tmp_path / "trace.tsv", queries))
    exact, other, *wild, total = lines
    assert (exact["action"], exact["tier"], exact["cost_bits"]) == ("allow", "known", 0), done
    assert (other["action"], other["reason"]) == ("refuse", "not_in_allow_list"), done
    assert wild[0]["tier"] == "wildcard" and wild[0]["action"] == "allow" and wild[-1]["action"] == "refuse", done
    assert total["leaked_bytes"] <= WILDCARD_BITS / 8 + 1, total


def test_replay_of_several_traces_is_one_job_or_one_each(world, gateway, tmp_path):
    queries = traces(5)["hex"]
    files = [write_trace(tmp_path / f"{n}.tsv", queries) for n in range(2)]
    _, together = replay(world, gateway, *files)
    _, apart = replay(world, gateway, "--job-per-file", *files)
    first_of_second = [lines[len(queries)]["action"] for lines in (together, apart)]
    assert first_of_second == ["refuse", "allow"], (together[-1], apart[-1])
    assert apart[-1]["leaked_bytes"] == 2 * replay(world, gateway, files[0])[1][-1]["leaked_bytes"]


def test_replay_of_an_audit_log(world, gateway, nonce):
    """What a run recorded can be judged again; the verdicts are the run's own."""
    domain = f"{nonce}.example"
    ran = gateway.run(look_up(hex_names(nonce, domain, 10)), ALLOW, policy=AUDIT_MODE)
    asked = [r for r in ran.of_type("dns")]
    done, lines = replay(world, gateway, "--policy", str(ran.folder / "gateway" / "policy.yaml"), "--audit",
                         str(ran.folder / "gateway" / "audit.jsonl"))
    assert done.code == 0 and [line["qname"] for line in lines[:-1]] == [r["dns"]["qname"] for r in asked], done
    assert ["deny" if line["action"] == "refuse" else "allow" for line in lines[:-1]] == decisions(asked), done


@pytest.mark.parametrize("line", ["0.000\tA", "soon\tA\ta.example.net", "0.000\tA\ta.example.net\tmany"])
def test_replay_of_a_broken_trace_says_where(world, gateway, tmp_path, line):
    trace = tmp_path / "trace.tsv"
    trace.write_text(f"0.000\tA\tfine.example.net\t0\n{line}\n")
    done = world.run([str(gateway.binary), "replay-dns", str(trace)])
    assert done.code != 0 and "trace.tsv:2" in done.err, done
