"""Who is who in the fake internet: addresses, names, and which server answers for which name.

The addresses are globally scoped on purpose: the gateway refuses answers that point to private or documentation
ranges. They are local to an isolated namespace; nothing leaves the machine.
"""
from __future__ import annotations

DNS = "93.184.216.53"
DNS6 = "2606:4700:1::53"
PACKAGES = "93.184.216.10"  # nginx: package registries, files
PACKAGES6 = "2606:4700:1::10"
BULK = "93.184.216.11"  # nginx: big files; kept out of the packet capture
BULK6 = "2606:4700:1::11"
ORIGIN = "93.184.216.20"  # the recording HTTP server
ORIGIN6 = "2606:4700:1::20"
RAW = "93.184.216.40"  # plain TCP services
RAW6 = "2606:4700:1::40"
H2 = "93.184.216.60"  # servers of HTTP/2, started by the tests that need them
NODE_H2, GO_H2, GRPC, GIT_H2 = "93.184.216.61", "93.184.216.62", "93.184.216.63", "93.184.216.64"
SERVICES = "93.184.216.65"  # real servers of other protocols, started by the tests that need them
SERVICES_HOST = "services.example"
ATTACKER = "151.101.0.66"  # a recorder too, that no honest name points to
ATTACKER6 = "2606:4700:1::66"
IODINE = "151.101.0.67"  # authoritative servers of tunnels, which the fake internet's resolver asks as delegated
DNS2TCP = "151.101.0.68"
IODINE_ZONE = "t.evil.example"
DNS2TCP_ZONE = "d.evil.example"

LOCAL_ADDRESSES = [DNS, PACKAGES, BULK, ORIGIN, RAW, H2, NODE_H2, GO_H2, GRPC, GIT_H2, SERVICES, ATTACKER, IODINE, DNS2TCP]
LOCAL_ADDRESSES6 = [DNS6, PACKAGES6, BULK6, ORIGIN6, RAW6, ATTACKER6]

NPM = "registry.npm.example"
PYPI = "pypi.example"
PYPI_FILES = "files.pypi.example"
CRATES_INDEX = "index.crates.example"
CRATES = "static.crates.example"
GOPROXY = "proxy.go.example"
DEB = "deb.example"
FILES = "files.example"
BULK_HOST = "bulk.example"
GIT = "git.example"
ECHO = "echo.example"

NGINX_HOSTS = [NPM, PYPI, PYPI_FILES, CRATES_INDEX, CRATES, GOPROXY, DEB, FILES]
BULK_HOSTS = [BULK_HOST]

# Names whose certificates are right in an unusual way, or wrong (and what is wrong), see authority.py.
GOOD_TLS = ["chain.tls.example", "wild.wild.tls.example"]
BAD_TLS = {
    "expired.tls.example": "expired",
    "notyet.tls.example": "not yet valid",
    "wrongname.tls.example": "name",
    "selfsigned.tls.example": "self-signed",
    "unknownroot.tls.example": "issuer",
    "clienteku.tls.example": "purpose",
    "incomplete.tls.example": "issuer",
}
COMMON_NAME_TLS = "commonname.tls.example"  # no subject alternative name: old clients accept it, RFC 9110 does not
OLD_TLS = "old.tls.example"  # speaks TLS 1.1 only


def _https_rdata() -> str:
    """SVCB service form: priority 1, target ".", alpn=h2,h3, ipv4hint, ech; as hex.

    What a resolver behind virtual addresses must not pass on as it is (RFC 9460).
    """
    alpn = b"\x02h2\x02h3"
    out = b"\x00\x01" + b"\x00"
    out += (1).to_bytes(2, "big") + len(alpn).to_bytes(2, "big") + alpn
    out += (4).to_bytes(2, "big") + (4).to_bytes(2, "big") + bytes(int(p) for p in ORIGIN.split("."))
    ech = b"\x00\x08ECHECHEC"
    out += (5).to_bytes(2, "big") + len(ech).to_bytes(2, "big") + ech
    return out.hex()


BLOCKED = "forbidden.test"  # where chains lead that a policy may cut
PRIVATE_TARGET = "private.example.com"
CHAINS = {"cname": "A", "long": "A", "svcb": "SVCB", "https": "HTTPS", "mx": "MX", "srv": "SRV"}


def chain_name(shape: str, target: str) -> str:
    """The name from which a chain of this shape leads to BLOCKED or PRIVATE_TARGET."""
    service = "_sip._tcp." if shape == "srv" else ""
    return f"{service}{shape}-to-{target.split('.', maxsplit=1)[0]}.example.com"


def _chains() -> dict:
    out: dict = {"loop-a.example.com": {"CNAME": ["loop-b.example.com"]}, "loop-b.example.com": {"CNAME": ["loop-a.example.com"]}}
    for target in (BLOCKED, PRIVATE_TARGET):
        steps = [f"step{n}.{target}" for n in range(4)]
        out |= {step: {"CNAME": [following]} for step, following in zip(steps, [*steps[1:], target])}
        out |= {chain_name("cname", target): {"CNAME": [target]}, chain_name("long", target): {"CNAME": [steps[0]]},
                chain_name("svcb", target): {"SVCB": [f"0 {target}"]}, chain_name("https", target): {"HTTPS": [f"0 {target}"]},
                chain_name("mx", target): {"MX": [f"10 {target}"]}, chain_name("srv", target): {"SRV": [f"1 1 5060 {target}"]}}
    return out


def rebinding(label: str) -> str:
    """A name that is public until its `turn.` name is asked for, then private; never to be cached. One for each use."""
    return f"{label}.rebinding.example.com"


def _rebinding() -> dict:
    out: dict = {}
    for name in map(rebinding, ("virtual", "real")):
        out |= {name: {"turns": [{"A": [ORIGIN], "ttl": 0}, {"A": ["10.1.2.3"], "ttl": 0}]},
                f"turn.{name}": {"advance": name, "A": [ORIGIN], "ttl": 0}}
    return out


def zone() -> dict:
    """What the DNS server answers: exact names first, then the longest wildcard; delegated zones are asked of their server."""
    packages = {"A": [PACKAGES], "AAAA": [PACKAGES6]}
    exact = {host: packages for host in NGINX_HOSTS}
    exact |= {host: {"A": [BULK], "AAAA": [BULK6]} for host in BULK_HOSTS}
    exact |= {
        "approved-api": {"A": [ORIGIN]},
        "raw.example": {"A": [RAW], "AAAA": [RAW6]},
        "h2.example": {"A": [H2]},
        "node.example": {"A": [NODE_H2]},
        "go.example": {"A": [GO_H2]},
        "git.h2.example": {"A": [GIT_H2]},
        "grpc.example": {"A": [GRPC]},
        SERVICES_HOST: {"A": [SERVICES]},
        "v4only.example": {"A": [ORIGIN]},
        "v6only.example": {"AAAA": [ORIGIN6]},
        "svc.example": {"A": [ORIGIN], "AAAA": [ORIGIN6], "HTTPS": [_https_rdata()], "TXT": ["v=fixture"]},
        "alias.example": {"CNAME": ["target.alias.example"]},
        "alias-private.example.com": {"CNAME": ["private.example.com"]},
        "private.example.com": {"A": ["10.1.2.3"]},  # a public suffix, unlike .example
        "many.example": {"A": [f"93.184.216.{n}" for n in range(100, 180)]},
        "mirror.internal": {"A": ["10.1.2.3"]},
        "loopback.example": {"A": ["127.0.0.1"]},
        "metadata.example": {"A": ["169.254.169.254"]},
        "virtual.example": {"A": ["198.18.0.1"]},
        "missing.example": {"rcode": 3},
        "broken.example": {"rcode": 2},
        "silent.example": {"silent": True},
        "dead.example": {"A": ["93.184.216.99"]},
    }
    exact |= _chains() | _rebinding()
    everything = {"A": [ORIGIN], "AAAA": [ORIGIN6]}
    return {"exact": exact, "wildcards": {"example": everything, "test": everything},
            "delegated": {IODINE_ZONE: IODINE, DNS2TCP_ZONE: DNS2TCP}}
