"""The nginx that serves static fixtures over HTTP and HTTPS, each request in a JSON access log."""
from __future__ import annotations

from pathlib import Path

from . import names

_HEAD = """\
daemon off;
pid {state}/nginx.pid;
error_log {state}/nginx-error.log info;
worker_processes 2;
worker_rlimit_nofile 32768;
events {{ worker_connections 8192; }}
http {{
  types {{ text/html html; application/json json; }}
  default_type application/octet-stream;
  log_format seen escape=json '{{"kind":"nginx","time":$msec,"host":"$http_host","sni":"$ssl_server_name",'
    '"method":"$request_method","target":"$request_uri","status":$status,"agent":"$http_user_agent",'
    '"sent":$body_bytes_sent,"length":$request_length,"connection":$connection,"requests":$connection_requests,'
    '"auth":"$http_authorization","cookie":"$http_cookie","nonce":"$http_x_nonce"}}';
  access_log {records} seen;
  client_body_temp_path {state}/body; proxy_temp_path {state}/proxy; fastcgi_temp_path {state}/fastcgi;
  uwsgi_temp_path {state}/uwsgi; scgi_temp_path {state}/scgi;
  client_max_body_size 0;
  keepalive_requests 100000;
  sendfile on;
  tcp_nodelay on;
  ssl_session_tickets on;
"""

_SITE = """\
  server {{
    listen {v4}:80 backlog=8192; listen [{v6}]:80;
    listen {v4}:443 ssl backlog=8192; listen [{v6}]:443 ssl;
    server_name {host};
    ssl_certificate {certificates}/{host}.pem; ssl_certificate_key {certificates}/{host}.pem;
    root {www}/{host};
{locations}  }}
"""

_LOCATIONS = {
    names.NPM: """\
    location / { default_type application/json; try_files $uri/packument.json $uri =404; }
    location = /-/npm/v1/security/advisories/bulk { default_type application/json; return 200 '{}'; }
""",
    names.PYPI: "    location / { default_type text/html; index index.html; }\n",
}


def configuration(state: Path, www: Path, certificates: Path, records: Path) -> str:
    text = _HEAD.format(state=state, records=records)
    for hosts, v4, v6 in ((names.NGINX_HOSTS, names.PACKAGES, names.PACKAGES6),
                          (names.BULK_HOSTS, names.BULK, names.BULK6)):
        for host in hosts:
            text += _SITE.format(v4=v4, v6=v6, host=host, certificates=certificates, www=www,
                                 locations=_LOCATIONS.get(host, ""))
    # Socket options may be given once for each address and port.
    lines, seen = [], set()
    for line in text.splitlines():
        if line.strip().startswith("listen"):
            if line in seen:
                line = line.replace(" backlog=8192", "")
            else:
                seen.add(line)
        lines.append(line)
    return "\n".join(lines) + "\n}\n"
