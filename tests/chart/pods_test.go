package chart

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// at follows keys into an object; nil where there is nothing.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, ok := v.(object)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// objects decodes a rendering.
func objects(t *testing.T, text string) (out []object) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var o object
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if o != nil {
			out = append(out, o)
		}
	}
}

// pods gives the pod specifications of a rendering, by their workload's name.
func pods(t *testing.T, text string) map[string]object {
	t.Helper()
	out := map[string]object{}
	for _, o := range objects(t, text) {
		spec, _ := at(o, "spec", "template", "spec").(object)
		if o["kind"] == "Pod" {
			spec, _ = o["spec"].(object)
		}
		if spec != nil {
			out[fmt.Sprint(at(o, "metadata", "name"))] = spec
		}
	}
	return out
}

// Every pod keeps to the restricted standard, but for the host's network where that
// was asked for, and has less than that allows.
func TestPodsAreRestricted(t *testing.T) {
	for name, file := range values(t) {
		all := pods(t, render(t, file))
		if len(all) < 4 {
			t.Fatalf("%s: only %d pods", name, len(all))
		}
		for pod, spec := range all {
			where := name + ": " + pod
			security := at(spec, "securityContext")
			if at(security, "runAsNonRoot") != true || at(security, "seccompProfile", "type") != "RuntimeDefault" {
				t.Errorf("%s: %v", where, security)
			}
			if spec["automountServiceAccountToken"] != false {
				t.Errorf("%s gets a token of the API server", where)
			}
			if host := spec["hostNetwork"] == true; host != ((name == "hostnetwork" || name == "platform") && strings.HasSuffix(pod, "-media")) {
				t.Errorf("%s: host network: %v", where, host)
			}
			for _, c := range append(list(spec["initContainers"]), list(spec["containers"])...) {
				s := at(c, "securityContext")
				if at(s, "allowPrivilegeEscalation") != false || at(s, "readOnlyRootFilesystem") != true || fmt.Sprint(at(s, "capabilities", "drop")) != "[ALL]" {
					t.Errorf("%s: container %v: %v", where, at(c, "name"), s)
				}
				// platform takes call state's limit away
				limited := at(c, "resources", "limits", "memory") != nil || name == "platform" && at(c, "name") == "callstate"
				if !limited || at(c, "resources", "requests", "cpu") == nil {
					t.Errorf("%s: container %v: resources %v", where, at(c, "name"), at(c, "resources"))
				}
			}
		}
	}
}

// Who keeps calls has time to end in good order: the wait before, the drain, and a
// margin fit into the grace period.
func TestGracePeriods(t *testing.T) {
	for pod, spec := range pods(t, render(t, "testdata/values/minimal.yaml", "--set", "media.drainSeconds=300,preStopSeconds=7")) {
		for _, c := range list(spec["containers"]) {
			if at(c, "lifecycle") == nil {
				continue // NATS, and the phone of helm test
			}
			wait, _ := at(c, "lifecycle", "preStop", "sleep", "seconds").(int)
			grace, _ := spec["terminationGracePeriodSeconds"].(int)
			drain := 0
			for _, e := range list(at(c, "env")) {
				if at(e, "name") == "TANDEM_DRAIN_TIMEOUT" {
					if _, err := fmt.Sscanf(fmt.Sprint(at(e, "value")), "%ds", &drain); err != nil {
						t.Error(err)
					}
				}
			}
			if wait != 7 || drain < 10 || grace < wait+drain {
				t.Errorf("%s: %d s before and %d s of drain do not fit into %d s", pod, wait, drain, grace)
			}
			if strings.HasSuffix(pod, "-media") && drain < 300 {
				t.Errorf("%s ends after %d s of 300", pod, drain)
			}
		}
	}
}

// The seed, from which every secret can be made, is seen by the set-up alone, and
// a role's container sees what is its own.
func TestSeedStaysInSetup(t *testing.T) {
	for pod, spec := range pods(t, render(t, "testdata/values/matrix.yaml")) {
		for _, c := range list(spec["containers"]) {
			for _, m := range list(at(c, "volumeMounts")) {
				if n := at(m, "name"); n == "seed" || n == "keep" {
					t.Errorf("%s: container %v mounts %v", pod, at(c, "name"), n)
				}
			}
		}
	}
}

// The dashboard and the alerts are those that the compose deployment has.
func TestObservability(t *testing.T) {
	text := render(t, "testdata/values/minimal.yaml", "--set", "monitoring.dashboards.enabled=true,monitoring.rules.enabled=true,monitoring.podMonitor.enabled=true")
	found := 0
	for _, o := range objects(t, text) {
		switch {
		case o["kind"] == "PodMonitor":
			// Both ask for the job "tandem".
			if label := at(o, "spec", "jobLabel"); at(o, "metadata", "labels", fmt.Sprint(label)) != "tandem" {
				t.Errorf("the job is called by the label %v", label)
			}
			found++
		case o["kind"] == "PrometheusRule":
			alerts, err := os.ReadFile("../../deploy/observability/alerts.yml")
			if err != nil {
				t.Fatal(err)
			}
			var want object
			if err := yaml.Unmarshal(alerts, &want); err != nil || !reflect.DeepEqual(o["spec"], any(want)) {
				t.Errorf("other alerts: %v", err)
			}
			found++
		case strings.HasSuffix(fmt.Sprint(at(o, "metadata", "name")), "-dashboard"):
			want, err := os.ReadFile("../../deploy/observability/grafana/dashboards/tandem.json")
			if got, _ := at(o, "data", "tandem.json").(string); err != nil || strings.TrimSpace(got) != strings.TrimSpace(string(want)) {
				t.Errorf("another dashboard, %v", err)
			}
			found++
		}
	}
	if found != 3 {
		t.Errorf("%d of three", found)
	}
}

// Every pod is covered by the policy that refuses everything, and by one of its own.
func TestNetworkPolicies(t *testing.T) {
	text := render(t, "testdata/values/matrix.yaml")
	var selectors []string
	for _, o := range objects(t, text) {
		if o["kind"] != "NetworkPolicy" {
			continue
		}
		if got := fmt.Sprint(at(o, "spec", "policyTypes")); got != "[Ingress Egress]" {
			t.Errorf("%v is about %s", at(o, "metadata", "name"), got)
		}
		role, _ := at(o, "spec", "podSelector", "matchLabels", "app.kubernetes.io/component").(string)
		selectors = append(selectors, role)
	}
	for _, role := range []string{"", "nats", "callstate", "directory", "media", "sylkrtc", "grpcpipe", "matrix", "console", "test"} {
		if !slices.Contains(selectors, role) {
			t.Errorf("no policy selects %q: %q", role, selectors)
		}
	}
}
