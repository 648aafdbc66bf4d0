"""The hooks of GitHub's and GitLab's runners, in a clean Debian with the package and its service."""
from __future__ import annotations

import pytest

from runner_host import CLIENT, RunnerHost

GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "77", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "build", "RUNNER_NAME": "ci 1",
          "GITHUB_STEP_SUMMARY": "/run/runner/summary.md"}
GITLAB = {"GITLAB_CI": "true", "CI_PROJECT_ID": "5", "CI_JOB_ID": "901", "CI_RUNNER_ID": "12"}
ALLOWED = "curl -sS -m 10 https://files.example/small.txt"
REFUSED = "curl -sS -m 10 https://files.example/other"


@pytest.fixture
def host(world, booted, package):
    booted.install(package)
    made = RunnerHost(world, booted)
    made.systemctl("start", "cofferdam")
    made.add_client()
    yield made
    made.close()


def settings(host: RunnerHost, **more: str) -> None:
    values = {"COFFERDAM_SOURCES": CLIENT, "COFFERDAM_ALLOW": "https://files.example/small.txt", "COFFERDAM_FAIL_ON_DENY": "1", **more}
    host.root.path("/etc/cofferdam/runner.env").write_text("".join(f"{key}='{value}'\n" for key, value in values.items()))


def bundle(host: RunnerHost, runner: str):
    """What a job's container mounts as its roots."""
    link = host.root.run("readlink", f"/run/runner/.local/state/cofferdam/{runner}.ca").stdout.strip()
    return host.root.path(f"{link}/bundle.pem")


def test_a_github_job(host, world, nonce):
    settings(host)
    assert host.client(ALLOWED).code != 0, "no job yet"
    started = host.hook("job-started.sh", GITHUB)
    assert started.returncode == 0 and "github-77-2-build" in started.stdout, started
    assert "github-77-2-build" in host.root.run("cofferdam", "job", "--json", "list").stdout
    ca = bundle(host, "ci_1")
    assert host.client(ALLOWED, ca).out == "small\n"
    assert "path_not_allowed" in host.client(REFUSED, ca).out
    host.client(f"curl -sS -m 5 https://{nonce}.evil.example/", ca)
    ended = host.hook("job-completed.sh", GITHUB)
    assert ended.returncode == 99, ended
    assert "::error title=Cofferdam refused::GET https://files.example/other" in ended.stdout, ended.stdout
    assert f"::error title=Cofferdam refused::dns {nonce}.evil.example" in ended.stdout
    summary = host.root.path("/run/runner/summary.md").read_text()
    assert summary.startswith("### Cofferdam") and "https://files.example/other" in summary
    assert world.traces(nonce) == []
    assert host.client(ALLOWED, ca).code != 0, "the job has ended"
    assert not host.root.path("/run/runner/.local/state/cofferdam/ci_1").exists()


def test_a_gitlab_job_that_may_be_refused(host):
    settings(host, COFFERDAM_FAIL_ON_DENY="0")
    assert "gitlab-5-901" in host.hook("job-started.sh", GITLAB).stdout
    assert "path_not_allowed" in host.client(REFUSED, bundle(host, "12")).out
    ended = host.hook("job-completed.sh", GITLAB)
    assert ended.returncode == 0 and "https://files.example/other" in ended.stdout and "::" not in ended.stdout, ended


def test_a_job_that_never_ended_is_ended_by_the_next(host):
    settings(host)
    first = host.hook("job-started.sh", GITHUB)
    second = host.hook("job-started.sh", {**GITHUB, "GITHUB_RUN_ID": "78"})
    assert first.returncode == 0 and second.returncode == 0, (first, second)
    listed = host.root.run("cofferdam", "job", "--json", "list").stdout
    assert "github-78-2-build" in listed and "github-77-2-build" not in listed
    assert host.hook("job-completed.sh", GITHUB).returncode == 0


def test_without_the_gateway_no_job_starts(host):
    settings(host)
    host.systemctl("stop", "cofferdam")
    started = host.hook("job-started.sh", GITHUB)
    assert started.returncode != 0 and "no gateway answers" in started.stderr, started
    assert host.client(ALLOWED).code != 0


def test_outside_of_a_runner_the_hooks_say_so(host):
    settings(host)
    done = host.hook("job-started.sh", {})
    assert done.returncode == 64 and "GITHUB_RUN_ID" in done.stderr, done


def test_purge_after_jobs_leaves_nothing(host):
    settings(host)
    assert host.hook("job-started.sh", GITHUB).returncode == 0
    assert host.client(ALLOWED, bundle(host, "ci_1")).out == "small\n"
    assert host.hook("job-completed.sh", GITHUB).returncode == 0
    host.root.run("dpkg", "--purge", "cofferdam")
    left = host.root.run("find", "/etc", "/usr", "/var/log", "/var/lib/systemd", "/run", "-path", "/run/runner", "-prune",
                         "-o", "-iname", "*cofferdam*", "-print").stdout.split()
    assert left == []
