#!/usr/bin/env bash
# Looks for known vulnerabilities that our code reaches, tests included.
#
#   .ci/vuln.sh          against the public database as it is today
#   .ci/vuln.sh URL      against a copy of it
#
# The database is made, by its own program, of the module that its entries are kept
# in: that comes the way all modules come, also where the database's site cannot be
# reached.
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/tandem"
die() { printf 'vuln: %s\n' "$*" >&2; exit 1; }

# database MODULE: makes the database of a module's newest version, unless it is
# there, and prints its URL.
database() {
  local module="$1" version dir out
  version="$(cd "$cache" && GOWORK=off GOFLAGS='' go list -m -f '{{.Version}}' "$module@latest")" || die "$module: no version to be had"
  out="$cache/vulndb/$version"
  if [ ! -s "$out/index/modules.json" ]; then
    printf 'vuln: making the database of %s\n' "$version" >&2
    rm -rf "$cache/vulndb"
    mkdir -p "$cache/vulndb"
    dir="$(cd "$cache" && GOWORK=off GOFLAGS='' go mod download -json "$module@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')"
    (cd "$cache" && GOWORK=off GOFLAGS='' go run "$module/cmd/indexdb@$version" -vulns "$dir/data/osv" -out "$out.new")
    mv "$out.new" "$out"
  fi
  printf 'file://%s' "$out"
}

db="${1:-}"
[ -n "$db" ] || db="$(database golang.org/x/vulndb)"
# govulncheck takes a directory without a database for one without entries.
case "$db" in file://*) [ -s "${db#file://}/index/modules.json" ] || die "there is no database in ${db#file://}" ;; esac
command -v govulncheck >/dev/null || die "govulncheck is missing: run 'make setup'"

failed=
for dir in cmd/tandem tests; do
  printf 'vuln: %s\n' "$dir"
  (cd "$dir" && GOWORK=off govulncheck -db "$db" -test ./...) || failed+=" $dir"
done
[ -z "$failed" ] || die "not clean, or the database could not be read:$failed"
