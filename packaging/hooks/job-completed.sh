#!/bin/sh
# Ends what job-started.sh began: ACTIONS_RUNNER_HOOK_JOB_COMPLETED of a GitHub Actions runner, post_build_script of a GitLab runner.
# The report goes into $GITHUB_STEP_SUMMARY, each refusal becomes an annotation, and the exit code is what runner.env asks for:
# with COFFERDAM_FAIL_ON_DENY=1 a job to which something was refused has failed.
set -eu
# shellcheck source=/dev/null
. "${COFFERDAM_RUNNER_ENV:-/etc/cofferdam/runner.env}"

runner=$(printf %s "${RUNNER_NAME:-${CI_RUNNER_ID:-runner}}" | tr -c 'A-Za-z0-9_.-' _)
state=${COFFERDAM_STATE:-${HOME:?}/.local/state/cofferdam}
control=${COFFERDAM_CONTROL:-/run/cofferdam/control.sock}
if [ ! -s "$state/$runner" ]; then
  echo "cofferdam: no job was started for the runner $runner" >&2
  exit 1
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

code=0
cofferdam job --control "$control" stop --fail-on-deny --report "$scratch/report.md" "$(cat "$state/$runner")" \
  > "$scratch/summary.txt" || code=$?
rm -f "$state/$runner" "$state/$runner.ca"
cat "$scratch/summary.txt"
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -s "$scratch/report.md" ]; then cat "$scratch/report.md" >> "$GITHUB_STEP_SUMMARY"; fi
if [ -n "${GITHUB_ACTIONS:-}" ]; then
  level=warning
  if [ "${COFFERDAM_FAIL_ON_DENY:-1}" = 1 ]; then level=error; fi
  # A refusal is a line "  WHAT", then indented "WHY [reason]" and "to allow it: ENTRY".
  awk -v level="$level" '
    function escaped(text) { gsub(/%/, "%25", text); gsub(/\r/, "%0D", text); return text }
    function flush() { if (what != "" && shown++ < 10) print "::" level " title=Cofferdam refused::" escaped(what why hint); what = why = hint = "" }
    /^[^ ]/ { flush(); refusals = /^(refused|would be refused in mode enforce):$/; next }
    !refusals { next }
    /^    to allow it: / { hint = "; " substr($0, 5); next }
    /^    / { why = ": " substr($0, 5); next }
    /^  / { flush(); what = substr($0, 3) }
    END { flush() }' "$scratch/summary.txt"
fi
if [ "$code" = 99 ] && [ "${COFFERDAM_FAIL_ON_DENY:-1}" != 1 ]; then code=0; fi
exit "$code"
