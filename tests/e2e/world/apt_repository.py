"""A signed apt repository with two small packages, one depending on the other."""
from __future__ import annotations

import datetime
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from .homes import BUILDER, give

PACKAGE, LIBRARY = "cofferdam-fixture-hello", "cofferdam-fixture-lib"
INSTALLED = "usr/share/cofferdam-fixture/hello"


def _package(pool: Path, name: str, depends: str, content: str) -> str:
    """Builds NAME.deb into `pool`; returns its stanza for Packages."""
    control = (f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Fixture <fixture@deb.example>\n"
               f"Description: fixture\n{depends}")
    with tempfile.TemporaryDirectory() as text:
        root = Path(text)
        root.chmod(0o755)
        (root / "DEBIAN").mkdir()
        (root / "DEBIAN" / "control").write_text(control)
        file = root / "usr/share/cofferdam-fixture" / name.rsplit("-", 1)[1]
        file.parent.mkdir(parents=True)
        file.write_text(content)
        target = pool / f"{name}_1.0_all.deb"
        give(root, BUILDER)  # in a user namespace dpkg can give files to no other ordinary user than the namespace's own
        subprocess.run(["dpkg-deb", "-b", text, str(target)], check=True, capture_output=True)
    packed = target.read_bytes()
    return (control + f"Filename: pool/{target.name}\nSize: {len(packed)}\n"
            f"SHA256: {hashlib.sha256(packed).hexdigest()}\n\n")


def build(www: Path, keyring: Path) -> None:
    """`keyring` receives the public key that the sources entry names in Signed-By."""
    pool = www / "pool"
    pool.mkdir(parents=True)
    listing = _package(pool, PACKAGE, f"Depends: {LIBRARY}\n", "hello from apt\n") + _package(pool, LIBRARY, "", "lib\n")
    dist = www / "dists" / "stable"
    architecture = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True)
    where = f"main/binary-{architecture.stdout.strip()}/Packages"
    (dist / where).parent.mkdir(parents=True)
    (dist / where).write_text(listing)
    now = datetime.datetime.utcnow().strftime("%a, %d %b %Y %H:%M:%S UTC")
    release = (f"Origin: Fixture\nLabel: Fixture\nSuite: stable\nCodename: stable\nDate: {now}\n"
               f"Architectures: all {architecture.stdout.strip()}\nComponents: main\nSHA256:\n"
               f" {hashlib.sha256(listing.encode()).hexdigest()} {len(listing)} {where}\n")
    (dist / "Release").write_text(release)
    with tempfile.TemporaryDirectory() as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        quiet = {"check": True, "capture_output": True, "env": {"PATH": os.environ["PATH"]}}
        try:
            subprocess.run([*gpg, "--quick-gen-key", "fixture@deb.example", "ed25519", "sign", "never"], **quiet)
            subprocess.run([*gpg, "--output", str(keyring), "--export"], **quiet)
            subprocess.run([*gpg, "--output", str(dist / "InRelease"), "--clearsign", str(dist / "Release")], **quiet)
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
