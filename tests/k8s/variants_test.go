package k8s

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// upgrade gives the release further values.
func upgrade(t *testing.T, values string) {
	t.Helper()
	if _, err := helm(t, "upgrade", "tandem", chart, "-n", namespace, "-f", "testdata/values.yaml", "-f", "testdata/"+values); err != nil {
		look(t)
		t.Fatal(err)
	}
}

// secure has TLS in the pods, a load balancer for each media pod, and autoscaling.
// The lab has no load balancers: addresses are given by hand, and lead to the pods
// by the rules that the node has for them.
func secure(t *testing.T) {
	upgrade(t, "secure.yaml")
	// Nothing is stopped only because an autoscaler is to decide from now on.
	if got := kubectl(t, "-n", namespace, "get", "statefulset", "tandem-callstate", "-o", "jsonpath={.spec.replicas}"); got != "2" {
		t.Errorf("%s pods of call state remain", got)
	}
	for i := range 3 {
		status := fmt.Sprintf(`{"status":{"loadBalancer":{"ingress":[{"ip":"10.98.0.5%d"}]}}}`, i)
		kubectl(t, "-n", namespace, "patch", "service", fmt.Sprintf("tandem-media-%d", i), "--subresource=status", "--type=merge", "-p", status)
	}
	for _, role := range roles {
		settled(t, role)
	}
	registerAnew(t)
	helmTest(t)
	call(t, access{tls: certificate.client(t), user: dora})
	got := strings.Fields(kubectl(t, "-n", namespace, "get", "horizontalpodautoscalers", "-o", "jsonpath={.items[*].metadata.name}"))
	slices.Sort(got)
	if want := []string{"tandem-callstate", "tandem-grpcpipe", "tandem-media", "tandem-sylkrtc"}; !slices.Equal(got, want) {
		t.Errorf("autoscalers %q, want %q", got, want)
	}
	for _, role := range []string{"callstate", "grpcpipe", "media", "sylkrtc"} {
		if pods := podsOf(t, role); len(pods) < 2 {
			t.Errorf("%s: pods %q under its autoscaler", role, pods)
		}
	}
}

// hostNetwork has media on the node's own port, which the restricted standard does
// not let it have, and a registration of the operator's.
func hostNetwork(t *testing.T) {
	restrict(t, "privileged")
	own := kubectl(t, "-n", namespace, "exec", "deployment/tandem-matrix", "--", "/tandem", "matrix", "registration",
		"--server-name=matrix.test", "--url=http://tandem-matrix."+namespace+".svc:8009")
	kubectl(t, "-n", namespace, "create", "secret", "generic", "registration", "--from-literal=registration.yaml="+own)
	upgrade(t, "hostnetwork.yaml")
	for _, role := range roles {
		settled(t, role)
	}
	if got := registerAnew(t); got != own {
		t.Error("another registration is in use than the one in the secret")
	}
	if got := kubectl(t, "-n", namespace, "get", "pod", "tandem-media-0", "-o", "jsonpath={.spec.hostNetwork} {.spec.containers[0].ports[?(@.name=='media')].hostPort}"); got != "true 37900" {
		t.Errorf("the host's network and port: %q", got)
	}
	if got := kubectl(t, "-n", namespace, "get", "services", "-o", "jsonpath={.items[*].metadata.name}"); strings.Contains(got, "tandem-media-0") {
		t.Errorf("services for pods that are reached without: %s", got)
	}
	call(t, plain)
}
