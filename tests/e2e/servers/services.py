"""Real servers of protocols that are neither HTTP nor opened TLS: sshd, rsync's daemon, PostgreSQL, MariaDB, Redis.

Each keeps what it has in a folder of the world, and ends with it.
"""
from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from world import names
from world.fake_internet import FakeInternet

AT = names.SERVICES
PORTS = {"ssh": 22, "rsync": 873, "postgres": 5432, "mariadb": 3306, "redis": 6379}


def start(world: FakeInternet) -> Path:
    """Starts all of them at names.SERVICES; the folder with the files that rsync serves, and with the key for ssh."""
    folder = world.folder / "services"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "blob").write_bytes(os.urandom(3_000_000))
    (folder / "files" / "name").write_text("served by rsync\n")
    for name, argv in {"ssh": _ssh(folder), "rsync": _rsync(folder), "postgres": _postgres(world, folder),
                       "mariadb": _mariadb(world, folder), "redis": _redis(folder)}.items():
        world.serve_at(name, (AT, PORTS[name]), *argv)
    return folder


def _ssh(folder: Path) -> list[str]:
    for key in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    (folder / "sshd_config").write_text(
        f"ListenAddress {AT}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/client.pub\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nPidFile none\nSubsystem sftp internal-sftp\n")
    # Its directory for privilege separation is in a /run of its own: the server has a mount namespace.
    return ["sh", "-c", f"mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -e -f {folder}/sshd_config"]


def _rsync(folder: Path) -> list[str]:
    (folder / "rsyncd.conf").write_text(f"use chroot = no\nuid = root\n[files]\npath = {folder}/files\nread only = yes\n")
    return ["rsync", "--daemon", "--no-detach", f"--config={folder}/rsyncd.conf", f"--address={AT}", f"--port={PORTS['rsync']}"]


def _database_folder(world: FakeInternet, base: Path, owner: pwd.struct_passwd) -> tuple[Path, Path]:
    """`base`, made for a server that runs as `owner`, and in it a file with its certificate and key."""
    base.mkdir()
    certificate = base / "server.pem"
    shutil.copy(world.authority.folder / f"{names.SERVICES_HOST}.pem", certificate)
    for path in (base, certificate):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    certificate.chmod(0o600)
    return base, certificate


def _postgres(world: FakeInternet, folder: Path) -> list[str]:
    bin_folder = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    owner = pwd.getpwnam("postgres")  # the server refuses to run as root
    as_owner = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    base, certificate = _database_folder(world, folder / "postgres", owner)
    subprocess.run([*as_owner, str(bin_folder / "initdb"), "-D", str(base / "data"), "-N", "-A", "trust", "-U", "fixture", "-E", "UTF8",
                    "--locale=C"], check=True, capture_output=True, cwd=base)
    with (base / "data" / "pg_hba.conf").open("a") as file:
        file.write("host all all 0.0.0.0/0 trust\n")
    options = {"listen_addresses": AT, "unix_socket_directories": "", "ssl": "on", "ssl_cert_file": certificate,
               "ssl_key_file": certificate, "fsync": "off", "dynamic_shared_memory_type": "mmap"}
    return [*as_owner, str(bin_folder / "postgres"), "-D", str(base / "data"), *(f"--{k}={v}" for k, v in options.items())]


def _mariadb(world: FakeInternet, folder: Path) -> list[str]:
    """Users `fixture`, and `sealed` who must come by TLS; both with the password `word`."""
    owner = pwd.getpwnam("nobody")
    base, certificate = _database_folder(world, folder / "mariadb", owner)
    (base / "users.sql").write_text("CREATE USER fixture IDENTIFIED BY 'word';\nCREATE USER sealed IDENTIFIED BY 'word' REQUIRE SSL;\n")
    where = [f"--user={owner.pw_name}", f"--datadir={base}/data"]
    subprocess.run(["mariadb-install-db", "--no-defaults", *where, "--auth-root-authentication-method=normal", "--skip-test-db"], check=True,
                   capture_output=True, cwd=base)
    options = {"bind-address": AT, "port": PORTS["mariadb"], "socket": base / "socket", "ssl-cert": certificate, "ssl-key": certificate,
               "init-file": base / "users.sql", "innodb-use-native-aio": 0, "innodb-flush-log-at-trx-commit": 0}
    return ["/usr/sbin/mariadbd", "--no-defaults", *where, "--skip-name-resolve", *(f"--{k}={v}" for k, v in options.items())]


def _redis(folder: Path) -> list[str]:
    return ["redis-server", "--bind", AT, "--port", str(PORTS["redis"]), "--save", "", "--appendonly", "no", "--protected-mode", "no",
            "--dir", str(folder)]
