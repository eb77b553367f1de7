package k8s

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/k8s/lab"
)

// externalBus installs the chart anew, on a NATS server outside the cluster with the
// identities that "tandem nats-config" makes. The seed was kept.
func externalBus(t *testing.T) {
	if _, err := helm(t, "uninstall", "tandem", "-n", namespace, "--wait"); err != nil {
		t.Fatal(err)
	}
	restrict(t, "restricted")
	binary, err := harness.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	files, out := certificate.files(t), t.TempDir()
	binary.Run(t, "nats-config", "--for=helm", "--out="+out, "--prefix=bus", "--namespace="+namespace,
		"--listen="+lab.Address+":4222", "--monitor=", "--store="+t.TempDir(),
		"--tls-cert="+filepath.Join(files, "tls.crt"), "--tls-key="+filepath.Join(files, "tls.key"))
	secrets, err := os.ReadFile(filepath.Join(out, "secrets.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Apply(t.Context(), string(secrets)); err != nil {
		t.Fatal(err)
	}
	harness.Start(t, harness.Command{Name: "nats-server", Path: filepath.Join(tools, "nats-server"), Args: []string{"-c", filepath.Join(out, "nats.conf")}})
	install(t, "external.yaml")
	if got := registerAnew(t); got != seeded {
		t.Error("another registration is made than before: the seed was not kept")
	}
	helmTest(t)
	call(t, access{user: ella})
	if pods := podsOf(t, "nats"); len(pods) > 0 {
		t.Errorf("the chart's own servers run: %q", pods)
	}
	if _, err := helm(t, "uninstall", "tandem", "-n", namespace, "--wait"); err != nil {
		t.Error(err)
	}
}
