"""Build steps that users feel, direct against behind `cofferdam run`: wall and CPU time, medians of alternating rounds.

Usage: builds.py [--rounds N] [--binary FILE] [--json FILE]. Needs root (it makes the fake internet of tests/e2e). CPU time is
that of the command and, behind the gateway, of the gateway too; the servers' is not in it.
"""
from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "e2e"))

from clients import CLIENTS, Client  # noqa: E402
from gateway import Gateway  # noqa: E402
from world import git_repository, names  # noqa: E402
from world.fake_internet import FakeInternet  # noqa: E402
from world.homes import ROOT  # noqa: E402

SYSTEM_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")
STEPS = {"npm": "npm ci --globalconfig none",  # it may name a bundle to be read for each connection
         "pip": "/usr/bin/python3 -m pip install --no-cache-dir --target t -r requirements.txt",
         "cargo": "cargo fetch --locked", "go": "go mod download", "git": f"git clone -q https://{names.GIT}/{git_repository.PATH} p"}


def same_roots(world: FakeInternet) -> dict[str, str]:
    """Variables for a direct run: its clients read as many roots as they do in a job, and on a machine without a gateway."""
    bundle = world.folder / "all-roots.pem"
    if not bundle.exists():
        bundle.write_text(SYSTEM_ROOTS.read_text() + world.root_file.read_text())
        bundle.chmod(0o644)
    replacing = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CARGO_HTTP_CAINFO")
    single = {key: value for key, value in world.trust().items() if key != "npm_config_cafile"}  # NODE_EXTRA_CA_CERTS does
    return {**single, **{key: str(bundle) for key in replacing}}


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(world: FakeInternet, gateway: Gateway, client: Client, behind: bool) -> tuple[float, float]:
    folder = world.job_folder(ROOT, client.project)
    client.prepare(folder, ROOT)
    argv = ["sh", "-c", client.command]
    if behind:
        argv = [*gateway.command(folder, ROOT, client.allow), *argv]
    wall, cpu = time.monotonic(), cpu_seconds()
    with contextlib.redirect_stdout(io.StringIO()):  # what the world tells of each run
        done = world.run(argv, folder, ROOT, None if behind else same_roots(world))
    wall, cpu = time.monotonic() - wall, cpu_seconds() - cpu
    if done.code != 0:
        raise SystemExit(f"{client.name} {'behind' if behind else 'direct'} failed: {done}")
    return wall, cpu


def bench(rounds: int, binary: Path) -> dict:
    results: dict = {"rounds": rounds, "steps": {}}
    world = FakeInternet()
    try:
        gateway = Gateway(world, binary)
        for client in (replace(c, command=STEPS[c.name]) for c in CLIENTS if c.name in STEPS):
            taken: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
            for number in range(rounds + 1):
                for behind in (False, True):
                    sample = measure(world, gateway, client, behind)
                    if number > 0:  # the first round warms caches of files
                        taken[behind].append(sample)
            row = {}
            for behind, label in ((False, "direct"), (True, "behind")):
                row[label] = {"wall": statistics.median(w for w, _ in taken[behind]),
                              "cpu": statistics.median(c for _, c in taken[behind])}
            row["wall_ratio"] = row["behind"]["wall"] / row["direct"]["wall"]
            results["steps"][client.name] = row
            print(f"{client.name:6} direct {row['direct']['wall']:.2f} s ({row['direct']['cpu']:.2f} s CPU), behind "
                  f"{row['behind']['wall']:.2f} s ({row['behind']['cpu']:.2f} s CPU): {row['wall_ratio']:.2f} x wall", flush=True)
    finally:
        world.close()
    return results


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--binary", type=Path, default=REPOSITORY / "build" / "release" / "cofferdam")
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    results = bench(given.rounds, given.binary.resolve())
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
