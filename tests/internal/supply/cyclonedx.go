package supply

import (
	"encoding/json"
	"fmt"
	"net/url"
	"runtime"
	"strings"
)

// CycloneDX 1.6, as far as it is used here.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Licences   []licence  `json:"licenses"`
		Purl       string     `json:"purl"`
		Properties []property `json:"properties,omitempty"`
	}
	licence struct {
		Licence struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref  string   `json:"ref"`
		Uses []string `json:"dependsOn"`
	}
)

// name is the program's module.
const name = "github.com/tandem-rtc/tandem/cmd/tandem"

// BOM is the bill of materials of the program, in CycloneDX's JSON: the modules
// that are linked, Go's standard library among them, their licences, and which
// needs which. The same checkout gives the same text.
func BOM(modules []Module, version string) ([]byte, error) {
	self := of(name, version, "application", "Apache-2.0")
	std := of("std", strings.TrimPrefix(runtime.Version(), "go"), "library", "BSD-3-Clause")
	b := bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{self}, Components: []component{std}}
	refs := map[string]string{}
	for _, m := range modules {
		if m.Linked {
			c := of(m.Path, m.Version, "library", m.Licences...)
			if m.Sum != "" {
				c.Properties = []property{{"go:sum", m.Sum}}
			}
			refs[m.Path] = c.Ref
			b.Components = append(b.Components, c)
		}
	}
	top := dependency{Ref: self.Ref, Uses: []string{std.Ref}}
	for _, m := range modules {
		if !m.Linked {
			continue
		}
		top.Uses = append(top.Uses, refs[m.Path])
		d := dependency{Ref: refs[m.Path], Uses: []string{std.Ref}}
		for _, n := range m.Needs {
			d.Uses = append(d.Uses, refs[n])
		}
		b.Dependencies = append(b.Dependencies, d)
	}
	b.Dependencies = append(b.Dependencies, top, dependency{Ref: std.Ref, Uses: []string{}})
	out, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the bill of materials: %w", err)
	}
	return append(out, '\n'), nil
}

func of(path, version, kind string, licences ...string) component {
	purl := "pkg:golang/" + path + "@" + url.PathEscape(version)
	c := component{Type: kind, Ref: purl, Name: path, Version: version, Purl: purl, Licences: []licence{}}
	for _, id := range licences {
		var l licence
		l.Licence.ID = id
		c.Licences = append(c.Licences, l)
	}
	return c
}
