"""A clean Debian root that systemd has booted, as a container of systemd-nspawn in the network namespace of the fake internet."""
from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from clean_root import ENVIRONMENT, CleanRoot

# Its own control groups below $CGROUP, its own /run: nothing of it is seen by the machine that runs the tests.
BOOT = """
set -e
echo $$ > "$CGROUP/cgroup.procs"
mount --make-rprivate /
mount -t overlay overlay -o lowerdir="$LOWER",upperdir="$UPPER",workdir="$WORK" "$ROOT"
mount -t tmpfs tmpfs /run
exec systemd-nspawn --quiet --directory="$ROOT" --boot --register=no --keep-unit --network-namespace-path=/proc/self/ns/net \
  --capability=CAP_NET_ADMIN --settings=no --link-journal=no --resolv-conf=off --timezone=off --hostname=runner --console=pipe \
  systemd.unit=multi-user.target
"""


def unified_hierarchy() -> Path:
    """Where this machine's cgroup v2 tree is mounted; beside version 1 it is somewhere else than alone."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, source = line.partition(" - ")
        if source.startswith("cgroup2 "):
            return Path(fields.split()[4])
    raise RuntimeError("no cgroup v2 hierarchy is mounted, and systemd needs one")


class BootedRoot(CleanRoot):
    def _enter(self, namespace: str, environment: dict[str, str]) -> subprocess.Popen:
        self._cgroup = unified_hierarchy() / f"cofferdam-package-{os.getpid()}"
        self._cgroup.mkdir()
        self.console = self.upper.parent / "console"
        with self.console.open("wb") as console:
            return subprocess.Popen(["nsenter", f"--net=/run/netns/{namespace}", "unshare", "--mount", "sh", "-c", BOOT],
                                    env={**environment, "CGROUP": str(self._cgroup), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                                    stdin=subprocess.DEVNULL, stdout=console, stderr=console)

    def _inner(self) -> int:
        """Process id of the container's systemd, once all its units have started."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self._process.poll() is None:
            for child in self._children():
                self.root = child
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
                if state in ("running", "degraded"):
                    return child
            time.sleep(0.1)
        raise RuntimeError(f"systemd did not boot: {self.console.read_text()[-3000:]}")

    def _children(self) -> list[int]:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [int(child) for child in children if Path(f"/proc/{child}/comm").read_text() == "systemd\n"]

    def close(self) -> None:
        if self._process.poll() is None and self.root:
            os.kill(self.root, signal.SIGKILL)  # and with it, all of its process namespace
        super().close()
        deadline = time.monotonic() + 10
        while self._cgroup.exists() and time.monotonic() < deadline:
            for folder in sorted((p for p in self._cgroup.rglob("*") if p.is_dir()), reverse=True):
                self._removed(folder)
            self._removed(self._cgroup)

    @staticmethod
    def _removed(folder: Path) -> None:
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.02)  # its last process is going
