"""HTTP and TLS that pretend to be a byte stream, on a port where byte streams are allowed: judged as what they are."""

import pytest

from gateway import ROOT

RULES = [{"name": "no uploads", "expr": 'http.req.method == "POST"', "action": "deny"}]
POST = "POST /{} HTTP/1.1\\r\\nHost: echo.example\\r\\nContent-Length: 0\\r\\n\\r\\n"

CLIENT = """python3 - <<'END'
import socket, time
s = socket.create_connection(("echo.example", 80))
for step in {steps!r}:
    if isinstance(step, float):
        time.sleep(step)
    else:
        s.sendall(step.encode())
s.settimeout(5)
try:
    print(s.recv(4096).decode(errors="replace"))
except OSError as e:
    print("failed:", e)
END"""

STEPS = {
    "slow": lambda post: [0.4, post],
    "empty lines first": lambda post: ["\r\n\r\n", post],
    "a bare line feed first": lambda post: ["\n", post],
    "in two pieces": lambda post: [post[:7], 0.6, post[7:]],
    "byte by byte": lambda post: [part for c in post for part in (c, 0.005)],
}


@pytest.mark.parametrize("how", STEPS)
def test_a_request_is_never_relayed_unread(gateway, nonce, how):
    post = POST.format(nonce).encode().decode("unicode_escape")
    done = gateway.run(CLIENT.format(steps=STEPS[how](post)), ["echo.example:80"], policy={"rules": RULES}, user=ROOT)
    assert nonce not in str(done.forwarded()), done
    assert [r["decision"]["action"] for r in done.records if r["type"] in ("http", "connection")] == ["deny"], done


def test_a_slow_tls_client_is_still_opened(gateway, nonce):
    done = gateway.run("sh -c 'sleep 0.5; printf \"GET /" + nonce + " HTTP/1.1\\r\\nHost: echo.example\\r\\nConnection: close\\r\\n\\r\\n\"; sleep 1' |"
                       " python3 -c 'import socket, ssl, sys, time; s = socket.create_connection((\"echo.example\", 443)); time.sleep(0.5);"
                       " t = ssl.create_default_context().wrap_socket(s, server_hostname=\"echo.example\");"
                       " t.sendall(sys.stdin.buffer.read()); print(t.recv(4096).decode())'", ["echo.example:443"])
    assert nonce in done.out, done
    assert len(done.of_type("http")) == 1, done
