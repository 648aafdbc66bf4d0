"""DNS over HTTPS and over TLS, as a program would speak it. usage: doh_client.py HOW HOST NAME; prints status and body.

HOW: get (?dns=), post (its media type), json (?name=&type=), accept (its media type in Accept), hidden (a DNS message in
?dns= of another path, over plain HTTP), alpn-dot (DNS over TLS on port 443).
"""
import base64
import http.client
import socket
import ssl
import struct
import sys


def message(name):
    out = struct.pack("!6H", 0, 0x0100, 1, 0, 0, 0)
    for label in name.split("."):
        out += bytes([len(label)]) + label.encode()
    return out + b"\0" + struct.pack("!2H", 1, 1)


def over_tls(host, name):
    context = ssl.create_default_context()
    context.set_alpn_protocols(["dot"])
    with context.wrap_socket(socket.create_connection((host, 443), 10), server_hostname=host) as stream:
        wire = message(name)
        stream.sendall(struct.pack("!H", len(wire)) + wire)
        print("got", stream.recv(4096))


def main():
    how, host, name = sys.argv[1:]
    if how == "alpn-dot":
        return over_tls(host, name)
    wire = message(name)
    encoded = base64.urlsafe_b64encode(wire).decode().rstrip("=")
    kind = "application/dns-message"
    requests = {
        "get": ("GET", f"/dns-query?dns={encoded}", None, {"Accept": "*/*"}),
        "post": ("POST", "/dns-query", wire, {"Content-Type": kind}),
        "json": ("GET", f"/resolve?name={name}&type=A", None, {}),
        "accept": ("GET", f"/resolve?name={name}", None, {"Accept": "application/dns-json"}),
        "hidden": ("GET", f"/innocent?x=1&d%6es={encoded}", None, {}),
    }
    connection = (http.client.HTTPConnection if how == "hidden" else http.client.HTTPSConnection)(host, timeout=10)
    connection.request(*requests[how])
    answer = connection.getresponse()
    print(answer.status, answer.getheader("X-Cofferdam-Reason"), answer.read().decode(errors="replace"))


try:
    main()
except OSError as error:
    print("failed:", error)
