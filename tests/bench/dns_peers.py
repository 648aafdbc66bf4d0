"""The servers that `make bench-dns` compares: how each is set up for its best on two cores, and started in a namespace."""
from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from authority_server import nsd

AUTHORITY = "10.77.0.2"  # the authoritative server, at the other end of the veth
ZONE = "bench.example"
ANSWER = "93.184.216.34"  # what every name of the zone has


@dataclass
class Server:
    """A server under test. `asked` is the address that dnsperf sends to."""
    name: str
    asked: str
    command: list[str] = field(default_factory=list)  # empty: the authority itself
    port: int = 0  # where it listens; queries to `asked` are redirected there
    process: subprocess.Popen | None = None


def authority(folder: Path) -> list[str]:
    """One wildcard zone."""
    return nsd(folder, AUTHORITY, ZONE, f"* A {ANSWER}\n")


def dnsdist(folder: Path, port: int) -> list[str]:
    """Two listeners, several sockets to the upstream, a packet cache larger than the test."""
    text = folder / "dnsdist.conf"
    text.write_text(f"""setLocal('127.0.0.1:{port}', {{reusePort=true}})
addLocal('127.0.0.1:{port}', {{reusePort=true}})
setACL({{'0.0.0.0/0'}})
setMaxUDPOutstanding(65535)
setSecurityPollSuffix('')
newServer({{address='{AUTHORITY}:53', sockets=4, healthCheckMode='up'}})
getPool(''):setCache(newPacketCache(500000, {{maxTTL=86400, numberOfShards=20}}))
""")
    return ["dnsdist", "--supervised", "--disable-syslog", "-C", str(text)]


def unbound(folder: Path, port: int) -> list[str]:
    """Two threads, caches larger than the test, no validation (none of the others does any), forwarding."""
    text = folder / "unbound.conf"
    text.write_text(f"""server:
  interface: 127.0.0.1@{port}
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 0
  module-config: "iterator"
  num-threads: 2
  so-reuseport: yes
  so-rcvbuf: 4m
  so-sndbuf: 4m
  outgoing-range: 4096
  num-queries-per-thread: 2048
  msg-cache-size: 128m
  rrset-cache-size: 256m
  msg-cache-slabs: 2
  rrset-cache-slabs: 2
  infra-cache-slabs: 2
  key-cache-slabs: 2
  minimal-responses: yes
  do-not-query-localhost: no
forward-zone:
  name: "."
  forward-addr: {AUTHORITY}
remote-control:
  control-enable: no
""")
    return ["unbound", "-d", "-c", str(text)]


def dnsmasq(_folder: Path, port: int) -> list[str]:
    """Its largest cache and room for queries in flight; it has one thread."""
    return ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-daemon",
            "--log-facility=/dev/null", "--bind-interfaces", "--listen-address=127.0.0.1", f"--port={port}", f"--server={AUTHORITY}",
            "--cache-size=10000", "--dns-forward-max=10000", "--user=root"]


def peers(folder: Path) -> list[Server]:
    """All of them, not yet running. `direct` is the authority without anything between."""
    out = [Server("direct", AUTHORITY)]
    for number, make in enumerate((dnsdist, unbound, dnsmasq), 1):
        port = 5300 + number
        out.append(Server(make.__name__, f"192.0.2.{number}", make(folder, port), port))
    return out


def cofferdam_policy(folder: Path, names: list[str]) -> Path:
    """Every name by an entry of its own, as a learned list would have it; records go to a file."""
    policy = folder / "policy.yaml"
    entries = "".join(f"  - dns:{name}\n" for name in names)
    policy.write_text(f"version: 1\nallow:\n{entries}dns:\n  upstreams: [\"{AUTHORITY}:53\"]\n  max_names: 120000\n"
                      f"  max_cache: 200000\naudit:\n  sinks: [{{ file: {folder}/audit.jsonl }}]\n")
    return policy
