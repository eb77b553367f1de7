#!/usr/bin/env bash
# Installs what building the generated code and testing need, and keeps it in
# ${XDG_CACHE_HOME:-$HOME/.cache}/tandem. What is there in the right version is
# left alone, so a second run takes a second.
#
#   .ci/setup.sh          everything
#   .ci/setup.sh k8s      that, and what 'make test-k8s' needs of Debian
#   .ci/setup.sh tools    only the Go tools for 'make generate' and 'make lint'
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/tandem"
bin="$cache/bin"
mkdir -p "$bin"

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

command -v go >/dev/null || die "Go is missing: install Go 1.26 or newer"
# The tests that need npm packages keep them in the same cache themselves.
if [ "${1:-all}" != tools ]; then
  command -v node >/dev/null && command -v npm >/dev/null || die "Node or npm is missing: install Node 20 or newer"
  [ "$(node -p 'process.versions.node.split(".")[0] >= 20')" = true ] || die "Node $(node -v) is too old: install Node 20 or newer"
fi

# go_tool PACKAGE VERSION: one binary, built with the present Go (staticcheck
# must know its standard library).
go_tool() {
  local package="$1" version="$2" name have
  name="$(basename "${package%/v[0-9]*}")"
  have="$(go version -m "$bin/$name" 2>/dev/null | awk 'NR == 1 { go = $NF } $1 == "mod" { print go, $3 }' || true)"
  [ "$have" = "$(go env GOVERSION) $version" ] && return
  say "building $name $version"
  (cd "$cache" && GOBIN="$bin" GOWORK=off GOFLAGS='' go install "$package@$version")
}

# dendrite VERSION: a Matrix homeserver and two programs that go with it. Its
# module has replace directives, so it cannot be installed by version; a module
# of our own with tool lines can. Its database needs cgo.
dendrite() {
  local version="$1" module="$cache/dendrite" name have missing=()
  for name in dendrite generate-keys create-account; do
    have="$(go version -m "$bin/$name" 2>/dev/null | awk 'NR == 1 { go = $NF } $2 == "github.com/element-hq/dendrite" { print go, $3 }' || true)"
    [ "$have" = "$(go env GOVERSION) $version" ] || missing+=("$name")
  done
  [ ${#missing[@]} = 0 ] && return
  say "building dendrite $version, which takes some minutes the first time"
  rm -rf "$module"
  mkdir -p "$module"
  {
    printf 'module tandem.test/dendrite\n\ngo 1.26.0\n\n'
    printf 'tool github.com/element-hq/dendrite/cmd/%s\n' dendrite generate-keys create-account
    printf '\nrequire github.com/element-hq/dendrite %s\n' "$version"
  } >"$module/go.mod"
  (cd "$module" && GOBIN="$bin" GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=1 go install tool)
}

# compose VERSION: Docker Compose, the same way as Dendrite.
compose() {
  local version="$1" module
  go version -m "$bin/docker-compose" 2>/dev/null | grep -qF "github.com/docker/compose/v5	$version" && return
  say "building docker-compose $version (two minutes)"
  module="$(mktemp -d)"
  (
    cd "$module"
    export GOWORK=off GOFLAGS='' CGO_ENABLED=0
    go mod init tools 2>/dev/null
    go get -tool "github.com/docker/compose/v5/cmd@$version" 2>/dev/null
    go build -trimpath -ldflags '-s -w' -o "$bin/docker-compose" github.com/docker/compose/v5/cmd
  )
  rm -rf "$module"
}

# prometheus VERSION MODULE-VERSION: Prometheus, the same way, without its page. Of
# its ways to find what it asks, all but the one by DNS are left out: they bring the
# clients of every cloud along, and take many minutes.
prometheus() {
  local version="$1" revision="$2" package=github.com/prometheus/prometheus module source
  go version -m "$bin/prometheus" 2>/dev/null | grep -qF "$package	$revision" && return
  say "building prometheus $version (two minutes)"
  module="$(mktemp -d)"
  (
    cd "$module"
    export GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0
    source="$(go mod download -json "$package@$revision" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')"
    [ -d "$source" ] || die "no source of $package"
    cp -r "$source" source
    chmod -R u+w source
    printf 'package plugins\n\nimport _ "%s/discovery/dns"\n' "$package" >source/plugins/plugins.go
    printf 'module tandem.test/prometheus\n\ngo 1.26.0\n\nrequire %s %s\n\nreplace %s => ./source\n' \
      "$package" "$revision" "$package" >go.mod
    go build -trimpath -ldflags "-s -w -X github.com/prometheus/common/version.Version=$version" \
      -o "$bin/prometheus" "$package/cmd/prometheus"
  )
  rm -rf "$module"
}

# apt PACKAGE...: Debian packages, as root or with sudo.
apt() {
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "missing: $*. Install with: apt-get install $*"
    as_root=(sudo)
  fi
  command -v apt-get >/dev/null || die "missing: $*. Install with your system's package manager"
  say "installing $*"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# What Debian has comes first, since the Go tools come by HTTPS.
if [ "${1:-all}" != tools ]; then
  missing=()
  [ -s /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates) # base images take it too
  # The race detector needs cgo, and that a compiler with headers.
  gcc -fsyntax-only -x c -include stdlib.h /dev/null 2>/dev/null || missing+=(gcc libc6-dev)
  command -v git >/dev/null || missing+=(git)
  command -v curl >/dev/null || missing+=(curl)         # commands of the documentation
  command -v openssl >/dev/null || missing+=(openssl)   # the same
  command -v chromium >/dev/null || missing+=(chromium) # end-to-end tests
  # The compose deployment: a daemon, its firewall rules and bridge, a shell for
  # base images.
  [ -x /usr/sbin/dockerd ] && [ -x /usr/bin/docker ] || missing+=(docker.io)
  [ -x /usr/sbin/iptables ] || missing+=(iptables)
  command -v ip >/dev/null || missing+=(iproute2)
  [ -x /bin/busybox ] || missing+=(busybox-static)
  if [ "${1:-all}" = k8s ]; then
    [ -x /usr/bin/etcd ] || missing+=(etcd-server)
    [ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
    [ -x /usr/sbin/conntrack ] || missing+=(conntrack)
    [ -x /usr/sbin/nft ] || missing+=(nftables)
  fi
  [ ${#missing[@]} = 0 ] || apt "${missing[@]}"
fi

go_tool github.com/bufbuild/buf/cmd/buf v1.68.0
go_tool google.golang.org/protobuf/cmd/protoc-gen-go v1.36.11
go_tool google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.0
go_tool honnef.co/go/tools/cmd/staticcheck v0.6.1
go_tool golang.org/x/vuln/cmd/govulncheck v1.2.0
[ "${1:-all}" = tools ] && exit

# The server that the tests run as an external bus.
go_tool github.com/nats-io/nats-server/v2 v2.15.2
# A gRPC client that is not ours.
go_tool github.com/fullstorydev/grpcurl/cmd/grpcurl v1.9.3

# The homeserver that the tests of the Matrix adapter run; it needs gcc.
dendrite v0.15.2
# What the compose deployment is run with.
compose v5.5.1
# What watches it there.
prometheus 3.5.0 v0.305.0
# What the chart is rendered and checked with.
go_tool helm.sh/helm/v4/cmd/helm v4.3.1
go_tool github.com/yannh/kubeconform/cmd/kubeconform v0.8.0
say "ready"
