#!/usr/bin/env bash
# The scan of the GitHub action. Inputs come as variables, so that no text of theirs is run.
set -euo pipefail

lines() {  # each line of a text that is not empty, as an element of the array $1
  local -n found=$1
  found=()
  while IFS= read -r line; do
    [ -n "$line" ] && found+=("$line")
  done <<<"$2"
  return 0
}

lines paths "${KPOLICY_PATHS:-.}"
lines extra "${KPOLICY_ARGS:-}"
arguments=(--format github --output -)
[ -z "${KPOLICY_SARIF:-}" ] || arguments+=(--format sarif --output "$KPOLICY_SARIF")
base=${KPOLICY_BASE:-}
if [ -z "$base" ] && [ -n "${GITHUB_BASE_REF:-}" ]; then
  # A checkout of one commit does not have the base branch.
  git fetch --quiet --no-tags --depth=1 origin "$GITHUB_BASE_REF"
  base=FETCH_HEAD
fi
if [ -n "$base" ] && [ "$base" != none ]; then
  arguments+=(--base "$base")
fi
status=0
kpolicy scan "${paths[@]}" --fail-on "${KPOLICY_FAIL_ON:-warning}" "${arguments[@]}" "${extra[@]}" || status=$?
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  echo "status=$status" >>"$GITHUB_OUTPUT"
fi
exit "$status"
