"""The origin of the benchmarks: nginx, a server that takes uploads, and the authoritative DNS server; and their certificates."""
from __future__ import annotations

import subprocess
from pathlib import Path

from authority_server import nsd
from rig import Network, Processes, inside, wait_until
from world.authority import Authority  # the path is set by rig

ZONE = "bench.example"
MIB = 1 << 20
TLS = """  ssl_protocols TLSv1.3;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  ssl_ecdh_curve prime256v1;
  ssl_session_cache shared:bench:50m;
  ssl_session_tickets on;
"""


def nginx_conf(folder: Path, name: str, http: str, access_log: str = "off") -> list[str]:
    """nginx with two workers; `http` is put into its http block. Returns the command."""
    home = folder / name
    home.mkdir()
    (home / "nginx.conf").write_text(f"""daemon off;
user root;
worker_processes 2;
worker_rlimit_nofile 20000;
pid {home}/pid;
error_log {home}/error.log error;
events {{ worker_connections 9000; multi_accept on; }}
http {{
  log_format brief '$status $request_method $host $uri';
  access_log {access_log};
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  server_names_hash_max_size 8192;
  server_names_hash_bucket_size 128;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_max_body_size 0;
  client_body_timeout 60s;
  tcp_nodelay on;
{TLS}{http}}}
""")
    return ["nginx", "-p", str(home), "-e", f"{home}/error.log", "-c", f"{home}/nginx.conf"]


class Origin:
    """Serves /1k, /100k, /total and /eighth (of `transfer` bytes) at every site, and each of `cold_hosts` with its own certificate."""

    def __init__(self, folder: Path, network: Network, transfer: int, cold_hosts: list[str], access_log: bool = False) -> None:
        self.folder, self.network, self.transfer, self.cold_hosts = folder, network, transfer, cold_hosts
        self.authority = Authority(folder / "certificates")
        self.root = self.authority.root_file
        self.certificate = self.authority.leaf("site", names=[f"*.{ZONE}"])
        self.log = folder / "access.log" if access_log else None

    def start(self, processes: Processes, load: Path, resolved_through: str) -> None:
        """Names resolve to the sites that are reached through the gateway `resolved_through`."""
        self._files()
        network = self.network
        processes.start(network.origin, nginx_conf(self.folder, "origin", self._http(), f"{self.log} brief" if self.log else "off"), "origin")
        sinks = [network.sink(name) for name in network.gateways]
        processes.start(network.origin, [str(load), "sink", str(self.certificate), "443", *sinks], "sink")
        records = f"* A {network.site(resolved_through)}\nupload A {network.sink(resolved_through)}\n"
        processes.start(network.origin, nsd(self.folder, network.uplink(resolved_through), ZONE, records), "nsd")
        wait_until(lambda: self._serves(load, resolved_through) or processes.check(), "the origin")

    def _serves(self, load: Path, gateway: str) -> bool:
        """Does the web server answer, and the DNS server? The former has one request in its log then."""
        resolved = inside(self.network.origin, "dig", "+short", "+tries=1", "+time=1", f"@{self.network.uplink(gateway)}", f"site.{ZONE}")
        if subprocess.run(resolved, capture_output=True, text=True, check=False).stdout.strip() != self.network.site(gateway):
            return False
        command = [str(load), "handshakes", self.network.site(gateway), f"site.{ZONE}", "/1k", str(self.root), "seconds=0"]
        return subprocess.run(inside(self.network.origin, *command), capture_output=True, check=False).returncode == 0

    def _files(self) -> None:
        root = self.folder / "www"
        root.mkdir()
        (root / "1k").write_bytes(b"x" * 1024)
        (root / "100k").write_bytes(b"x" * 102400)
        for name, size in (("total", self.transfer), ("eighth", self.transfer // 8)):
            with (root / name).open("wb") as file:
                file.truncate(size)

    def _http(self) -> str:
        lines = f"  root {self.folder}/www;\n  open_file_cache max=100;\n"
        lines += self._server("default_server reuseport backlog=16384", "_", self.certificate)
        return lines + "".join(self._server("", host, self.authority.leaf(host)) for host in self.cold_hosts)

    @staticmethod
    def _server(options: str, name: str, certificate: Path) -> str:
        return (f"  server {{ listen 443 ssl http2 {options}; server_name {name}; ssl_certificate {certificate}; "
                f"ssl_certificate_key {certificate}; }}\n")


def interception_ca(folder: Path) -> Path:
    """A CA for the peers that forge: certificate and P-256 key in one file."""
    key, certificate, both = (folder / f"peer-ca.{kind}" for kind in ("key", "crt", "pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    "/CN=Bench Interception CA", "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
                    "keyUsage=critical,keyCertSign,cRLSign", "-keyout", str(key), "-out", str(certificate)],
                   check=True, capture_output=True)
    both.write_text(certificate.read_text() + key.read_text())
    return both
