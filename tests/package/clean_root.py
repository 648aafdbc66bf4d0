"""A clean Debian root, entered with mounts, processes and network of its own, on which every change can be told."""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

CACHE = Path(os.environ.get("COFFERDAM_PACKAGE_CACHE", "/var/tmp"))
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}
# What the package manager itself keeps of a package that came and went.
PACKAGE_MANAGER = re.compile(r"^/(var/lib/dpkg/|var/cache/(apt|debconf|ldconfig)/|var/log/(dpkg|alternatives)\.log|etc/ld\.so\.cache|"
                             r"etc/(passwd|group|shadow|gshadow)-$|etc/\.pwd\.lock|run/|tmp/|root/)")


def run(*argv: str, **more) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def dependencies(package: Path) -> list[str]:
    """What the package needs, without itself."""
    fields = run("dpkg-deb", "-f", str(package), "Depends").strip()
    return sorted({re.split(r"[ (|]", field.strip())[0] for field in fields.split(",")})


def prepared(package: Path) -> Path:
    """A folder with a minimal Debian, a systemd to boot and the package's dependencies, kept for the next run. Made with this
    machine's mirror."""
    wanted = [*dependencies(package), "nftables", "iproute2", "procps", "systemd", "systemd-sysv"]
    tag = hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:12]
    folder = CACHE / f"cofferdam-package-root-{tag}"
    if not folder.exists():
        scratch = Path(tempfile.mkdtemp(prefix="cofferdam-package-root-", dir=CACHE))
        try:
            run("debootstrap", "--variant=minbase", f"--include={','.join(wanted)}", "bookworm", str(scratch / "root"))
            (scratch / "root").rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder


ENTER = """
set -e
mount --make-rprivate /
mount -t overlay overlay -o lowerdir="$LOWER",upperdir="$UPPER",workdir="$WORK" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs tmpfs "$ROOT/run"
mount -t tmpfs tmpfs "$ROOT/tmp"
mount --rbind /dev "$ROOT/dev"
cd "$ROOT"
mkdir -p tmp/old
pivot_root . tmp/old
exec chroot . sh -c 'umount -l /tmp/old; rmdir /tmp/old; : > /run/entered; exec sleep infinity'
"""


class CleanRoot:
    """The machine of network namespace `namespace`, with nothing but Debian and the package's dependencies on its disk."""

    def __init__(self, package: Path, namespace: str) -> None:
        self.lower = prepared(package)
        self._scratch = tempfile.TemporaryDirectory(prefix="cofferdam-package-", dir=CACHE)
        folder = Path(self._scratch.name)
        paths = {name: folder / name.lower() for name in ("UPPER", "WORK", "ROOT")}
        for path in paths.values():
            path.mkdir(mode=0o755)
        self.upper = paths["UPPER"]
        environment = {**ENVIRONMENT, "LOWER": str(self.lower), **{k: str(v) for k, v in paths.items()}}
        self.root = 0
        self._process = self._enter(namespace, environment)
        try:
            self.root = self._inner()
        except BaseException:
            self.close()
            raise

    def _enter(self, namespace: str, environment: dict[str, str]) -> subprocess.Popen:
        return subprocess.Popen(["nsenter", f"--net=/run/netns/{namespace}", "unshare", "--mount", "--pid", "--uts", "--ipc",
                                 "--fork", "--kill-child", "sh", "-c", ENTER], env=environment, stdin=subprocess.DEVNULL)

    def _inner(self) -> int:
        """Process id of the namespace's first process, once it has entered the root."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            if children and Path(f"/proc/{children[0]}/root/run/entered").exists():
                return int(children[0])
            time.sleep(0.05)
        raise RuntimeError("the clean root was not entered")

    def argv(self, *argv: str) -> list[str]:
        return ["nsenter", f"--target={self.root}", "--mount", "--pid", "--net", "--uts", "--ipc", "--root", "--wd=/", *argv]

    def run(self, *argv: str, env: dict[str, str] | None = None, check: bool = True, **more) -> subprocess.CompletedProcess:
        done = subprocess.run(self.argv(*argv), capture_output=True, text=True, check=False,
                              env={**ENVIRONMENT, **(env or {})}, timeout=120, **more)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done

    def start(self, *argv: str, env: dict[str, str] | None = None, **popen) -> subprocess.Popen:
        return subprocess.Popen(self.argv(*argv), env={**ENVIRONMENT, **(env or {})}, stdin=subprocess.DEVNULL, **popen)

    def path(self, path: str) -> Path:
        """A file of the root, seen from outside."""
        return Path(f"/proc/{self.root}/root{path}")

    def install(self, package: Path) -> subprocess.CompletedProcess:
        shutil.copy2(package, self.path("/tmp") / "cofferdam.deb")
        return self.run("dpkg", "--force-confold", "-i", "/tmp/cofferdam.deb")

    def changes(self) -> list[str]:
        """Every path that is not as it was in the clean root, apart from the package manager's own books."""
        found = []
        for path in sorted(self.upper.rglob("*")):
            name = "/" + str(path.relative_to(self.upper))
            before = Path(str(self.lower) + name)
            same_folder = path.is_dir() and before.is_dir()
            same_file = path.is_file() and before.is_file() and path.read_bytes() == before.read_bytes()
            if not same_folder and not same_file and not PACKAGE_MANAGER.match(name):
                found.append(name)
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._scratch.cleanup()
