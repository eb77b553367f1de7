package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit"
)

// far is the configuration of an adapter that needs a server of others.
type far struct {
	Server string `yaml:"server" doc:"Which."`
}

func (f *far) Validate() error { return nil }
func (f *far) Enabled() bool   { return f.Server != "" }
func (f *far) Needs() string   { return "server" }

// MatrixServers implements what the directory's default is made of.
func (f *far) MatrixServers() []string {
	if f.Server == "" {
		return nil
	}
	return []string{f.Server}
}

func TestOptionalAdapters(t *testing.T) {
	specs := append(specs(), kit.Spec{Kind: "far", Config: func() kit.Config { return &far{} }})
	for _, tt := range []struct {
		set     []string
		has     bool
		servers []string
	}{
		{nil, false, nil},
		{[]string{"roles=nats,far", "far.server=a.test"}, true, []string{"a.test"}}, // asked for by name
		{[]string{"far.server=a.test"}, true, []string{"a.test"}},
		{[]string{"far.server=a.test", "roles=nats,pipe"}, false, []string{"a.test"}},
		{[]string{"far.server=a.test", "directory.matrix_servers=b.test"}, true, []string{"b.test"}},
	} {
		c, err := Load(specs, Source{Set: tt.set})
		if err != nil {
			t.Errorf("%q: %v", tt.set, err)
			continue
		}
		if got := c.Has("far"); got != tt.has {
			t.Errorf("%q: has the role: %v", tt.set, got)
		}
		if !slices.Equal(c.Directory.MatrixServers, tt.servers) {
			t.Errorf("%q: directory.matrix_servers %q, want %q", tt.set, c.Directory.MatrixServers, tt.servers)
		}
		if !c.Has("pipe") && tt.set == nil {
			t.Error("the other adapters are left out, too")
		}
	}
}

func TestAnAdapterThatIsAskedForNeedsItsKey(t *testing.T) {
	specs := append(specs(), kit.Spec{Kind: "far", Config: func() kit.Config { return &far{} }})
	for _, roles := range []string{"nats,far", "all,far"} {
		_, err := Load(specs, Source{Set: []string{"roles=" + roles}})
		if err == nil || !strings.Contains(err.Error(), "far.server: is needed, since this process has the role far") {
			t.Errorf("roles %s: %v", roles, err)
		}
	}
}
