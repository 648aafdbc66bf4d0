#!/usr/bin/env python3
"""Builds the name model (dns/model) from a list of names: what labels look like, and which domains are well known.

    train_model.py LIST OUTPUT_FOLDER

LIST has lines "name<TAB>source" (plain, or .xz). Written are
  order2.u8     [40][40][39] costs of a letter after two others, in 1/8 bit; letters a-z 0-9 - _, END = 38, START = 39
  dict4096.tsv  the most common labels with their costs in 1/8 bit
  popular.bin   fingerprints of the registrable domains of all names, sorted
  ci_hosts.bin  fingerprints of the names whose source is "ci-allowlist", and of their patterns, sorted
Costs are rounded up, so Kraft's inequality holds. The same list always gives the same files.
"""
import argparse
import collections
import ctypes
import ctypes.util
import lzma
import math
import re
import sys
from pathlib import Path

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_"
NUMBER = {c: i for i, c in enumerate(LETTERS)}
END, START, SYMBOLS, CONTEXTS = 38, 39, 39, 40
WORDS = 4096
CI_SOURCE = "ci-allowlist"
HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
MASK = (1 << 64) - 1
KEYS = (b"cofferdam-hosts1", b"cofferdam-hosts2")
DELEGATING = Path(__file__).resolve().parents[2] / "core" / "zones" / "delegating.txt"


class SuffixList:
    """The Public Suffix List that libpsl has built in."""

    ICANN, PRIVATE, NO_STAR = 1, 2, 4

    def __init__(self):
        name = ctypes.util.find_library("psl")
        if name is None:
            sys.exit("train_model: libpsl is not installed")
        self.lib = ctypes.CDLL(name)
        self.lib.psl_builtin.restype = ctypes.c_void_p
        self.lib.psl_is_public_suffix2.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        self.list = self.lib.psl_builtin()

    def registrable(self, name, sections):
        """One label below the longest public suffix; None if the name is one itself."""
        labels = name.split(".")
        out = None
        for start in range(len(labels) - 1, -1, -1):
            last = start == len(labels) - 1
            kind = sections if last else sections | self.NO_STAR
            if last or self.lib.psl_is_public_suffix2(self.list, ".".join(labels[start:]).encode(), kind):
                out = ".".join(labels[start - 1:]) if start else None
        return out


def rotl(x, b):
    return ((x << b) | (x >> (64 - b))) & MASK


def siphash(key, data):
    """SipHash-2-4 as core/siphash.hpp has it."""
    k0, k1 = (int.from_bytes(key[i:i + 8], "little") for i in (0, 8))
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = rotl(v[1], 13) ^ v[0]
            v[0] = rotl(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = rotl(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = rotl(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = rotl(v[1], 17) ^ v[2]
            v[2] = rotl(v[2], 32)

    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[i:i + 8], "little") for i in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def fingerprint(name):
    """80 bits: all of the first hash, the upper 16 bits of the second."""
    first, second = (siphash(key, name.encode()) for key in KEYS)
    return first.to_bytes(8, "big") + second.to_bytes(8, "big")[:2]


def read_names(path):
    """(name, source) pairs; a wildcard's own label is left away."""
    opened = lzma.open(path, "rt") if path.endswith(".xz") else open(path, encoding="ascii")
    with opened as lines:
        for number, line in enumerate(lines, 1):
            fields = line.rstrip("\n").split("\t")
            name = fields[0].lower().rstrip(".").removeprefix("*.")
            if len(fields) > 2 or len(name) > 253 or not HOST.fullmatch(name):
                sys.exit(f"{path}:{number}: expected NAME or NAME<TAB>SOURCE, found {line.rstrip()!r}")
            yield name, fields[1] if len(fields) > 1 else ""


def cost(probability):
    return math.ceil(-8 * math.log2(probability) - 1e-9)


def count_labels(names, suffixes):
    """How often each label stands in front of a domain that somebody bought, each name counted once."""
    labels = collections.Counter()
    for name in sorted({name for name, _ in names}):
        domain = suffixes.registrable(name, SuffixList.ICANN)
        if domain and domain != name:
            labels.update(name[:-len(domain) - 1].split("."))
    return labels


def order2(labels):
    """Letter costs; each distinct label counts once. Absolute counts interpolated with the shorter contexts' (Witten-Bell)."""
    two, one, none = (collections.defaultdict(collections.Counter) for _ in range(3))
    for label in labels:
        p2 = p1 = START
        for symbol in [NUMBER[c] for c in label] + [END]:
            two[p2, p1][symbol] += 1
            one[p1][symbol] += 1
            none[0][symbol] += 1
            p2, p1 = p1, symbol

    def mixed(counts, shorter):
        total, kinds = sum(counts.values()), len(counts)
        weight = max(kinds, 1)
        return [(counts[s] + weight * shorter[s]) / (total + weight) for s in range(SYMBOLS)]

    uniform = [1 / SYMBOLS] * SYMBOLS
    zero = mixed(none[0], uniform)
    out = bytearray()
    for p2 in range(CONTEXTS):
        for p1 in range(CONTEXTS):
            shares = mixed(two[p2, p1], mixed(one[p1], zero))
            floor = 2.0 ** -11  # no letter costs more than about 11 bits, or one odd label would cost a domain
            shares = [max(share, floor) for share in shares]
            out += bytes(cost(share / sum(shares)) for share in shares)
    return bytes(out)


def dictionary(labels):
    """The most common labels, by how often they stand in names."""
    common = sorted(labels.items(), key=lambda item: (-item[1], item[0]))[:WORDS]
    total = sum(count for _, count in common)
    return "".join(f"{label}\t{cost(count / total)}\n" for label, count in common)


def fingerprints(names):
    return b"".join(sorted({fingerprint(name) for name in names}))


def popular_domains(names, suffixes):
    """Registrable domains by both sections of the list; never one below which anybody gets a name."""
    delegating = {line.strip() for line in DELEGATING.read_text().splitlines() if line and line[0] != "#"}
    both = SuffixList.ICANN | SuffixList.PRIVATE
    found = {suffixes.registrable(name, both) for name, _ in names}
    return {domain for domain in found if domain and domain not in delegating
            and suffixes.registrable(domain, SuffixList.ICANN) not in delegating}


def patterns(hosts, suffixes):
    """Hosts with the small numbers in front of their domain as '#': "build7.ci.example" stands for its siblings."""
    for host in hosts:
        domain = suffixes.registrable(host, SuffixList.ICANN) or host
        below = host[:len(host) - len(domain)]
        if re.search(r"[0-9]", below) and not re.search(r"[0-9]{4}", below):
            yield re.sub(r"[0-9]+", "#", below) + domain


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    names = sorted(set(read_names(arguments.list)))
    suffixes = SuffixList()
    labels = count_labels(names, suffixes)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    (arguments.folder / "order2.u8").write_bytes(order2(labels))
    (arguments.folder / "dict4096.tsv").write_text(dictionary(labels))
    (arguments.folder / "popular.bin").write_bytes(fingerprints(popular_domains(names, suffixes)))
    hosts = [name for name, source in names if source == CI_SOURCE]
    (arguments.folder / "ci_hosts.bin").write_bytes(fingerprints([*hosts, *patterns(hosts, suffixes)]))


if __name__ == "__main__":
    main()
