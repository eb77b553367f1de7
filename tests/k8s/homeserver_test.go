package k8s

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The homeserver: its namespace, its image, and the secret by which accounts are made.
const (
	homeserver    = "homeserver"
	dendriteImage = "ghcr.io/element-hq/dendrite-monolith:v0.15.2"
	accounts      = "what registers users in tests"
)

// seeded is the registration that was made from the installation's seed.
var seeded string

// startHomeserver runs a homeserver in the cluster, which gets its registration from
// the exchange as the chart's notes say.
func startHomeserver(t *testing.T) {
	t.Helper()
	kubectl(t, "create", "namespace", homeserver)
	kubectl(t, "-n", homeserver, "create", "configmap", "dendrite",
		"--from-file=../../deploy/dendrite/dendrite.yaml", "--from-file=../../deploy/dendrite/start.sh")
	manifest, err := os.ReadFile("testdata/dendrite.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seeded = register(t)
	data := t.TempDir()
	t.Cleanup(func() { // before its data goes
		if _, err := cluster.Kubectl(context.Background(), "delete", "namespace", homeserver, "--timeout=60s"); err != nil {
			t.Error(err)
		}
	})
	if _, err := cluster.Apply(t.Context(), strings.ReplaceAll(string(manifest), "@data@", data), "-n", homeserver); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "-n", homeserver, "rollout", "status", "deployment/dendrite", "--timeout="+patience.String())
}

// register gives the homeserver the registration, which it returns.
func register(t *testing.T) string {
	t.Helper()
	registration := kubectl(t, "-n", namespace, "exec", "deployment/tandem-matrix", "--", "/tandem", "matrix", "show")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"registration.yaml": registration,
		"accounts":          accounts,
		"ca.crt":            string(certificate.cert),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secret := kubectl(t, "-n", homeserver, "create", "secret", "generic", "dendrite", "--from-file="+dir, "--dry-run=client", "-o", "yaml")
	if _, err := cluster.Apply(t.Context(), secret, "-n", homeserver); err != nil {
		t.Fatal(err)
	}
	return registration
}

// registerAnew does the same while it runs: it reads registrations at its start.
func registerAnew(t *testing.T) string {
	t.Helper()
	registration := register(t)
	kubectl(t, "-n", homeserver, "rollout", "restart", "deployment/dendrite")
	kubectl(t, "-n", homeserver, "rollout", "status", "deployment/dendrite", "--timeout="+patience.String())
	return registration
}
