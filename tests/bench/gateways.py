"""The gateways that `make bench` compares, each set up for its best on two cores. All verify the origin's certificate where they can."""
from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from origin import ZONE, Origin, nginx_conf
from rig import Measured, Network, Processes, inside, run, wait_until

PORT = 9443
PARTLY = f"partly.{ZONE}"  # a host of which only /allowed/ is on the list
NAMES = ("direct", "haproxy", "haproxy_1to1", "nginx_http", "sslsplit", "squid", "mitmproxy", "cofferdam")


@dataclass
class Setting:
    """What a gateway is made of."""
    folder: Path
    network: Network
    origin: Origin
    peer_ca: Path  # certificate and key
    binary: Path   # cofferdam
    root: Path = Path()

    def __post_init__(self) -> None:
        self.root = self.origin.root


@dataclass
class Gateway:
    name: str
    roots: Path  # what a client behind it trusts
    process: Measured | None = None


def haproxy(s: Setting, name: str = "haproxy", reuse: str = "always", per_server: str = "") -> list[str]:
    conf = s.folder / f"{name}.cfg"
    server = f"ssl verify required ca-file {s.root} sni str(site.{ZONE}) alpn http/1.1 {per_server}"
    conf.write_text(f"""global
  nbthread 2
  maxconn 9000
  tune.ssl.cachesize 100000
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256
defaults
  mode http
  http-reuse {reuse}
  timeout connect 10s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
frontend in
  bind :{PORT} ssl crt {s.origin.certificate} curves P-256 alpn h2,http/1.1 backlog 16384
  use_backend sink if {{ path /upload }}
  default_backend site
backend site
  server site {s.network.site(name)}:443 {server}
backend sink
  server sink {s.network.sink(name)}:443 {server}
""")
    return ["haproxy", "-db", "-f", str(conf)]


def haproxy_1to1(s: Setting) -> list[str]:
    """A new upstream connection, with a full handshake, for each client connection."""
    return haproxy(s, "haproxy_1to1", "never", "no-ssl-reuse pool-max-conn 0")


def nginx_http(s: Setting) -> list[str]:
    def upstream(name: str, address: str) -> str:
        return f"  upstream {name} {{ server {address}:443; keepalive 1024; keepalive_requests 1000000000; }}\n"

    return nginx_conf(s.folder, "nginx_http", upstream("site", s.network.site("nginx_http")) + upstream("sink", s.network.sink("nginx_http")) + f"""
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_buffers 16 32k;
  proxy_max_temp_file_size 0;
  proxy_request_buffering off;
  proxy_read_timeout 300s;
  proxy_ssl_protocols TLSv1.3;
  proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  proxy_ssl_verify on;
  proxy_ssl_trusted_certificate {s.root};
  proxy_ssl_server_name on;
  proxy_ssl_name site.{ZONE};
  server {{
    listen {PORT} ssl http2 reuseport backlog=16384;
    ssl_certificate {s.origin.certificate};
    ssl_certificate_key {s.origin.certificate};
    location / {{ proxy_pass https://site; }}
    location /upload {{ proxy_pass https://sink; }}
  }}
""")


def sslsplit(s: Setting) -> list[str]:
    """Relays the plain bytes without a look at HTTP; leaves with a P-256 key."""
    key = s.folder / "peer-leaf.key"
    run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key), capture_output=True)
    return ["sslsplit", "-k", str(s.peer_ca), "-c", str(s.peer_ca), "-K", str(key), "-u", "root", "-P", "ssl", "0.0.0.0", str(PORT)]


def squid(s: Setting) -> list[str]:
    home = s.folder / "squid"
    home.mkdir()
    shutil.chown(home, "proxy", "proxy")
    database = home / "certificates"
    run("/usr/lib/squid/security_file_certgen", "-c", "-s", str(database), "-M", "16MB", capture_output=True)
    run("chown", "-R", "proxy:proxy", str(database))
    conf = home / "squid.conf"
    hosts = home / "hosts"
    hosts.write_text(f"{s.network.sink('squid')} upload.{ZONE}\n"
                     + "".join(f"{s.network.site('squid')} {name}\n" for name in (f"site.{ZONE}", *s.origin.cold_hosts)))
    conf.write_text(f"""http_port 3128
https_port {PORT} intercept ssl-bump tls-cert={s.peer_ca} generate-host-certificates=on dynamic_cert_mem_cache_size=16MB
sslcrtd_program /usr/lib/squid/security_file_certgen -s {database} -M 16MB
sslcrtd_children 4 startup=2 idle=1
tls_outgoing_options cafile={s.root}
acl begins at_step SslBump1
ssl_bump peek begins
ssl_bump bump all
http_access allow all
cache deny all
cache_mem 8 MB
access_log none
cache_log /dev/null
cache_store_log none
pid_filename {home}/pid
coredump_dir {home}
hosts_file {hosts}
dns_nameservers {s.network.uplink('squid')}
pinger_enable off
max_filedescriptors 20000
shutdown_lifetime 1 seconds
client_persistent_connections on
server_persistent_connections on
pipeline_prefetch 4
read_timeout 300 seconds
request_timeout 300 seconds
client_idle_pconn_timeout 300 seconds
logfile_rotate 0
""")
    return ["squid", "-N", "-f", str(conf)]


def mitmproxy(s: Setting) -> list[str]:
    home = s.folder / "mitmproxy"
    home.mkdir()
    shutil.copy(s.peer_ca, home / "mitmproxy-ca.pem")
    options = {"confdir": home, "ssl_verify_upstream_trusted_ca": s.root, "block_global": "false", "stream_large_bodies": "64k",
               "flow_detail": 0, "termlog_verbosity": "error", "connection_strategy": "lazy", "block_private": "false"}
    return ["mitmdump", "--mode", "transparent", "-p", str(PORT), *(w for k, v in options.items() for w in ("--set", f"{k}={v}"))]


def cofferdam(s: Setting) -> list[str]:
    """Every host of the origin is an entry of its own, as a learned list has it; records go to a file."""
    entries = "".join(f"  - https://{host}/\n" for host in (f"site.{ZONE}", f"upload.{ZONE}", *s.origin.cold_hosts))
    entries += f"  - https://{PARTLY}/allowed/\n"
    conf = s.folder / "cofferdam.yaml"
    conf.write_text(f"""version: 1
intercept: router
allow:
{entries}tls:
  extra_roots: ["{s.root}"]
dns:
  upstreams: ["{s.network.uplink('cofferdam')}:53"]
http:
  idle_timeout: 300s
audit:
  sinks: [{{ file: "{s.folder}/audit.jsonl" }}]
serve:
  interfaces: [jobs0]
  user: root
  ca_dir: {s.folder}/ca
  control: {s.folder}/control.sock
  metrics: 127.0.0.1:9464
""")
    return [str(s.binary), "serve", "--config", str(conf)]


_COMMANDS: dict[str, Callable[[Setting], list[str]]] = {
    f.__name__: f for f in (haproxy, haproxy_1to1, nginx_http, sslsplit, squid, mitmproxy, cofferdam)}
_FORGING = ("sslsplit", "squid", "mitmproxy")


def start(name: str, setting: Setting, processes: Processes) -> Gateway:
    """Starts it in its namespace, with the redirect to it; it may not serve yet."""
    if name == "direct":
        return Gateway(name, setting.root)
    process = processes.start(setting.network.gateways[name], _COMMANDS[name](setting), name)
    if name == "cofferdam":
        certificate = setting.folder / "ca" / "ca.pem"
        wait_until(lambda: _is_ready(processes), "cofferdam: ready")
        return Gateway(name, certificate, process)
    setting.network.redirect(name, PORT)
    roots = setting.folder / "peer-ca.crt" if name in _FORGING else setting.root
    return Gateway(name, roots, process)


def _is_ready(processes: Processes) -> bool:
    processes.check()
    return "cofferdam: ready" in processes.tail("cofferdam")


def answers(gateway: Gateway, network: Network, load: Path) -> bool:
    """Does a request through it come back?"""
    command = [str(load), "handshakes", network.site(gateway.name), f"site.{ZONE}", "/1k", str(gateway.roots), "seconds=0"]
    return subprocess.run(inside(network.client, *command), capture_output=True, check=False).returncode == 0
