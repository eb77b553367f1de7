package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What NATS has stored outlives each change of the settings but this one, so it is
// refused before a server starts.
func TestOneServerStaysOne(t *testing.T) {
	one, three, five := []string{"n1"}, []string{"n1", "n2", "n3"}, []string{"n1", "n2", "n3", "n4", "n5"}
	for _, c := range []struct {
		before, now []string
		want        string
	}{
		{one, one, ""},
		{nil, one, ""},
		{three, three, ""},
		{three, five, ""},
		{one, three, "NATS was one server alone and would be a cluster"},
		{three, one, "NATS was a cluster and would be one server alone"},
	} {
		dir := lay(t, "nats")
		run(t, dir, "", c.before...)
		// Replacing the cluster's password is in order.
		if err := os.RemoveAll(filepath.Join(dir, "keep", "nats", "routes.password")); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(filepath.Join(dir, "nats", "nats.conf"))
		if err != nil {
			t.Fatal(err)
		}
		err = Run(Options{Dir: dir, Servers: c.now, Owner: os.Getuid()})
		if c.want == "" {
			if err != nil {
				t.Errorf("%d to %d: %v", len(c.before), len(c.now), err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d to %d: %v", len(c.before), len(c.now), err)
		}
		if after, _ := os.ReadFile(filepath.Join(dir, "nats", "nats.conf")); string(after) != string(before) {
			t.Errorf("%d to %d: refused, and written all the same", len(c.before), len(c.now))
		}
	}
}
