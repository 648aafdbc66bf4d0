"""The Debian package in a clean Debian: what it brings, keeps on upgrade, and takes away again."""
from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from clean_root import run

UNIT = "/lib/systemd/system/cofferdam.service"
CONFIG = "/etc/cofferdam/serve.yaml"


@pytest.fixture(scope="session")
def newer(package, scratch) -> Path:
    """The same package with a higher version and another default configuration."""
    folder = scratch
    run("dpkg-deb", "-R", str(package), str(folder / "root"))
    control = folder / "root" / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 99.0", control.read_text(), flags=re.M))
    with (folder / "root" / CONFIG[1:]).open("a") as file:
        file.write("# a newer default\n")
    run("dpkg-deb", "--root-owner-group", "-b", str(folder / "root"), str(folder / "newer.deb"))
    return folder / "newer.deb"


def test_installs(root, package):
    root.install(package)
    assert "Usage: cofferdam" in root.run("cofferdam", "--help").stdout
    user = root.run("getent", "passwd", "cofferdam").stdout
    assert user.endswith(":/nonexistent:/usr/sbin/nologin\n"), user
    assert root.run("stat", "-c", "%U %G %a", "/var/log/cofferdam").stdout == "cofferdam adm 750\n"
    assert root.run("stat", "-c", "%U %a", CONFIG).stdout == "root 644\n"
    assert root.run("dpkg", "--verify", "cofferdam").stdout == ""
    assert "not found" not in root.run("sh", "-c", "ldd /usr/bin/cofferdam").stdout


def test_purge_leaves_nothing(root, package):
    root.install(package)
    root.run("sh", "-c", "mkdir -p /run/cofferdam && echo x > /var/log/cofferdam/audit.jsonl && echo y > /etc/cofferdam/other.yaml")
    root.run("dpkg", "--purge", "cofferdam")
    assert root.changes() == []
    assert root.run("getent", "passwd", "cofferdam", check=False).returncode != 0
    assert not root.path("/run/cofferdam").exists()


def test_removal_keeps_configuration_and_log(root, package):
    root.install(package)
    root.run("sh", "-c", f"echo '# mine' >> {CONFIG}; echo x > /var/log/cofferdam/audit.jsonl")
    root.run("dpkg", "--remove", "cofferdam")
    left = root.changes()
    assert CONFIG in left and "/var/log/cofferdam/audit.jsonl" in left
    assert not [path for path in left if path.startswith("/usr/")], left


def test_upgrade_keeps_what_the_administrator_wrote(root, package, newer):
    root.install(package)
    root.run("sh", "-c", f"echo '# mine' >> {CONFIG}; echo x > /var/log/cofferdam/audit.jsonl")
    before = root.run("getent", "passwd", "cofferdam").stdout
    root.install(newer)
    assert root.run("dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", "cofferdam").stdout == "99.0 installed"
    assert "# mine" in root.path(CONFIG).read_text() and "# a newer default" in root.path(CONFIG + ".dpkg-dist").read_text()
    assert root.path("/var/log/cofferdam/audit.jsonl").read_text() == "x\n"
    assert root.run("getent", "passwd", "cofferdam").stdout == before
    root.run("dpkg", "--purge", "cofferdam")
    assert root.changes() == []


def test_the_unit_is_good_and_tight(root, package, scratch):
    """systemd's own check finds nothing, and its rating of the exposure is low (0: sealed, 10: everything)."""
    root.install(package)
    tree = scratch / "tree"
    for path in (UNIT, "/usr/bin/cofferdam"):
        copy = tree / path[1:]
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(root.path(path).read_bytes())
        copy.chmod(0o755 if "bin" in path else 0o644)
    unit = tree / UNIT[1:]
    text = unit.read_text().replace("ExecStart=/usr/bin/", f"ExecStart={tree}/usr/bin/")
    unit.write_text(text.replace("Documentation=file:///", f"Documentation=file://{tree}/"))
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0 and "cofferdam" not in checked.stderr, checked
    rated = run("systemd-analyze", "security", "--offline=true", str(unit))
    assert float(re.search(r"Overall exposure level .*: ([0-9.]+)", rated)[1]) <= 2.5, rated
