package k8s

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

const namespace = "tandem"

// roles are what the chart runs, two pods of each but three of nats.
var roles = []string{"nats", "directory", "callstate", "media", "sylkrtc", "grpcpipe", "matrix", "console"}

func TestChart(t *testing.T) {
	certificate = newCertificate(t)
	kubectl(t, "create", "namespace", namespace)
	restrict(t, "restricted")
	certificate.secret(t, namespace)
	disks(t)
	install(t)
	startHomeserver(t)
	helmTest(t)
	call(t, plain)
	t.Run("ports", ports)
	t.Run("budget", budget)
	t.Run("kept", kept)
	for _, role := range roles {
		began := time.Now()
		names := podsOf(t, role)[:1]
		if role == "matrix" { // one of them serves, and the other one stands by
			names = podsOf(t, role)
		}
		for _, name := range names {
			kubectl(t, "-n", namespace, "delete", "pod", name, "--wait=true", "--timeout=90s")
			settled(t, role)
			call(t, plain)
		}
		t.Logf("a pod of %s deleted, and calls placed after %v", role, time.Since(began).Round(time.Millisecond))
	}
	t.Run("accepted", accepted)
	t.Run("secure", secure)
	t.Run("host network", hostNetwork)
	t.Run("external bus", externalBus)
	if t.Failed() {
		look(t)
	}
}

// install installs the chart with further values, and waits until all is ready.
func install(t *testing.T, values ...string) {
	t.Helper()
	began := time.Now()
	args := []string{"install", "tandem", chart, "-n", namespace, "-f", "testdata/values.yaml"}
	for _, v := range values {
		args = append(args, "-f", "testdata/"+v)
	}
	if _, err := helm(t, append(args, "--wait", "--timeout", "4m")...); err != nil {
		look(t)
		t.Fatal(err)
	}
	t.Logf("installed in %v", time.Since(began).Round(time.Second))
}

// disks are there for whoever claims them: the lab makes none itself.
func disks(t *testing.T) {
	t.Helper()
	for i := range 3 {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // pods have user ids of their own
			t.Fatal(err)
		}
		volume := fmt.Sprintf(`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"disk-%d"},"spec":{"capacity":{"storage":"1Gi"},
			"accessModes":["ReadWriteOnce"],"hostPath":{"path":%q,"type":"Directory"}}}`, i, dir)
		if _, err := cluster.Apply(t.Context(), volume); err != nil {
			t.Fatal(err)
		}
	}
}

// helmTest has the chart place its own call.
func helmTest(t *testing.T) {
	t.Helper()
	if out, err := helm(t, "test", "tandem", "-n", namespace); err != nil {
		t.Errorf("%v\n%s", err, kubectl(t, "-n", namespace, "logs", "tandem-test-call"))
	} else if !strings.Contains(out, "Succeeded") {
		t.Error(out)
	}
}

// restrict says what pods in the namespace may be.
func restrict(t *testing.T, standard string) {
	t.Helper()
	kubectl(t, "label", "--overwrite", "namespace", namespace, "pod-security.kubernetes.io/enforce="+standard)
}

// look logs how the pods are.
func look(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"get", "pods", "-o", "wide"}, {"get", "events", "--sort-by=.lastTimestamp"},
		{"logs", "-l", "app.kubernetes.io/name=tandem", "--tail=10", "--prefix", "--max-log-requests=40"},
		{"logs", "-l", "app.kubernetes.io/component=matrix", "--tail=40", "--prefix"},
		{"-n", homeserver, "logs", "-l", "app=dendrite", "--tail=40"},
	} {
		out, err := cluster.Kubectl(context.Background(), append([]string{"-n", namespace}, args...)...)
		t.Logf("%v %v\n%s", args, err, out)
	}
}

func podsOf(t *testing.T, role string) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "-n", namespace, "get", "pods", "-l", "app.kubernetes.io/component="+role,
		"--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}"))
}

// settled waits until a role has all its pods, ready.
func settled(t *testing.T, role string) {
	t.Helper()
	kind := "deployment"
	if role == "nats" || role == "callstate" || role == "media" {
		kind = "statefulset"
	}
	kubectl(t, "-n", namespace, "rollout", "status", kind+"/tandem-"+role, "--timeout="+patience.String())
}

// budget evicts both pods of a role at once: the second must wait for the first.
func budget(t *testing.T) {
	for _, role := range []string{"callstate", "media", "sylkrtc", "matrix", "nats"} {
		pods := podsOf(t, role)
		if len(pods) < 2 {
			t.Fatalf("%s: pods %q", role, pods)
		}
		if err := evict(t, pods[0]); err != nil {
			t.Errorf("%s: the first eviction: %v", role, err)
			continue
		}
		if err := evict(t, pods[1]); err == nil || !strings.Contains(err.Error(), "disruption budget") {
			t.Errorf("%s: the second eviction: %v", role, err)
		}
		settled(t, role)
	}
	call(t, plain)
}

// kept tries what would lose what is stored: one NATS server instead of three, and
// another seed, as whoever renders the chart without a cluster has.
func kept(t *testing.T) {
	_, err := helm(t, "upgrade", "tandem", chart, "-n", namespace, "-f", "testdata/values.yaml", "--set", "nats.replicas=1")
	if err == nil || !strings.Contains(err.Error(), "nats.replicas stays 1, or more than 1: there are 3 now") {
		t.Errorf("one NATS server instead of three: %v", err)
	}
	text, err := template(t, "tandem", chart, "-n", namespace, "-f", "testdata/values.yaml", "--show-only", "templates/seed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Apply(t.Context(), text, "-n", namespace); err == nil || !strings.Contains(err.Error(), "immutable") {
		t.Errorf("another seed: %v", err)
	}
}

func evict(t *testing.T, pod string) error {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, namespace)
	return cluster.Create(t.Context(), "/api/v1/namespaces/"+namespace+"/pods/"+pod+"/eviction", body)
}
