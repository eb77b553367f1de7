# Tandem's verbs; 'make' lists them. Only Go is needed for 'make run' and
# 'make test-unit'; 'make setup' installs what the others need.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Where 'make setup' puts tools; the tests look for them on the PATH.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tandem
export PATH := $(CACHE)/bin:$(PATH)

# Go asks git for the version it stamps into binaries, also in a checkout that
# belongs to another user (a container's bind mount).
export GIT_CONFIG_COUNT := 1
export GIT_CONFIG_KEY_0 := safe.directory
export GIT_CONFIG_VALUE_0 := *

# The Matrix adapter encrypts with mautrix and its Olm in pure Go.
export GOFLAGS := $(strip $(GOFLAGS) -tags=goolm)

# Package patterns of all modules but tests/; in a workspace, ./... is the root
# module only.
UNIT = $(shell go list -m -f '{{.Dir}}/...' | grep -v '/tests/\.\.\.$$')
TESTS = $(shell go list ./tests/... | grep -v -e /tests/lint -e '/tests/pairs$$' -e '/tests/deploy$$' -e '/tests/k8s$$')

# What 'make run' gives to 'tandem serve', and the benchmarks 'make bench' runs.
ARGS ?=
BENCH ?= .
BENCHTIME ?= 2s

# Where 'make vuln' has a copy of the vulnerability database; empty: it makes its own.
VULNDB ?=
WITH_BENCHMARKS = $(shell grep -rl --include='*_test.go' '^func Benchmark' adapters bus cmd schema services tests | xargs -n1 dirname | sort -u | sed 's|^|./|')

.PHONY: help
help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/tandem
	go build -o bin/tandem ./cmd/tandem

.PHONY: run
run: build ## Run the whole exchange on this machine (ARGS="--flag …")
	exec bin/tandem serve $(ARGS)

.PHONY: test
test: setup lint ## Everything: set-up, lint, all tests with the race detector, end to end in Chromium
	go test -race -timeout 15m -p 4 $(UNIT)
	# Anew: the program, deploy/ and docs/ are outside of their module, so Go would
	# take a result of before a change of these for good.
	go test -race -timeout 30m -count 1 -p 3 ./tests/pairs $(TESTS)
	go test -race -timeout 30m -count 1 -v ./tests/deploy

.PHONY: test-deploy
test-deploy: setup ## The image and the compose deployment, with calls through them (part of 'make test')
	go test -race -timeout 30m -count 1 -v ./tests/deploy

.PHONY: test-k8s
test-k8s: ## The chart on a real Kubernetes, which is built first (not part of 'make test'; needs root)
	.ci/setup.sh k8s
	go test -timeout 120m -count 1 -v ./tests/k8s

.PHONY: test-unit
test-unit: ## The modules' own tests, in under a minute, without installing anything
	go test -p 8 -timeout 5m $(UNIT)

.PHONY: lint
lint: ## The repository's rules (tests/lint) and staticcheck
	@command -v staticcheck >/dev/null || { echo "staticcheck is missing: run 'make setup'" >&2; exit 1; }
	go test -count 1 ./tests/lint/...
	staticcheck $(UNIT) ./tests/...

.PHONY: pairs
pairs: ## Play every scenario for every pair of protocols, and write docs/pairs.md
	go test -count 1 ./tests/pairs/scenario -update
	go test -count 1 -timeout 20m ./tests/pairs -update

.PHONY: bench
bench: ## Benchmarks, one package after another (BENCH=regexp BENCHTIME=2s)
	go test -run '^$$' -bench '$(BENCH)' -benchtime '$(BENCHTIME)' -benchmem -timeout 60m -p 1 $(WITH_BENCHMARKS)

.PHONY: generate
generate: ## Make generated code anew: protobuf, the page's bundle
	.ci/setup.sh tools
	.ci/generate.sh

.PHONY: schema-baseline
schema-baseline: ## Accept the schema as it is as what later changes must not break
	.ci/setup.sh tools
	cd schema && buf build --output testdata/baseline.binpb

.PHONY: licences
licences: ## List the licences of all dependencies in docs/licences.md, and put their texts into the program
	go run ./tests/supply licences

.PHONY: sbom
sbom: ## Write bin/tandem.cdx.json, the program's bill of materials (CycloneDX)
	@mkdir -p bin
	go run ./tests/supply sbom bin/tandem.cdx.json

.PHONY: vuln
vuln: ## Look for known vulnerabilities that our code reaches (VULNDB=URL of a copy of the database)
	@.ci/setup.sh tools
	.ci/vuln.sh $(VULNDB)

.PHONY: setup
setup: ## Install what the tests need: tools, Chromium, a Matrix homeserver
	.ci/setup.sh
