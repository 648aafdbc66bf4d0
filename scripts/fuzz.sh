#!/usr/bin/env bash
# scripts/fuzz.sh BUILD_DIR: runs every fuzz target, FUZZ_JOBS (2) at a time, from its seed corpus if there is one.
# For FUZZ_SECONDS (60; 0: no bound) or FUZZ_RUNS (no bound) inputs each, whichever ends first.
# FUZZ_SEED: where the random numbers start; 0 (the default) is elsewhere every time, anything else repeats the same inputs,
# as many of them as there is time for.
set -euo pipefail
build=$1
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run_one() {
    target=$1 name=$(basename "$1" _fuzz)
    mkdir -p "$work/$name"
    seeds=$(find "$root/tests" -type d -path "*/corpus/$name" -print -quit)
    started=$SECONDS
    if ! "$target" -runs="${FUZZ_RUNS:--1}" -max_total_time="${FUZZ_SECONDS:-60}" -seed="${FUZZ_SEED:-0}" -reload=0 -rss_limit_mb=2048 -timeout=60 -print_final_stats=1 \
        -artifact_prefix="$work/$name-" "$work/$name" ${seeds:+"$seeds"} >"$work/$name.log" 2>&1; then
        grep -m5 -E 'runtime error|ERROR: |SUMMARY: ' "$work/$name.log" || true
        tail -40 "$work/$name.log"
        for f in "$work/$name"-*; do [ -f "$f" ] && { echo "input of the finding, base64:"; base64 "$f"; }; done
        echo "FUZZ FINDING: $name"
        return 1
    fi
    executed=$(grep -m1 -o 'number_of_executed_units:.*' "$work/$name.log" | tr -s ' ')
    echo "fuzz $name: $executed in $((SECONDS - started)) s, no finding"
}
export -f run_one; export root work
printf '%s\n' "$build"/fuzz/*_fuzz | xargs -P "${FUZZ_JOBS:-2}" -I{} bash -c 'run_one {}'
