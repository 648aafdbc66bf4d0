"""Real clients behind the gateway: no option, no variable, no CA named by the caller; as root and as an ordinary user."""
from __future__ import annotations

import os

import pytest

from clients import CLIENTS
from world import names, npm_packages


@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.name)
def test_client_works_behind_the_gateway(world, gateway, client, user):
    folder = world.job_folder(user, client.project)
    client.prepare(folder, user)
    done = gateway.run(client.command, client.allow, user=user, folder=folder)
    assert done.code == 0, done
    client.check(world, folder, done, done.events)
    refused = [r for r in done.denied() if r["type"] in ("http", "connection")]
    assert refused == [], done
    records = done.of_type("http")
    assert len(records) == len(done.forwarded()), "one record for each request that the world saw"
    strangers = [p for p in (folder / "work").rglob("*") if os.lstat(p).st_uid != user.uid]
    assert strangers == [], "files made in the job belong to the caller"


def test_npm_with_its_default_sockets_has_a_record_for_every_package(world, gateway):
    done = gateway.run("npm ci", [f"https://{names.NPM}/"], project="npm")
    assert done.code == 0, done
    paths = [r["request"]["path"] for r in done.of_type("http") if r["request"]["path"].endswith(".tgz")]
    assert len(paths) == len(set(paths)) == npm_packages.COUNT
    assert all(r["response"]["status"] == 200 for r in done.of_type("http") if r["request"]["path"].endswith(".tgz"))


PRESETS = {"npm": [], "pip": [f"https://{names.PYPI_FILES}/"], "cargo": [], "go": []}


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_reads_the_clients_own_configuration(world, gateway, preset):
    """No host is written in the policy: it comes from .npmrc, pip.conf, cargo's config and index, go's env file."""
    client = next(c for c in CLIENTS if c.name == preset)
    folder = world.job_folder(project=client.project)
    done = gateway.run(client.command, PRESETS[preset], policy={"presets": [preset]}, folder=folder)
    assert done.code == 0, done
    client.check(world, folder, done, done.events)
    with_other_host = gateway.run("curl -s https://denied.example/", policy={"presets": [preset]}, project=client.project)
    denied = [r for r in with_other_host.about("denied.example") if r["decision"]["action"] == "deny"]
    assert denied and not with_other_host.about("denied.example", "http"), with_other_host


def test_allow_and_preset_on_the_command_line(world, gateway):
    done = gateway.run("npm ci && curl -fsS https://files.example/small.txt", [], project="npm",
                       options=["--preset", "npm", "--allow", "https://files.example/small.txt"])
    assert done.code == 0 and "small\n" in done.out, done


def test_many_clients_at_once(world, gateway):
    done = gateway.run("curl -fsS --parallel --parallel-immediate --parallel-max 30 -o 'answer#1' 'https://echo.example/[0-59]' &"
                       " npm ci && wait && ls answer* | wc -l", ["https://echo.example/", f"https://{names.NPM}/"], project="npm")
    assert done.code == 0 and done.out.endswith("\n60\n"), done
    assert len(done.requests()) == 60
