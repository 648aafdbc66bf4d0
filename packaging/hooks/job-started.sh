#!/bin/sh
# Puts the CI job that is about to run behind a policy of its own: ACTIONS_RUNNER_HOOK_JOB_STARTED of a GitHub Actions runner,
# pre_get_sources_script of a GitLab runner. /etc/cofferdam/runner.env says which sources the runner's jobs have. Fails, and with it
# the job, where the gateway does not answer.
set -eu
# shellcheck source=/dev/null
. "${COFFERDAM_RUNNER_ENV:-/etc/cofferdam/runner.env}"

if [ -n "${GITHUB_RUN_ID:-}" ]; then
  name="github-$GITHUB_RUN_ID-${GITHUB_RUN_ATTEMPT:-1}-${GITHUB_JOB:-job}"
elif [ -n "${CI_JOB_ID:-}" ]; then
  name="gitlab-${CI_PROJECT_ID:-0}-$CI_JOB_ID"
else
  echo "cofferdam: neither GITHUB_RUN_ID nor CI_JOB_ID is set: not a job of a runner" >&2
  exit 64
fi
runner=$(printf %s "${RUNNER_NAME:-${CI_RUNNER_ID:-runner}}" | tr -c 'A-Za-z0-9_.-' _)
state=${COFFERDAM_STATE:-${HOME:?}/.local/state/cofferdam}
control=${COFFERDAM_CONTROL:-/run/cofferdam/control.sock}

mkdir -p "$state"
if [ -s "$state/$runner" ]; then # the runner's last job never ended
  cofferdam job --control "$control" stop "$(cat "$state/$runner")" >/dev/null 2>&1 || true
  rm -f "$state/$runner"
fi
set --
for source in ${COFFERDAM_SOURCES:?no COFFERDAM_SOURCES in runner.env}; do set -- "$@" --source "$source"; done
for entry in ${COFFERDAM_ALLOW:-}; do set -- "$@" --allow "$entry"; done
if [ -n "${COFFERDAM_POLICY:-}" ]; then set -- "$@" --policy "$COFFERDAM_POLICY"; fi
cofferdam job --control "$control" start --name "$name" "$@" > "$state/$runner"
ln -sfn "${COFFERDAM_CA_DIR:-/run/cofferdam/ca}/$(cat "$state/$runner")" "$state/$runner.ca" # what its containers mount
echo "cofferdam: job $(cat "$state/$runner") ($name)"
