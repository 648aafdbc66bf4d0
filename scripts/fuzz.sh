#!/usr/bin/env bash
# scripts/fuzz.sh BUILD_DIR SECONDS: runs every fuzz target for SECONDS, FUZZ_JOBS (2) at a time, from its seed corpus if there is one.
# FUZZ_SEED: where the random numbers start; 0 (the default) is elsewhere every time, anything else repeats.
set -euo pipefail
build=$1 seconds=$2
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run_one() {
    target=$1 name=$(basename "$1" _fuzz)
    mkdir -p "$work/$name"
    seeds=$(find "$root/tests" -type d -path "*/corpus/$name" -print -quit)
    if ! "$target" -max_total_time="$seconds" -seed="${FUZZ_SEED:-0}" -rss_limit_mb=2048 -timeout=60 -print_final_stats=1 \
        -artifact_prefix="$work/$name-" "$work/$name" ${seeds:+"$seeds"} >"$work/$name.log" 2>&1; then
        tail -40 "$work/$name.log"
        for f in "$work/$name"-*; do [ -f "$f" ] && { echo "input of the finding, base64:"; base64 "$f"; }; done
        echo "FUZZ FINDING: $name"
        return 1
    fi
    echo "fuzz $name: $(grep -m1 -o 'number_of_executed_units:.*' "$work/$name.log" | tr -s ' ') in ${seconds} s, no finding"
}
export -f run_one; export seconds root work
printf '%s\n' "$build"/fuzz/*_fuzz | xargs -P "${FUZZ_JOBS:-2}" -I{} bash -c 'run_one {}'
