"""Raw TCP by `name:port` with real clients and servers: ssh, git and rsync over it, rsync's daemon, PostgreSQL, MariaDB, Redis."""
from __future__ import annotations

import hashlib
import shlex
import sys
from pathlib import Path

import pytest

from world import git_repository, names
from world.homes import ROOT, give

sys.path.insert(0, str(Path(__file__).parent / "servers"))
import services  # noqa: E402

HOST = names.SERVICES_HOST
SSH = "ssh -F none -i key -o IdentitiesOnly=yes -o UserKnownHostsFile=known -o StrictHostKeyChecking=accept-new -o BatchMode=yes"
PSQL = f"psql -XAt 'host={HOST} user=fixture dbname=postgres connect_timeout=20 sslmode={{}}' -c"
MARIADB = f"mariadb --no-defaults -N -h {HOST} -u {{}} -pword --connect-timeout=20 {{}} -e"
TO = f"root@{HOST}"


@pytest.fixture(scope="session")
def served(world):
    return services.start(world)


# name: port, command, and what it prints where it works; {n} is a nonce, {git} and {root} paths
CLIENTS = {
    "ssh": (22, f"{SSH} {TO} 'cat; echo {{n}}' < /etc/hostname", "{n}"),
    "ssh-much": (22, f"head -c 20000000 /dev/zero | {SSH} {TO} 'head -c 30000000 /dev/zero; wc -c' | wc -c", "30000009"),
    "sftp": (22, f"echo 'get {{files}}/blob' | sftp -q {SSH.removeprefix('ssh ')} -b - {TO} && sha256sum blob", "{digest}"),
    "git-over-ssh": (22, f"GIT_SSH_COMMAND={shlex.quote(SSH)} git clone -q ssh://{TO}{{git}} w && git -C w log --format=%s | head -1"
                         " && cd w && git commit -q --allow-empty -m {n} && cd .. && ls w", "README"),
    "rsync-over-ssh": (22, f"rsync -a -e {shlex.quote(SSH)} {TO}:{{files}}/ got && sha256sum got/blob && cat got/name", "{digest}"),
    "rsync": (873, f"rsync -a rsync://{HOST}/files/ got && sha256sum got/blob && cat got/name", "{digest}"),
    "psql": (5432, PSQL.format("disable") + " \"select '{n}', count(*), sum(length(repeat('x', 1000))) from generate_series(1, 5000)\"",
             "{n}|5000|5000000"),
    "psql-tls": (5432, PSQL.format("verify-full sslrootcert={root}")
                 + " \"select '{n}', ssl, version from pg_stat_ssl where pid = pg_backend_pid()\"", "{n}|t|TLSv1.3"),
    "mariadb": (3306, MARIADB.format("fixture", "--skip-ssl") + " \"select '{n}'; select repeat('x', 5000000)\" | tr -s x", "{n}\nx\n"),
    "mariadb-tls": (3306, MARIADB.format("sealed", "--ssl-verify-server-cert --ssl-ca={root}")
                    + " \"select '{n}'; show session status like 'Ssl_version'\"", "{n}\nSsl_version\tTLSv1.3"),
    "redis-cli": (6379, f"redis-cli -h {HOST} SET k {{n}}; redis-cli -h {HOST} GET k", "{n}"),
    "redis-pipe": (6379, f"yes 'SET key {{n}}' | head -5000 | redis-cli -h {HOST} --pipe", "errors: 0, replies: 5000"),
}


def job(world, served, name: str, nonce: str, user):
    """A job's folder with the key of ssh in it; the command, and what it is to print."""
    folder = world.job_folder(user)
    key = folder / "work" / "key"
    key.write_bytes((served / "client").read_bytes())
    key.chmod(0o600)
    give(folder, user)
    port, command, prints = CLIENTS[name]
    words = {"n": nonce, "git": world.git_root / git_repository.PATH, "root": world.root_file, "files": served / "files",
             "digest": _digest(served / "files" / "blob")}
    for word, value in words.items():
        command, prints = command.replace(f"{{{word}}}", str(value)), prints.replace(f"{{{word}}}", str(value))
    return folder, port, command, prints


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", CLIENTS)
def test_client_works_with_its_line(world, gateway, served, nonce, user, name):
    folder, port, command, prints = job(world, served, name, nonce, user)
    done = gateway.run(command, [f"{HOST}:{port}"], user=user, folder=folder)
    assert done.code == 0 and prints in done.out, done
    records = done.of_type("connection")
    connections = 2 if name == "redis-cli" else 1
    assert [(r["decision"]["action"], r["decision"]["rule"]) for r in records] == [("allow", f"{HOST}:{port}")] * connections, done
    # psql closes at once; where the server's last words of TLS are there before, unread, that is a reset.
    ends = {"completed", "client_closed"} if name == "psql-tls" else {"completed"}
    assert {r["connection"]["close_reason"] for r in records} <= ends and "failed" not in done.err, done
    assert all(r["connection"]["bytes_sent"] > 0 and r["connection"]["bytes_received"] > 0 for r in records), records
    assert done.denied() == [], done


@pytest.mark.parametrize("other", ["dns", "port", "https"])
@pytest.mark.parametrize("name", ["ssh", "git-over-ssh", "rsync", "psql", "psql-tls", "mariadb", "mariadb-tls", "redis-cli"])
def test_client_is_refused_without_its_line(world, gateway, served, nonce, name, other):
    """Another port of the host, or its HTTPS, opens nothing; each attempt has one record, and the server sees no packet."""
    folder, port, command, prints = job(world, served, name, nonce, ROOT)
    allow = {"dns": f"dns:{HOST}", "port": f"{HOST}:{port + 1}", "https": f"https://{HOST}/"}[other]
    since = world.evidence.mark()
    done = gateway.run(f"({command}); curl -fsS -o /dev/null https://echo.example/ && echo control", [allow, "https://echo.example/"],
                       folder=folder)
    assert prints not in done.out and done.out.endswith("control\n"), done
    world.settle()
    assert not [p for p in world.evidence.packets(since) if p.destination == names.SERVICES], done
    records = [r for r in done.of_type("connection") if r["decision"]["action"] == "deny"]
    assert len(records) == (2 if name == "redis-cli" else 1), done
    assert all(r["decision"]["hint"] == f"{HOST}:{port}" for r in records), records
    assert f"{HOST}:{port}" in done.err, "the summary names the line"
