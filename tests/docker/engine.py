"""A Docker engine of the tests' own: own data, socket and process; its containers live in the fake internet's machine."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKER = "/usr/bin/docker"  # Debian's, of the same version as its dockerd
BASE = "debian:bookworm-slim"
BASE_TAR = Path(os.environ.get("COFFERDAM_DOCKER_BASE", "/var/tmp/cofferdam-docker-base.tar"))


def run(*argv: str, check: bool = True, **more) -> subprocess.CompletedProcess:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **more)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


def base_tar() -> Path:
    """What stands for the image debian:bookworm-slim, which cannot be pulled here: a minimal debootstrap, kept for the next run."""
    if not BASE_TAR.exists():
        with tempfile.TemporaryDirectory(prefix="cofferdam-base-") as folder:
            run("debootstrap", "--variant=minbase", "bookworm", f"{folder}/root")
            run("tar", "-C", f"{folder}/root", "--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*",
                "-cf", f"{folder}/base.tar", ".")
            shutil.move(f"{folder}/base.tar", BASE_TAR)
    return BASE_TAR


class Engine:
    """`start` runs dockerd, in a network namespace or, for building images, in this one without touching its network."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cofferdam-docker-", dir="/var/tmp"))
        self.socket = f"unix://{self.folder}/docker.sock"
        self.environment = {**os.environ, "DOCKER_HOST": self.socket, "DOCKER_CONFIG": str(self.folder / "config")}
        self._daemon: subprocess.Popen | None = None

    def start(self, namespace: str | None = None, *options: str) -> None:
        network = ["--bip=172.31.255.1/24"] if namespace else ["--bridge=none", "--iptables=false", "--ip-forward=false",
                                                               "--ip6tables=false", "--ip-masq=false"]
        enter = ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []
        with (self.folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [*enter, "dockerd", "--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec"),
                 "--pidfile", str(self.folder / "pid"), "-H", self.socket, "--log-level=error", *network, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.docker("version", check=False).returncode:
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dockerd did not start: {(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.2)

    def stop(self) -> None:
        if self._daemon:
            self._daemon.terminate()
            self._daemon.wait(60)
            self._daemon = None

    def close(self) -> list[str]:
        """Ends the engine and removes its files; returns what could not be removed."""
        if self._daemon:
            for container in self.docker("ps", "-aq", check=False).stdout.split():
                self.docker("rm", "-fv", container, check=False)
        self.stop()
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.folder) in line]
        for mount in reversed(mounts):
            run("umount", mount, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        return [str(self.folder)] if self.folder.exists() else []

    def docker(self, *argv: str, check: bool = True, **more) -> subprocess.CompletedProcess:
        return run(DOCKER, *argv, check=check, env={**self.environment, **more.pop("env", {})}, **more)

    def inspect(self, container: str) -> dict:
        return json.loads(self.docker("inspect", container).stdout)[0]

    def compose(self, program: str) -> list[str]:
        """How `program`, a docker-compose, is called: version 1 by its name, version 2 as the plugin `docker compose`."""
        if "version 1." in run(program, "version").stdout:
            return [program]
        plugin = self.folder / "config" / "cli-plugins" / "docker-compose"
        plugin.parent.mkdir(parents=True, exist_ok=True)
        plugin.unlink(missing_ok=True)
        plugin.symlink_to(Path(program).resolve())
        return [DOCKER, "compose"]

    def build_images(self, compile_image: bool) -> None:
        """The gateway, a client, and Prometheus: each on the base. Needs the package mirror of this machine. The gateway's Dockerfile
        runs as it stands, with Docker's classic builder; or takes the Debian package that is there, with BuildKit."""
        self.start()
        self.docker("import", str(base_tar()), BASE)
        buildkit = {"DOCKER_BUILDKIT": "1"}
        gateway = ["build", "--network=host", "-f", "compose/Dockerfile", "-t", "cofferdam:local", "."]
        if compile_image:
            self.docker(*gateway, env={"DOCKER_BUILDKIT": "0"}, cwd=REPOSITORY)
        else:
            self.docker(*gateway, "--build-arg", "PACKAGE=prebuilt", env=buildkit, cwd=REPOSITORY)
        images = Path(__file__).parent / "images"
        self.docker("build", "--network=host", "-t", "client", str(images / "client"), env=buildkit)
        context = self.folder / "prometheus"
        shutil.copytree(images / "prometheus", context)
        shutil.copy2(shutil.which("prometheus") or "/usr/bin/prometheus", context / "prometheus")
        self.docker("build", "-t", "prometheus", str(context), env=buildkit)
        self.stop()
