#!/bin/sh
# The config management plugin of kpolicy for Argo CD: renders, scans, and generates nothing when the
# gate refuses. Manifests go to standard output unchanged, the report to standard error.
set -eu

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
if [ -f kustomization.yaml ] || [ -f kustomization.yml ] || [ -f Kustomization ]; then
  kustomize build . >"$made/manifests.yaml"
elif [ -f Chart.yaml ]; then
  helm template "${ARGOCD_APP_NAME:-release}" . \
    --namespace "${ARGOCD_APP_NAMESPACE:-default}" --include-crds >"$made/manifests.yaml"
else
  # As Argo CD reads a directory: one document after the other.
  find . -maxdepth 1 -type f \( -name '*.yaml' -o -name '*.yml' -o -name '*.json' \) | sort |
    while IFS= read -r file; do
      printf -- '---\n'
      cat "$file"
      printf '\n'
    done >"$made/manifests.yaml"
fi
status=0
# PARAM_* come from the Application's plugin parameters.
kpolicy scan "$made/manifests.yaml" --render never --format text --output "$made/report.txt" \
  --fail-on "${PARAM_FAIL_ON:-warning}" ${PARAM_EXPECT_DIGEST:+--expect-digest "$PARAM_EXPECT_DIGEST"} \
  >/dev/null 2>"$made/errors.txt" || status=$?
cat "$made/errors.txt" "$made/report.txt" >&2 2>/dev/null || true
[ "$status" -eq 0 ] || exit "$status"
cat "$made/manifests.yaml"
