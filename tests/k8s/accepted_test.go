package k8s

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/crds"
)

// accepted has the API server look at what the chart renders for the table of values
// of its golden files, kinds that are not Kubernetes' own among them.
func accepted(t *testing.T) {
	definitions, err := crds.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range definitions {
		kubectl(t, "create", "-f", f)
	}
	kubectl(t, "wait", "--for=condition=Established", "customresourcedefinitions", "--all", "--timeout=60s")
	kubectl(t, "create", "namespace", "calls")
	kubectl(t, "label", "namespace", "calls", "pod-security.kubernetes.io/enforce=restricted")
	for _, account := range []string{"phone-tandem", "restricted"} { // which the pod of "helm test" names
		kubectl(t, "-n", "calls", "create", "serviceaccount", account)
	}
	kubectl(t, "create", "priorityclass", "telephony", "--value=1000")
	files, err := filepath.Glob("../chart/testdata/values/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, f := range files {
		// Ports that no running release has.
		text, err := template(t, "phone", chart, "-n", "calls", "-f", f, "--set", "media.nodePortBase=31990")
		if err != nil {
			t.Fatal(err)
		}
		out, err := cluster.Apply(t.Context(), text, "-n", "calls", "--dry-run=server")
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
		t.Logf("%s: %d objects", f, strings.Count(out, "(server dry run)"))
		if strings.HasSuffix(f, "/tls.yaml") {
			for _, kind := range []string{"httproute.", "grpcroute.", "podmonitor.", "prometheusrule.", "horizontalpodautoscaler.", "ingress."} {
				if !strings.Contains(out, kind) {
					t.Errorf("%s: no %s among\n%s", f, kind, out)
				}
			}
		}
	}
}
