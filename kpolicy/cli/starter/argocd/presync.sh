#!/bin/sh
# The PreSync hook of kpolicy: gets the revision that is about to be synced, and scans it.
# Its exit status decides: anything but 0 stops the sync. The log is the report.
set -eu

source_dir=${KPOLICY_SOURCE:-/source}
credentials=${KPOLICY_GIT:-/git}/credentials

checkout() {
  if [ -z "${KPOLICY_REPOSITORY:-}" ] || [ -z "${KPOLICY_REVISION:-}" ]; then
    echo "kpolicy: the Job was not told what is synced: set the annotations kpolicy.dev/repository" >&2
    echo "and kpolicy.dev/revision by the Application's commonAnnotations (docs/argocd.md)" >&2
    exit 2
  fi
  git init --quiet "$source_dir/tree"
  cd "$source_dir/tree"
  if [ -f "$credentials" ]; then
    git config credential.helper "store --file $credentials"
  fi
  git remote add origin "$KPOLICY_REPOSITORY"
  git fetch --quiet --depth 1 origin "$KPOLICY_REVISION"
  git checkout --quiet FETCH_HEAD
  echo "kpolicy: $KPOLICY_REVISION is $(git rev-parse HEAD)"
}

scan() {
  # A volume that is mounted in place of a checkout needs no repository.
  tree=$source_dir
  [ ! -d "$source_dir/tree" ] || tree=$source_dir/tree
  cd "$tree"
  set -- scan "${KPOLICY_PATH:-.}" --format text
  [ -z "${KPOLICY_DIGEST:-}" ] || set -- "$@" --expect-digest "$KPOLICY_DIGEST"
  [ -z "${KPOLICY_FAIL_ON:-}" ] || set -- "$@" --fail-on "$KPOLICY_FAIL_ON"
  exec kpolicy "$@"
}

case "${1:-}" in
  checkout) checkout ;;
  scan) scan ;;
  *) echo "usage: presync.sh checkout|scan" >&2; exit 2 ;;
esac
