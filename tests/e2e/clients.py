"""The clients of the project's promise: what each runs, what it must be allowed, and how to see that it worked.

The same table is run directly against the fake internet (test_world.py) and behind the gateway (test_clients.py).
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from world import apt_repository, cargo_packages, git_repository, go_modules, names, npm_packages, python_packages
from world.fake_internet import FakeInternet, Finished
from world.homes import User, give

Check = Callable[[FakeInternet, Path, Finished, list[dict]], None]


def prints(text: str) -> Check:
    def check(_world: FakeInternet, _folder: Path, done: Finished, _events: list[dict]) -> None:
        assert text in done.out, done
    return check


@dataclass(frozen=True)
class Client:
    name: str
    command: str
    allow: list[str]
    check: Check
    project: str | None = None
    files: dict[str, str] = field(default_factory=dict)

    def prepare(self, folder: Path, user: User) -> None:
        for name, text in self.files.items():
            (folder / "work" / name).write_text(text)
        give(folder / "work", user)


def check_git(world: FakeInternet, _folder: Path, done: Finished, events: list[dict]) -> None:
    pushed = done.out.split()[-1]
    ref = world.run(["git", "-c", "safe.directory=*", "-C", str(world.git_root / git_repository.PATH), "log", "--all",
                     "--format=%H"]).out
    assert pushed in ref.split(), done
    posts = [e for e in events if e["kind"] == "http" and e["method"] == "POST"]
    assert any(dict(e["headers"]).get("Transfer-Encoding") == "chunked" for e in posts), "the push was meant to be chunked"


def check_pip(_world: FakeInternet, folder: Path, done: Finished, events: list[dict]) -> None:
    assert f"NAME {python_packages.package_name(0)}" in done.out, done
    wheels = [e for e in events if e["kind"] == "nginx" and e["host"] == names.PYPI_FILES]
    assert len(wheels) == python_packages.COUNT and all(e["status"] == 200 for e in wheels), wheels
    assert "Retrying" not in done.out + done.err, done


def check_npm(_world: FakeInternet, _folder: Path, done: Finished, events: list[dict]) -> None:
    """Each of the packages fetched once and complete: no failure, no retry."""
    assert f"added {npm_packages.COUNT} packages" in done.out and f"\n{npm_packages.COUNT}\n" in done.out, done
    tarballs = [e for e in events if e["kind"] == "nginx" and e["host"] == names.NPM and e["target"].endswith(".tgz")]
    twice = [target for target, times in Counter(e["target"] for e in tarballs).items() if times > 1]
    assert not twice and len(tarballs) == npm_packages.COUNT, f"fetched twice: {twice}, all: {len(tarballs)}"
    assert all(e["status"] == 200 for e in tarballs)
    for word in ("ECONNRESET", "ERR!", "ETIMEDOUT", "attempt"):
        assert word not in done.out + done.err, done


def check_cargo(_world: FakeInternet, folder: Path, _done: Finished, _events: list[dict]) -> None:
    crates = list((folder / "home/.cargo/registry/cache").glob("*/*.crate"))
    assert len(crates) == cargo_packages.COUNT, crates


def check_go(_world: FakeInternet, folder: Path, _done: Finished, _events: list[dict]) -> None:
    modules = list((folder / "home/go/pkg/mod/mod.example/fixture").glob("m*@v1.0.0/m.go"))
    assert len(modules) == go_modules.COUNT, modules


def check_apt(_world: FakeInternet, folder: Path, done: Finished, _events: list[dict]) -> None:
    assert (folder / "home/apt/root" / apt_repository.INSTALLED).read_text() == "hello from apt\n", done


_JAVA = """\
import java.net.URI;
import java.net.http.*;

public class Fetch {
    public static void main(String[] arguments) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int turn = 0; turn < 3; turn++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create("https://echo.example/java")).build();
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.body());
        }
    }
}
"""

_NODE = """\
const answer = await fetch("https://echo.example/node", { method: "POST", body: "x".repeat(100000) });
console.log(answer.status, await answer.text());
"""

_REQUESTS = """\
import requests, urllib.request
session = requests.Session()
for turn in range(3):
    print(session.post("https://echo.example/requests", data=b"x" * 70000).text)
print(urllib.request.urlopen("https://echo.example/urllib").read().decode())
"""

CLIENTS = [
    Client("curl", "curl -fsS https://files.example/small.txt && curl -fsS -o 5m https://files.example/5m && stat -c %s 5m"
           " && curl -fsS http://files.example/small.txt",
           ["https://files.example/", "http://files.example/"], prints(f"small\n{5 << 20}\nsmall\n")),
    Client("curl-ipv6-preferred", "curl -fsS https://v6only.example/x", ["https://v6only.example/"], prints('"target": "/x"')),
    Client("wget", "wget -nv -O 1k https://files.example/1k && stat -c 'got %s' 1k", ["https://files.example/"],
           prints("got 1024")),
    Client("git", f"git clone -q https://{names.GIT}/{git_repository.PATH} p && cd p && git fsck --full && "
           "head -c 3145728 /dev/urandom > more.bin && git add . && git commit -qm more && "
           "git push -q origin HEAD:refs/heads/$(id -un)-$$ && git ls-remote -q origin >/dev/null && git rev-parse HEAD",
           [f"https://{names.GIT}/team/"], check_git),
    Client("pip", f"{'/usr/bin/python3'} -m venv v && v/bin/pip install --no-cache-dir -r requirements.txt && "
           "v/bin/python -c 'import fixture_wheel_0 as w; print(\"NAME\", w.NAME)'",
           [f"https://{names.PYPI}/simple/", f"https://{names.PYPI_FILES}/"], check_pip, project="pip"),
    Client("npm", "npm ci && node count.js", [f"https://{names.NPM}/"], check_npm, project="npm"),
    Client("cargo", "cargo fetch --locked", [f"https://{names.CRATES_INDEX}/", f"https://{names.CRATES}/crates/"], check_cargo,
           project="cargo"),
    Client("go", "go mod download -x && chmod -R u+w $HOME/go", [f"https://{names.GOPROXY}/"], check_go, project="go"),
    Client("apt", "export APT_CONFIG=${APT_CONFIG:-$HOME/apt/apt.conf}; apt-get -c $HOME/apt/apt.conf update && "
           f"apt-get -c $HOME/apt/apt.conf install -y {apt_repository.PACKAGE}", [f"https://{names.DEB}/"], check_apt),
    Client("node-fetch", "node fetch.mjs", ["https://echo.example/"], prints('"length": 100000'), files={"fetch.mjs": _NODE}),
    Client("java-httpclient", "java Fetch.java", ["https://echo.example/"], prints('"target": "/java"'),
           files={"Fetch.java": _JAVA}),
    Client("python-requests", "/usr/bin/python3 fetch.py", ["https://echo.example/"], prints('"target": "/urllib"'),
           files={"fetch.py": _REQUESTS}),
]
