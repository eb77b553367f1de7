package chart

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// checksums gives what the pods of each role say of their configuration.
func checksums(t *testing.T, more ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, o := range objects(t, render(t, "testdata/values/minimal.yaml", more...)) {
		if sum := at(o, "spec", "template", "metadata", "annotations", "checksum/config"); sum != nil {
			out[fmt.Sprint(at(o, "metadata", "name"))] = fmt.Sprint(sum)
		}
	}
	return out
}

// Pods are replaced when what they read at their start has changed, and not by what
// other roles read: a subscriber more ends no call.
func TestRollouts(t *testing.T) {
	before := checksums(t)
	if len(before) != 6 {
		t.Fatalf("%v", before)
	}
	for set, want := range map[string][]string{
		"directory.domains={example.org}": {"phone-tandem-directory"},
		"config.callstate.max_calls=5":    slices.Sorted(maps.Keys(before)),
	} {
		var changed []string
		for name, sum := range checksums(t, "--set", set) {
			if sum != before[name] {
				changed = append(changed, name)
			}
		}
		slices.Sort(changed)
		if !slices.Equal(changed, want) {
			t.Errorf("%s replaces the pods of %q instead of %q", set, changed, want)
		}
	}
}

// Go is told four fifths of a container's memory, in whatever unit that is said.
func TestMemory(t *testing.T) {
	for limit, want := range map[string]string{
		"512Mi": "429496729", "1Gi": "858993459", "1.5Gi": "1288490188", "500M": "400000000", "1000000000": "800000000", "1e9": "<nil>", "null": "<nil>",
	} {
		for _, role := range []string{"callstate", "nats"} {
			spec := pods(t, render(t, "testdata/values/minimal.yaml", "--set", role+".resources.limits.memory="+limit))["phone-tandem-"+role]
			got := "<nil>"
			for _, e := range list(at(list(spec["containers"])[0], "env")) {
				if at(e, "name") == "GOMEMLIMIT" {
					got = fmt.Sprint(at(e, "value"))
				}
			}
			if got != want {
				t.Errorf("%s of %s: %s instead of %s", role, limit, got, want)
			}
		}
	}
}

// A role's own placement takes the place of the one for all pods, and its labels,
// annotations, variables and files come besides.
func TestPlacement(t *testing.T) {
	for pod, spec := range pods(t, render(t, "testdata/values/platform.yaml")) {
		selector, class := "kubernetes.io/arch:arm64", "telephony"
		switch {
		case strings.HasSuffix(pod, "-media"):
			selector = "media:1"
		case strings.HasSuffix(pod, "-nats"):
			selector = "disk:fast"
		case strings.HasSuffix(pod, "-callstate"):
			class = "first"
		}
		if got := fmt.Sprint(spec["nodeSelector"]); got != "map["+selector+"]" {
			t.Errorf("%s: node selector %s", pod, got)
		}
		if spec["priorityClassName"] != class || len(list(spec["tolerations"])) != 1 || spec["serviceAccountName"] != "restricted" {
			t.Errorf("%s: %v, %v, %v", pod, spec["priorityClassName"], spec["tolerations"], spec["serviceAccountName"])
		}
		kind := "nodeAffinity"
		if strings.HasSuffix(pod, "-media") {
			kind = "podAntiAffinity"
			if terms := list(at(spec, "affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution")); len(terms) != 2 {
				t.Errorf("%s: %v", pod, terms)
			}
		}
		if at(spec, "affinity", kind) == nil {
			t.Errorf("%s: affinity %v", pod, spec["affinity"])
		}
	}
}
