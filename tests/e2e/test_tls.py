"""TLS: honest certificates, names judged in every shape of ClientHello, and what is not TLS."""
from __future__ import annotations

import json
import shlex

import pytest

from world import names

ALLOW = ["https://echo.example/", "https://*.tls.example/", "https://**.wild.tls.example/", "dns:denied.example"]
REQUEST = "GET /{} HTTP/1.1\\r\\nHost: echo.example\\r\\nConnection: close\\r\\n\\r\\n"


def raw(world, content: str, options: str) -> str:
    """The shell command that sends `content` (with printf escapes) through raw_client.py."""
    return f"printf {shlex.quote(content)} | /usr/bin/python3 {world.scripts}/raw_client.py {options}"


@pytest.mark.parametrize("host, check", [*names.BAD_TLS.items(), (names.COMMON_NAME_TLS, "name")])
def test_bad_upstream_certificate_is_502_and_says_which_check(world, gateway, nonce, host, check):
    done = gateway.run(f"curl -fsS https://echo.example/; curl -sS -o body -w 'status %{{http_code}}' https://{host}/{nonce}",
                       ALLOW)
    assert "status 502" in done.out, done
    body = (done.folder / "work" / "body").read_text().lower().replace("-", " ")
    assert check.replace("-", " ") in body, f"the page names the failed check: {body}"
    assert world.traces(nonce) == [], "no request is sent to a server that failed verification"
    records = [r for r in done.about(host) if r["decision"]["action"] == "deny" or "verify" in str(r)]
    assert any("upstream_verify_failed" in str(r) for r in records), done


def test_verification_does_not_depend_on_the_clients_opinion(world, gateway, nonce):
    done = gateway.run(f"curl -ksS -o body -w 'status %{{http_code}}' https://expired.tls.example/{nonce}", ALLOW)
    assert "status 502" in done.out and world.traces(nonce) == [], done


@pytest.mark.parametrize("host", names.GOOD_TLS)
def test_unusual_but_good_certificates(gateway, host):
    done = gateway.run(f"curl -fsS https://{host}/", ALLOW)
    assert done.code == 0 and f'"sni": "{host}"' in done.out, done


def test_old_tls_is_refused(gateway):
    done = gateway.run(f"curl -sS -o body -w 'status %{{http_code}}' https://{names.OLD_TLS}/", ALLOW)
    assert "status 502" in done.out and done.requests() == [], done


def test_leaf_is_ours_and_names_the_host_only(gateway):
    done = gateway.run("echo | openssl s_client -connect echo.example:443 -servername echo.example -verify_return_error "
                       "2>/dev/null | openssl x509 -noout -ext subjectAltName -issuer -enddate;"
                       "grep -c 'PRIVATE KEY' $SSL_CERT_FILE", ALLOW)
    assert "DNS:echo.example\n" in done.out and "Fixture" not in done.out, done
    assert done.out.rstrip().endswith("\n0"), "no key in the bundle"


def test_node_gets_the_jobs_ca_beside_what_the_caller_had_it_trust(world, gateway, nonce):
    fetch = ("grep -c BEGIN $NODE_EXTRA_CA_CERTS; node -e 'for (const host of process.argv.slice(1)) "
             f"fetch(`https://${{host}}/{nonce}`).then(r => console.log(host, r.status), e => console.log(host, e.cause.code))' ")
    done = gateway.run(fetch + "echo.example", ALLOW)
    assert done.out.split() == ["1", "echo.example", "200"], done
    policy = {"tls": {"passthrough": ["chain.tls.example:443"]}}
    hosts = "echo.example chain.tls.example"
    done = gateway.run(fetch + hosts, ALLOW, policy=policy, env={"NODE_EXTRA_CA_CERTS": str(world.root_file)})
    assert sorted(done.out.splitlines()) == ["2", "chain.tls.example 200", "echo.example 200"], done
    done = gateway.run(fetch + hosts, ALLOW, policy=policy, env={"NODE_EXTRA_CA_CERTS": "/nowhere.pem"})
    assert done.out.startswith("1\n") and "echo.example 200" in done.out and "chain.tls.example 200" not in done.out, done
    damaged = gateway.world.job_folder() / "extra.pem"
    damaged.write_text(world.root_file.read_text() + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
                       "-----BEGIN CERTIFICATE-----\nMIIB")
    done = gateway.run(fetch + hosts + "; grep -c KEY $NODE_EXTRA_CA_CERTS", ALLOW, policy=policy, env={"NODE_EXTRA_CA_CERTS": str(damaged)})
    assert sorted(done.out.splitlines()) == ["0", "2", "chain.tls.example 200", "echo.example 200"], done


@pytest.mark.parametrize("other", ["denied.example", "chain.tls.example"])
def test_host_that_is_not_the_sni_is_421(world, gateway, nonce, other):
    done = gateway.run(f"curl -sS -o body -w 'status %{{http_code}}' -H 'Host: {other}' https://echo.example/{nonce}", ALLOW)
    assert "status 421" in done.out and world.traces(nonce) == [], done
    records = done.about(nonce, "http")
    assert len(records) == 1 and records[0]["decision"]["reason"] == "host_mismatch", done


def test_host_that_is_not_the_sni_on_a_later_request(world, gateway, nonce):
    content = (f"GET /first HTTP/1.1\\r\\nHost: echo.example\\r\\n\\r\\n"
               f"GET /{nonce} HTTP/1.1\\r\\nHost: chain.tls.example\\r\\n\\r\\n")
    done = gateway.run(raw(world, content, "--tls echo.example 443"), ALLOW)
    assert "200 Fixture" in done.out and " 421 " in done.out and world.traces(nonce) == [], done


@pytest.mark.parametrize("cut", ["--hello-segments 1", "--hello-segments 7", "--hello-records 2", "--hello-records 30",
                                 "--hello-records 5 --hello-segments 3"])
def test_split_client_hello_is_judged_as_whole(world, gateway, nonce, cut):
    allowed = gateway.run(raw(world, REQUEST.format("ok"), f"--tls {cut} echo.example 443"), ALLOW)
    assert '"target": "/ok"' in allowed.out, allowed
    denied = gateway.run(raw(world, REQUEST.format(nonce).replace("echo", "denied"), f"--tls {cut} denied.example 443"), ALLOW)
    assert "200 Fixture" not in denied.out and world.traces(nonce) == [], denied
    assert any(r["decision"]["action"] == "deny" for r in denied.about("denied.example")), denied


def test_no_sni_at_a_virtual_address_names_its_host(world, gateway):
    done = gateway.run(raw(world, REQUEST.format("nosni"), "--tls --no-sni echo.example 443"), ALLOW)
    assert '"target": "/nosni"' in done.out and '"sni": "echo.example"' in done.out, done


def test_no_sni_at_a_literal_address_is_refused(world, gateway, nonce):
    done = gateway.run(raw(world, REQUEST.format(nonce), f"--tls --no-sni --insecure {names.ORIGIN} 443"), ALLOW)
    assert "200 Fixture" not in done.out and world.traces(nonce) == [], done
    assert len([r for r in done.denied() if r["type"] in ("connection", "http")]) == 1, done


@pytest.mark.parametrize("sni", ["denied.example", "chain.tls.example"])
def test_sni_that_is_not_the_dialled_name(world, gateway, nonce, sni):
    """Dialled: an address that was given for echo.example. A denied SNI is refused; an allowed one is what counts."""
    done = gateway.run(raw(world, REQUEST.format(nonce).replace("echo.example", sni),
                           f"--tls --sni {sni} echo.example 443"), ALLOW)
    if sni == "denied.example":
        assert "200 Fixture" not in done.out and world.traces(nonce) == [], done
    else:
        assert f'"sni": "{sni}"' in done.out or "200 Fixture" not in done.out, done
        assert f'"sni": "echo.example"' not in done.out


@pytest.mark.parametrize("sni", ["ECHO.Example", "echo.example."])
def test_sni_is_judged_in_canonical_form(world, gateway, sni):
    done = gateway.run(raw(world, REQUEST.format("canon"), f"--tls --insecure --sni {sni} echo.example 443"), ALLOW)
    if "200 Fixture" in done.out:
        assert '"sni": "echo.example"' in done.out, done
    else:
        assert done.requests() == [], done


@pytest.mark.parametrize("sni", ["x.denied.example", "echo.example.evil.test", "a" * 63 + ".test"])
def test_strange_sni_is_refused(world, gateway, nonce, sni):
    options = f"--tls --insecure --sni {sni} --address {names.ATTACKER} echo.example 443"
    done = gateway.run(raw(world, REQUEST.format(nonce), options), ALLOW)
    assert world.traces(nonce) == [] and sni not in str(done.events), done


def test_odd_port(world, gateway, nonce):
    done = gateway.run(f"curl -fsS https://echo.example:8443/odd; curl -sS https://echo.example/{nonce}; true",
                       ["https://echo.example:8443/"])
    assert '"target": "/odd"' in done.out and world.traces(nonce) == [], done


def test_not_tls_on_443(world, gateway, nonce):
    """A byte stream to a named port needs an entry of its own; an https entry does not open it."""
    send = f"printf {nonce} | socat -t1 - TCP:{{}}:443"
    refused = gateway.run(send.format("echo.example") + "; true", ALLOW)
    assert world.traces(nonce) == [] and nonce not in refused.out, refused
    assert len([r for r in refused.denied() if r["type"] == "connection"]) == 1, refused
    allowed = gateway.run(send.format("raw.example"), ["raw.example:443"])
    assert allowed.out == nonce, allowed


def test_client_that_rejects_the_leaf_is_recorded_as_such(world, gateway):
    done = gateway.run(f"curl -sS --cacert {world.root_file} https://echo.example/", ALLOW)
    assert done.code == 60 and done.requests() == [], done
    records = done.about("client_rejected_leaf")
    assert len(records) == 1 and "echo.example" in str(records[0]), done
    assert "passthrough" in done.err, "the summary names the line to add"


def test_leaf_that_is_rejected_twice_is_suggested_for_passthrough(world, gateway):
    """In the summary and in every report, with the count; nothing is passed through on the job's say."""
    reject = f"curl -sS --cacert {world.root_file} https://echo.example/x"
    done = gateway.run(f"{reject}; {reject}; {reject}", ALLOW)
    assert done.code == 60 and done.requests() == [], done
    line = 'tls.passthrough: ["echo.example:443"]'
    assert "(3 times)" in done.err and line in done.err, done
    assert line in json.loads(done.report.read_text())["refusals"][0]["hint"], done.report.read_text()
    for kind in ("text", "markdown", "html", "sarif"):
        shown = world.run([str(gateway.binary), "report", str(done.folder / "gateway" / "audit.jsonl"), "--format", kind]).out
        assert "echo.example:443" in shown and "passthrough" in shown, shown


def test_passthrough_on_reject(world, gateway, nonce):
    """Listed hosts are opened until two clients would not have it; what the allow-list does not name stays refused."""
    reject = f"curl -sS -o /dev/null -w '%{{http_code}}\n' --cacert {world.root_file} https://HOST/{nonce}; "
    done = gateway.run(reject.replace("HOST", "echo.example") * 4 + reject.replace("HOST", "denied.example") * 4 + "curl -fsS https://v4only.example/after",
                       [*ALLOW, "https://v4only.example/"],
                       policy={"tls": {"passthrough_on_reject": ["echo.example:443", "denied.example:443"]}})
    assert done.out.startswith("000\n000\n200\n200\n000\n000\n000\n000\n") and '"target": "/after"' in done.out, done
    passed = [r["decision"] for r in done.of_type("connection") if r["decision"]["action"] == "allow"]
    assert [d["reason"] for d in passed] == ["allowed_by_passthrough"] * 2 and len(done.about("client_rejected_leaf")) == 2, done
    assert len([e for e in done.requests() if e["host"] == "echo.example"]) == 2 and "denied.example" not in str(done.requests())


def test_very_large_client_hello_is_judged_as_any(world, gateway, nonce):
    """Over two TLS records, as with post-quantum key shares; the limit is a setting."""
    send = ("import socket, ssl\ncontext = ssl.create_default_context()\n"
            "context.set_alpn_protocols([f'{{n:03}}' + 'x' * 247 for n in range({count})] + ['http/1.1'])\n"
            "sock = context.wrap_socket(socket.create_connection(('{host}', 443)), server_hostname='{host}')\n"
            "sock.sendall(b'GET /{path} HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n'); print(sock.recv(100))\n")
    run = [send.format(count=80, host="echo.example", path="big"), send.format(count=80, host="denied.example", path=nonce),
           send.format(count=250, host="echo.example", path="too-big")]
    done = gateway.run("; ".join(f"/usr/bin/python3 -c {shlex.quote(each)}" for each in run) + "; true", ALLOW, policy={"tls": {"max_client_hello": "32KiB"}})
    assert "HTTP/1.1 200" in done.out and "HTTP/1.1 403" in done.out and world.traces(nonce) == [], done
    assert [e["target"] for e in done.requests()] == ["/big"], done
    assert len(done.about("malformed_client_hello")) == 1, done


def test_tls_on_port_80_is_judged_as_tls(world, gateway, nonce):
    done = gateway.run(raw(world, REQUEST.format(nonce), "--tls --insecure echo.example 80"), ["http://echo.example/"])
    assert "200 Fixture" not in done.out and world.traces(nonce) == [], done
    assert len(done.denied()) == 1, done


def test_passthrough_is_judged_by_name_and_not_opened(world, gateway, nonce):
    done = gateway.run(f"curl -fsSv --cacert {world.root_file} https://echo.example/{nonce}; "
                       f"curl -sS https://denied.example/; true",
                       ALLOW, policy={"tls": {"passthrough": ["echo.example:443"]}})
    assert f'"target": "/{nonce}"' in done.out and "Fixture Root" in done.err, done
    assert not any(nonce in str({**r, "source": None}) for r in done.records[1:-1]), "nothing of the content is recorded"
    assert any("passthrough" in str(r["decision"]) for r in done.of_type("connection")), done


def test_resumed_session_is_judged_anew(world, gateway, nonce):
    done = gateway.run("openssl s_client -connect echo.example:443 -servername echo.example -sess_out s -ign_eof "
                       f"<<X >/dev/null 2>&1\nGET /one HTTP/1.1\r\nHost: echo.example\r\nConnection: close\r\n\r\nX\n"
                       f"printf 'GET /{nonce} HTTP/1.1\\r\\nHost: denied.example\\r\\nConnection: close\\r\\n\\r\\n' | "
                       "openssl s_client -connect echo.example:443 -servername denied.example -sess_in s -ign_eof -quiet; true",
                       ALLOW)
    assert world.traces(nonce) == [], done
