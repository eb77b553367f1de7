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
	files, err := supply.Files(repo(t).Root, modules)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if string(read(t, name)) != want {
			t.Errorf("%s is not what there is: run 'make licences' and commit", name)
		}
	}
}
