#!/usr/bin/env bash
# Makes all generated code anew: protobuf, and what 'go generate' makes.
set -euo pipefail
cd "$(dirname "$0")/.."

for config in $(find . -name buf.gen.yaml -not -path '*/node_modules/*'); do
  (cd "$(dirname "$config")" && buf generate)
done
# The patterns of all modules: './...' alone would be the root module only.
# shellcheck disable=SC2046
go generate $(go list -m -f '{{.Dir}}/...')
