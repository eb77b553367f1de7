#!/usr/bin/env bash
# Looks for known vulnerabilities that our code reaches, tests included.
#
#   .ci/vuln.sh [URL]    URL of a copy of the database; without, the public one
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf 'vuln: %s\n' "$*" >&2; exit 1; }

db=()
if [ -n "${1:-}" ]; then
  # govulncheck takes a directory without a database for one without entries.
  case "$1" in file://*) [ -s "${1#file://}/index/modules.json" ] || die "there is no database in ${1#file://}" ;; esac
  db=(-db "$1")
fi
command -v govulncheck >/dev/null || die "govulncheck is missing: run 'make setup'"

failed=
for dir in cmd/tandem tests; do
  printf 'vuln: %s\n' "$dir"
  (cd "$dir" && GOWORK=off govulncheck "${db[@]}" -test ./...) || failed+=" $dir"
done
[ -z "$failed" ] || die "not clean, or the database could not be read (make vuln VULNDB=URL names a copy):$failed"
