"""The world of the end-to-end tests: an isolated internet with servers that record all they see."""
from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from . import (apt_repository, cargo_packages, git_repository, go_modules, homes, names, nginx_server, npm_packages,
               python_packages)
from .authority import Authority
from .evidence import Evidence
from .homes import ROOT, User
from .network import PREFIX, Network, die_with_parent, remove_stale_runs

SERVERS = Path(__file__).resolve().parent.parent / "servers"
PYTHON = "/usr/bin/python3"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BULK_BYTES = 10 << 30


@dataclass(repr=False)
class Finished:
    """A command that ran: exit code (negative: signal), output as text, seconds it took."""
    code: int
    out: str
    err: str
    seconds: float

    def __repr__(self) -> str:
        return f"exit {self.code} after {self.seconds:.2f} s\n--- stdout\n{self.out[-6000:]}\n--- stderr\n{self.err[-6000:]}"


class FakeInternet:
    """Builds everything in __init__; `close` takes it all away again and says what it could not remove."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise RuntimeError("the end-to-end tests make network namespaces: run them as root")
        remove_stale_runs()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.network = Network()
        self._processes: list[subprocess.Popen] = []
        self._counter = itertools.count(1)
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        self.network.create(*homes.passwd_and_group())
        self.evidence = Evidence(self.folder / "evidence")
        self._born: dict[str, dict[Path, int]] = {}  # nonces, and the end of the evidence when each was made
        self.www, self.projects, self.git_root = (self.folder / n for n in ("www", "projects", "git"))
        self._certificates()
        self._packages()
        homes.toolchain(self.folder / "tools")
        self.job_folders: list[Path] = []
        self.scripts = self.folder / "scripts"  # what jobs run, where every user can read it
        shutil.copytree(SERVERS.parent / "job_scripts", self.scripts, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / "jobs").mkdir()
        self._start_servers()

    def _certificates(self) -> None:
        self.authority = Authority(self.folder / "certificates")
        for host in [*names.NGINX_HOSTS, *names.BULK_HOSTS, names.GIT, names.ECHO, "approved-api", "denied.example",
                     "other.example", "svc.example", "alias.example", "v4only.example", "v6only.example", "raw.example",
                     "example.com", "attacker.example", "uploads.example", "xn--bcher-kva.example", "h2.example",
                     "node.example", "go.example", "grpc.example", "git.h2.example", names.SERVICES_HOST]:
            self.authority.leaf(host)
        self.authority.odd_leaves()
        self.root_file = self.authority.root_file

    def _packages(self) -> None:
        www, projects = self.www, self.projects
        npm_packages.build(www / names.NPM, projects / "npm")
        python_packages.build(www / names.PYPI, www / names.PYPI_FILES, projects / "pip")
        cargo_packages.build(www / names.CRATES_INDEX, www / names.CRATES, projects / "cargo")
        go_modules.build(www / names.GOPROXY, projects / "go")
        self.keyring = self.folder / "fixture.gpg"
        apt_repository.build(www / names.DEB, self.keyring)
        git_repository.build(self.git_root)
        files = www / names.FILES
        files.mkdir()
        (files / "small.txt").write_text("small\n")
        (files / "1k").write_bytes(b"k" * 1024)
        (files / "5m").write_bytes(os.urandom(5 << 20))
        (www / names.BULK_HOST).mkdir()
        with (www / names.BULK_HOST / "10g").open("wb") as file:
            file.truncate(BULK_BYTES)  # sparse
        (www / names.BULK_HOST / "1k").write_bytes(b"k" * 1024)

    def _start_servers(self) -> None:
        state = self.folder / "state"
        state.mkdir()
        zone = state / "zone.json"
        zone.write_text(json.dumps(names.zone()))
        origin = state / "origin.json"
        origin.write_text(json.dumps({
            "records": str(self.evidence.origin), "certificates": str(self.authority.folder),
            "git_root": str(self.git_root), "listen": list(_listeners())}))
        nginx = state / "nginx.conf"
        nginx.write_text(nginx_server.configuration(state, self.www, self.authority.folder, self.evidence.nginx))
        self.serve("dns", PYTHON, str(SERVERS / "dns_server.py"), str(zone), str(self.evidence.dns),
                    names.DNS, names.DNS6)
        self.serve("origin", PYTHON, str(SERVERS / "origin.py"), str(origin))
        self.serve("nginx", "nginx", "-e", str(state / "nginx-error.log"), "-c", str(nginx))
        self.serve("tcpdump", "tcpdump", "-i", self.network.net_end, "-U", "--immediate-mode", "-Z", "root", "-w",
                    str(self.evidence.capture), f"not host {names.BULK} and not host {names.BULK6}")
        self._wait_until_ready()

    def serve(self, label: str, *argv: str) -> subprocess.Popen:
        """Starts a server in the internet's namespace; its output goes to state/`label`.log. It ends with the world, or by stop()."""
        log = (self.folder / "state" / f"{label}.log").open("wb")
        with log:
            self._processes.append(subprocess.Popen(
                Network.inside(self.network.net, *argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"}, start_new_session=True, preexec_fn=die_with_parent))
        return self._processes[-1]

    def stop(self, server: subprocess.Popen) -> None:
        """Ends a server before the world does."""
        _kill_group(server)
        server.wait()
        self._processes.remove(server)

    def serve_at(self, label: str, probe: tuple[str, int], *argv: str) -> None:
        """As serve; returns when it listens at `probe`."""
        self.serve(label, *argv)
        wait = f"import socket; socket.create_connection({probe!r}, 2).close()"
        deadline = time.monotonic() + 30
        while subprocess.run(Network.inside(self.network.gw, PYTHON, "-c", wait), capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{label} did not start: {(self.folder / 'state' / f'{label}.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 20
        probe = (f"import socket\nfor a, p in {[(e['address'], e['port']) for e in _listeners()]!r}"
                 f" + [({names.PACKAGES!r}, 443), ({names.BULK6!r}, 443), ({names.DNS!r}, 53)]:\n"
                 "  socket.create_connection((a, p), 2).close()\n")
        while True:
            done = subprocess.run(Network.inside(self.network.gw, PYTHON, "-c", probe), capture_output=True, text=True,
                                  check=False)
            if done.returncode == 0 and self.evidence.capture.exists():
                return
            if time.monotonic() > deadline:
                logs = "\n".join(f"{p.name}: {p.read_text()[-500:]}" for p in (self.folder / "state").glob("*.log"))
                raise RuntimeError(f"the fake internet did not start: {done.stderr[-500:]}\n{logs}")
            time.sleep(0.1)

    # Running commands

    def job_folder(self, user: User = ROOT, project: str | None = None) -> Path:
        """A fresh directory with `home` (dotfiles in place) and `work` (a copy of `project`), owned by `user`."""
        folder = self.folder / "jobs" / str(next(self._counter))
        (folder / "home").mkdir(parents=True)
        homes.write_dotfiles(folder / "home", self.keyring)
        if project:
            shutil.copytree(self.projects / project, folder / "work")
        else:
            (folder / "work").mkdir()
        homes.give(folder, user)
        self.job_folders.append(folder)
        return folder

    def environment(self, folder: Path, user: User = ROOT) -> dict[str, str]:
        """What a login shell would have, and nothing of this machine's: no proxy, no CA, no tool's own variables."""
        return {"PATH": f"{self.folder / 'tools'}:{SYSTEM_PATH}", "HOME": str(folder / "home"), "USER": user.name,
                "LOGNAME": user.name, "LANG": "C.UTF-8", "TERM": "dumb", "TMPDIR": "/tmp"}

    def trust(self) -> dict[str, str]:
        """How each client is told of the fixture's root when there is no gateway: the direct variant only."""
        pem = str(self.root_file)
        keys = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "npm_config_cafile",
                "REQUESTS_CA_BUNDLE", "PIP_CERT", "CARGO_HTTP_CAINFO")
        store = f"-Djavax.net.ssl.trustStore={self._java_store()} -Djavax.net.ssl.trustStorePassword=changeit"
        state = self.folder / "state"
        (state / "wgetrc").write_text(f"ca_certificate = {pem}\n")
        (state / "apt.conf").write_text(f'Acquire::https::CAInfo "{pem}";\nDir::Etc::parts "/dev/null";\n')
        return {**{key: pem for key in keys}, "JAVA_TOOL_OPTIONS": store, "WGETRC": str(state / "wgetrc"),
                "APT_CONFIG": str(state / "apt.conf")}

    def _java_store(self) -> Path:
        store = self.folder / "certificates" / "root.p12"
        if not store.exists() and shutil.which("keytool"):
            subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "root", "-file", str(self.root_file),
                            "-keystore", str(store), "-storetype", "PKCS12", "-storepass", "changeit"],
                           check=True, capture_output=True)
        return store

    def gateway_machine(self, argv: list[str], user: User = ROOT, namespace: str | None = None) -> list[str]:
        """The command line that runs `argv` as `user` on the machine on which the gateway is started, or in another namespace."""
        drop = [] if user.is_root else ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
        return Network.inside(namespace or self.network.gw, *drop, *argv)

    def start(self, argv: list[str], folder: Path, user: User = ROOT, env: dict[str, str] | None = None,
              namespace: str | None = None, **popen) -> subprocess.Popen:
        """Starts `argv` in `folder`/work without a gateway; its own session, dies with the tests."""
        process = subprocess.Popen(
            self.gateway_machine(argv, user, namespace), cwd=folder / "work",
            env={**self.environment(folder, user), **(env or {})},
            **{"start_new_session": True, "preexec_fn": die_with_parent, "stdin": subprocess.DEVNULL,
               "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen})
        self._processes.append(process)
        return process

    def run(self, argv: list[str] | str, folder: Path | None = None, user: User = ROOT, env: dict[str, str] | None = None,
            input: bytes | None = None, timeout: float = 180, namespace: str | None = None) -> Finished:
        """Runs `argv` (a string: for sh -c) to its end and kills what is left of its process group."""
        folder = folder or self.job_folder(user)
        argv = ["sh", "-c", argv] if isinstance(argv, str) else argv
        begin = time.monotonic()
        stdin = subprocess.PIPE if input is not None else subprocess.DEVNULL
        process = self.start(argv, folder, user, env, namespace, stdin=stdin)
        try:
            out, err = process.communicate(input, timeout)
            note = ""
        except subprocess.TimeoutExpired:
            _kill_group(process)
            out, err = process.communicate()
            note = f"\n*** killed after {timeout} s"
        finally:
            _kill_group(process)
            self._processes.remove(process)
        done = Finished(process.returncode, out.decode(errors="replace"), err.decode(errors="replace") + note,
                        time.monotonic() - begin)
        print(f"$ {shlex.join(argv)}\n{done}")  # the test runner shows it if the test fails
        return done

    def direct(self, argv: list[str] | str, user: User = ROOT, folder: Path | None = None, **more) -> Finished:
        """Runs a client without a gateway, told of the fixture's root by variables."""
        return self.run(argv, folder, user, {**self.trust(), **more.pop("env", {})}, **more)

    # Evidence

    def nonce(self) -> str:
        nonce = "n" + uuid.uuid4().hex[:20]
        self._born[nonce] = self.evidence.mark()
        return nonce

    def settle(self) -> None:
        """Returns when everything sent so far is in the packet capture."""
        token, since = self.nonce().encode(), self.evidence.mark()
        # Marked: where a gateway captures what this machine sends, that is how its own traffic looks.
        probe = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                 f"s.setsockopt(socket.SOL_SOCKET, 36, 0xC0FFE); s.sendto({token!r}, ('192.0.2.9', 9))")
        subprocess.run(Network.inside(self.network.gw, PYTHON, "-c", probe), check=True)
        self.evidence.wait_for_packet(token, since)

    def traces(self, text: str) -> list[str]:
        """Every place in which `text` was seen: since its nonce was made, if it has one (what came before can't hold it)."""
        self.settle()
        return self.evidence.traces(text, next((mark for nonce, mark in self._born.items() if nonce in text), None))

    # The end

    def close(self) -> list[str]:
        """Ends every process, removes namespaces and files; returns what could not be removed (empty: all well)."""
        for process in self._processes:
            _kill_group(process)
        for process in self._processes:
            process.wait(10)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        self._processes.clear()
        self.network.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)
        left = self.network.leftovers()
        return left + ([str(self.folder)] if self.folder.exists() else [])


def _kill_group(process: subprocess.Popen) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _listeners():
    """The sockets of origin.py."""
    for address in (names.ORIGIN, names.ORIGIN6, names.ATTACKER, names.ATTACKER6):
        for port, service in ((80, "http"), (8000, "http"), (8080, "http"), (443, "https"), (8443, "https"), (853, "dot")):
            yield {"address": address, "port": port, "service": service}
    for address in (names.RAW, names.RAW6):
        for port, service in ((7, "echo"), (443, "echo"), (80, "echo"), (2222, "banner"), (22, "banner"), (9, "silent"), (11, "abrupt")):
            yield {"address": address, "port": port, "service": service}


if __name__ == "__main__":  # a world to look around in: prints how, ends with Enter
    world = FakeInternet()
    print(f"files {world.folder}\nip netns exec {world.network.gw} curl --cacert {world.root_file} https://echo.example/")
    try:
        sys.stdin.readline()
    finally:
        print(world.close() or "all removed")
