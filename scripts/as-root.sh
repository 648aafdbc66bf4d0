#!/usr/bin/env bash
# Runs a command as root: directly, or through sudo. Network namespaces for the tests need it; the program does not.
set -euo pipefail
if [ "$(id -u)" = 0 ]; then exec env PATH="/usr/bin:$PATH" "$@"; fi
command -v sudo >/dev/null || { echo "as-root.sh: needs root to make network namespaces, and there is no sudo" >&2; exit 1; }
exec sudo --preserve-env=COFFERDAM,CI,H2SPEC,BENCH_ROUNDS,BENCH_SECONDS,BENCH_SCENARIOS,BENCH_PEERS,SOAK_SECONDS env PATH="/usr/bin:$PATH" "$@"
