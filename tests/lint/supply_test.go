package lint

import (
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/supply"
)

func TestLicencesFitAndAreListed(t *testing.T) {
	modules, err := supply.Modules(repo(t).Root)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if bad := supply.Incompatible(m.Licences); len(bad) > 0 {
			t.Errorf("%s is under %q, which is not known to fit Apache-2.0 (tests/internal/supply/licence.go)", m.Path, bad)
		}
	}
	packages, err := supply.Packages(repo(t).Root)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		if p.Licence == "" {
			t.Errorf("npm package %s says nothing of its licence", p.Name)
		}
	}
	if have, want := string(read(t, "docs/licences.md")), supply.Page(modules, packages); have != want {
		t.Error("docs/licences.md is not what there is: run 'make licences' and commit")
	}
}
