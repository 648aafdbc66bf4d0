"""Sends exact bytes over TCP or TLS and prints what comes back, for requests no honest client makes.

usage: raw_client.py [options] HOST PORT  < BYTES
  --tls            TLS with the system's trust; --sni NAME (default HOST), --no-sni
  --address A      dial A instead of HOST
  --segments N     send in pieces of N bytes, each its own segment
  --hello-segments N / --hello-records N   the same for the ClientHello; records: cut the handshake message into N records
Ends when the peer closes or is silent for --silence seconds (default 2); the last line on stderr says which.
"""
import argparse
import socket
import ssl
import sys
import time


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--sni")
    parser.add_argument("--no-sni", action="store_true")
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("--address")
    parser.add_argument("--segments", type=int, default=0)
    parser.add_argument("--hello-segments", type=int, default=0)
    parser.add_argument("--hello-records", type=int, default=0)
    parser.add_argument("--silence", type=float, default=2)
    return parser.parse_args()


def send_in_pieces(stream, content, size):
    for at in range(0, len(content), size or len(content) or 1):
        stream.sendall(content[at:at + size] if size else content)
        if size:
            time.sleep(0.002)


def cut_into_records(record, count):
    """One TLS record with a handshake message, as `count` records."""
    body, step = record[5:], -(-(len(record) - 5) // count)
    pieces = [body[at:at + step] for at in range(0, len(body), step)]
    return b"".join(record[:3] + len(p).to_bytes(2, "big") + p for p in pieces)


class TlsOverSocket:
    """TLS with the ClientHello under our control: the library works on memory, we move the bytes."""

    def __init__(self, sock, options):
        context = ssl.create_default_context()
        if options.insecure or options.no_sni:
            context.check_hostname = False
        if options.insecure:
            context.verify_mode = ssl.CERT_NONE
        self.sock, self.incoming, self.outgoing = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if options.no_sni else (options.sni or options.host)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        first = True
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                out = self.outgoing.read()
                if first and options.hello_records:
                    out = cut_into_records(out, options.hello_records)
                send_in_pieces(sock, out, options.hello_segments if first else 0)
                first = False
                self.feed()
        self.flush()

    def feed(self):
        got = self.sock.recv(65536)
        if got:
            self.incoming.write(got)
        else:
            self.incoming.write_eof()

    def flush(self):
        out = self.outgoing.read()
        if out:
            self.sock.sendall(out)

    def sendall(self, content):
        self.tls.write(content)
        self.flush()

    def recv(self, size):
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                self.feed()
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""


def main():
    options = arguments()
    content = sys.stdin.buffer.read()
    try:
        sock = socket.create_connection((options.address or options.host, options.port), 10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = TlsOverSocket(sock, options) if options.tls else sock
        send_in_pieces(stream, content, options.segments)
        sock.settimeout(options.silence)
        while got := stream.recv(65536):
            sys.stdout.buffer.write(got)
            sys.stdout.buffer.flush()
        print("peer-closed", file=sys.stderr)
    except socket.timeout:
        print("peer-silent", file=sys.stderr)
    except (OSError, ssl.SSLError) as error:
        print(f"failed: {error!r}", file=sys.stderr)


main()
