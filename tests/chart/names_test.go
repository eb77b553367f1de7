package chart

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// releases are names that Helm takes and that are no names of services, no strings
// in YAML, or as long as they may be.
var releases = []string{"my.phone", "9phones", "123", "0x1f", "true", strings.Repeat("a", 53), strings.Repeat("a.", 26) + "a", "tandem"}

// service is RFC 1035's label, which a service's name must be.
var service = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

func TestNames(t *testing.T) {
	for _, release := range releases {
		text := renderAs(t, release, "testdata/values/matrix.yaml")
		names := map[string]bool{}
		for _, o := range objects(t, text) {
			name := fmt.Sprint(at(o, "metadata", "name"))
			if id := fmt.Sprint(o["kind"], " ", name); names[id] {
				t.Errorf("%s: two of %s", release, id)
			} else {
				names[id] = true
			}
			longest := 63
			if o["kind"] == "StatefulSet" {
				longest = 52 // its pods have a label that is longer by eleven
			}
			if !service.MatchString(name) || len(name) > longest {
				t.Errorf("%s: name %q", release, name)
			}
			labels, _ := at(o, "metadata", "labels").(object)
			for key, value := range labels {
				if s, ok := value.(string); !ok || len(s) > 63 {
					t.Errorf("%s: label %s of %s is %#v", release, key, name, value)
				}
			}
			if got := at(o, "metadata", "labels", "app.kubernetes.io/instance"); got != release {
				t.Errorf("%s: instance %v", release, got)
			}
		}
	}
}

func TestFullname(t *testing.T) {
	for _, o := range objects(t, render(t, "testdata/values/platform.yaml")) {
		if name := fmt.Sprint(at(o, "metadata", "name")); name != "exchange" && !strings.HasPrefix(name, "exchange-") {
			t.Errorf("%v %s", o["kind"], name)
		}
	}
}
