#!/usr/bin/env python3
"""The verification logic of Qtap's guide "CI Security Validation", word for word but for where the log comes from:
usage: verify_allowed_hosts.py LOG ALLOWED..."""
from __future__ import annotations

import re
import sys
from pathlib import Path

ALLOWED = set(sys.argv[2:])
LOG_PATH = Path(sys.argv[1])
# Match the "authority" field from Qtap's JSON output (e.g., "authority": "example.com")
AUTHORITY_REGEX = re.compile(r'"authority"\s*:\s*"([^"]+)"')


def collect_logs() -> str:
    return LOG_PATH.read_text(encoding="utf-8")


def extract_hosts(log_text: str) -> list[str]:
    return [match.group(1) for match in AUTHORITY_REGEX.finditer(log_text)]


def main() -> int:
    log_text = collect_logs()
    hosts = extract_hosts(log_text)
    disallowed = sorted(set(h for h in hosts if h not in ALLOWED))
    if disallowed:
        print("Disallowed hosts detected by Qtap:", file=sys.stderr)
        for host in disallowed:
            print(f" - {host}", file=sys.stderr)
        print(f"\nQtap logs saved to {LOG_PATH}", file=sys.stderr)
        return 1
    print("Qtap host allow-list check passed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
