package k8s

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/tests/internal/livecall"
	"github.com/tandem-rtc/tandem/tests/k8s/lab"
	"github.com/tandem-rtc/tandem/tests/pairs/voice"
)

const namespace = "tandem"

// roles are what the chart runs, two pods of each but three of nats.
var roles = []string{"nats", "directory", "callstate", "media", "sylkrtc", "grpcpipe", "console"}

func TestChart(t *testing.T) {
	kubectl(t, "create", "namespace", namespace)
	kubectl(t, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	began := time.Now()
	if _, err := helm(t, "install", "tandem", "../../deploy/helm/tandem", "-n", namespace, "-f", "testdata/values.yaml", "--wait", "--timeout", "4m"); err != nil {
		look(t)
		t.Fatal(err)
	}
	t.Logf("installed in %v", time.Since(began).Round(time.Second))
	if out, err := helm(t, "test", "tandem", "-n", namespace); err != nil {
		t.Errorf("%v\n%s", err, kubectl(t, "-n", namespace, "logs", "tandem-test-call"))
	} else if !strings.Contains(out, "Succeeded") {
		t.Error(out)
	}
	call(t)
	t.Run("ports", ports)
	t.Run("budget", budget)
	for _, role := range roles {
		began := time.Now()
		name := podsOf(t, role)[0]
		kubectl(t, "-n", namespace, "delete", "pod", name, "--wait=true", "--timeout=90s")
		settled(t, role)
		call(t)
		t.Logf("a pod of %s deleted, and calls placed after %v", role, time.Since(began).Round(time.Millisecond))
	}
	if t.Failed() {
		look(t)
	}
}

// look logs how the pods are.
func look(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"get", "pods", "-o", "wide"}, {"get", "events", "--sort-by=.lastTimestamp"},
		{"logs", "-l", "app.kubernetes.io/name=tandem", "--tail=10", "--prefix", "--max-log-requests=40"},
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

// The demo accounts.
var (
	alice = kittest.Account{Subscriber: "alice", AOR: "alice@demo.test", HA1: sylkrtctest.HA1("alice@demo.test", "demo"), MSISDN: "+12025550101", Token: "demo"}
	carol = kittest.Account{Subscriber: "carol", AOR: "carol@demo.test", HA1: sylkrtctest.HA1("carol@demo.test", "demo"), MSISDN: "+12025550103", Token: "demo"}
)

// call places calls in both directions from outside the cluster, through the ports
// of its node.
func call(t *testing.T) {
	t.Helper()
	sylk := livecall.Side{Name: "sylk", Account: alice, Client: connect(t, alice, func(ctx context.Context) (kittest.Client, error) {
		c, err := sylkrtctest.Dial(ctx, "ws://"+nodePort(t, "sylkrtc")+"/webrtcgateway/ws", sylkrtctest.V2, sylkrtctest.Options{})
		if err != nil {
			return nil, err
		}
		return sylkrtctest.Kit(c, sylkrtctest.NewRings()), nil
	})}
	defer sylk.Client.Close()
	wg2 := livecall.Side{Name: "wg2", Account: carol, Client: connect(t, carol, func(ctx context.Context) (kittest.Client, error) {
		return grpcpipetest.Dial(ctx, nodePort(t, "grpcpipe"), true)
	})}
	defer wg2.Client.Close()
	outside := func(ip net.IP) bool { return ip.String() == lab.Address }
	for _, c := range [][2]livecall.Side{{sylk, wg2}, {wg2, sylk}} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := livecall.PlaceIn(ctx, &voice.Room{Address: outside}, c[0], c[1])
		cancel()
		if err != nil {
			look(t)
			t.Fatal(err)
		}
	}
}

// nodePort is where a service is reached from outside.
func nodePort(t *testing.T, role string) string {
	t.Helper()
	return net.JoinHostPort(lab.Address, kubectl(t, "-n", namespace, "get", "service", "tandem-"+role, "-o", "jsonpath={.spec.ports[0].nodePort}"))
}

func connect(t *testing.T, a kittest.Account, dial func(context.Context) (kittest.Client, error)) (client kittest.Client) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		c, err := dial(ctx)
		if err == nil {
			if err = c.SignIn(ctx, a); err == nil {
				cancel()
				return c
			}
			c.Close()
		}
		cancel()
		select {
		case <-tick.C:
		case <-deadline:
			look(t)
			t.Fatalf("%s cannot sign in: %v", a.Subscriber, err)
		}
	}
}

// budget evicts both pods of a role at once: the second must wait for the first.
func budget(t *testing.T) {
	for _, role := range []string{"callstate", "media", "sylkrtc", "nats"} {
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
	call(t)
}

func evict(t *testing.T, pod string) error {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, namespace)
	return cluster.Create(t.Context(), "/api/v1/namespaces/"+namespace+"/pods/"+pod+"/eviction", body)
}
