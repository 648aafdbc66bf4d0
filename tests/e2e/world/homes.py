"""Users, their home directories, and the configuration a user would have written for private registries.

No option or variable names a proxy or a CA: that is what the tests are about.
"""
from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import cargo_packages, names
from .network import run


@dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int

    @property
    def is_root(self) -> bool:
        return self.uid == 0


ROOT = User("root", 0, 0)
BUILDER = User("builder", 31001, 31001)


def passwd_and_group() -> tuple[str, str]:
    """The machine's own databases plus the ordinary user of the tests."""
    passwd, group = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    return (passwd + f"{BUILDER.name}:x:{BUILDER.uid}:{BUILDER.gid}::/home/{BUILDER.name}:/bin/sh\n",
            group + f"{BUILDER.name}:x:{BUILDER.gid}:\n")


def write_dotfiles(home: Path, keyring: Path) -> None:
    files = {
        ".npmrc": f"registry=https://{names.NPM}/\n",
        ".config/pip/pip.conf": f"[global]\nindex-url = https://{names.PYPI}/simple/\n",
        ".cargo/config.toml": f'[registries.fixture]\nindex = "{cargo_packages.REGISTRY}"\n',
        ".config/go/env": f"GOFLAGS=-mod=mod\nGOPROXY=https://{names.GOPROXY}\nGOSUMDB=off\nGOTOOLCHAIN=local\n",
        ".gitconfig": "[user]\nname = Builder\nemail = builder@git.example\n[init]\ndefaultBranch = main\n",
        "apt/etc/sources.list": f"deb [signed-by={home}/apt/etc/fixture.gpg] https://{names.DEB}/ stable main\n",
        "apt/apt.conf": _apt_configuration(home / "apt"),
        "apt/root/var/lib/dpkg/status": "",
        "apt/root/var/lib/dpkg/available": "",
    }
    for name, text in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(keyring, home / "apt/etc/fixture.gpg")
    for folder in ("etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d", "etc/trusted.gpg.d", "lists/partial",
                   "cache/archives/partial", "log", "root/var/lib/dpkg/updates", "root/var/lib/dpkg/info"):
        (home / "apt" / folder).mkdir(parents=True, exist_ok=True)


def _apt_configuration(base: Path) -> str:
    """An apt that knows one repository and installs into a directory of its own."""
    return (f'Dir::Etc "{base}/etc";\nDir::Etc::main "/dev/null";\nDir::Etc::parts "/dev/null";\n'
            f'Dir::State "{base}";\nDir::State::lists "{base}/lists";\n'
            f'Dir::State::status "{base}/root/var/lib/dpkg/status";\nDir::Cache "{base}/cache";\nDir::Log "{base}/log";\n'
            f'DPkg::Options {{ "--root={base}/root"; "--force-not-root"; "--log={base}/log/dpkg.log"; }};\n'
            'Dpkg::Use-Pty "false";\nDPkg::Pre-Install-Pkgs "";\n')


def give(path: Path, user: User) -> None:
    """chown -R without following links."""
    for folder, _, files in os.walk(path):
        os.chown(folder, user.uid, user.gid)
        for file in files:
            os.chown(os.path.join(folder, file), user.uid, user.gid, follow_symlinks=False)


def toolchain(folder: Path) -> None:
    """Fills `folder` with the tools that may be installed where an ordinary user cannot reach them (under /root)."""
    folder.mkdir()
    go = shutil.which("go")
    if go:
        (folder / "go").symlink_to(os.path.realpath(go))
    sysroot = _rust_sysroot()
    if sysroot is None:
        return
    copy = folder.parent / "rust"
    wanted = [Path("bin/cargo"), Path("bin/rustc"), *(p.relative_to(sysroot) for p in (sysroot / "lib").glob("*.so*"))]
    for name in wanted:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(sysroot / name, copy / name)
        except OSError:
            shutil.copy2(sysroot / name, copy / name)
    for tool in ("cargo", "rustc"):
        (folder / tool).symlink_to(copy / "bin" / tool)


def _rust_sysroot() -> Path | None:
    """The directory of a rustup toolchain, or None where cargo is an ordinary package of the system."""
    if not shutil.which("rustup"):
        return None
    return Path(run("rustup", "which", "cargo").stdout.strip()).resolve().parent.parent
