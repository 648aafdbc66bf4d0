"""The Debian package in a clean Debian: what it brings, keeps on upgrade, and takes away again."""
from __future__ import annotations

CONFIG = "/etc/cofferdam/serve.yaml"


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
