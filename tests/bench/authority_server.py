"""The authoritative DNS server of the benchmarks: nsd with one zone and no rate limit."""
from __future__ import annotations

from pathlib import Path


def nsd(folder: Path, address: str, zone: str, records: str) -> list[str]:
    """Writes zone and configuration; returns the command. `records` are lines of a zone file, relative to `zone`."""
    home = folder / "nsd"
    home.mkdir()
    (home / "zone").write_text(f"$ORIGIN {zone}.\n$TTL 86400\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {address}\n{records}")
    (home / "nsd.conf").write_text(f"""server:
  ip-address: {address}
  server-count: 1
  username: ""
  zonesdir: "{home}"
  database: ""
  pidfile: ""
  xfrdfile: ""
  zonelistfile: "{home}/zones.list"
  xfrdir: "{home}"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: {zone}
  zonefile: zone
""")
    return ["nsd", "-d", "-c", f"{home}/nsd.conf"]
