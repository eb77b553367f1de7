package supply

import (
	"fmt"
	"strings"
)

// Files gives what is written from the list of modules, by its path from the root:
// docs/licences.md, and the texts that the program carries.
func Files(root string, modules []Module) (map[string]string, error) {
	packages, err := Packages(root)
	if err != nil {
		return nil, err
	}
	notices, err := Notices(modules)
	if err != nil {
		return nil, err
	}
	return map[string]string{"docs/licences.md": Page(modules, packages), "cmd/tandem/licences.txt": notices}, nil
}

// Page is docs/licences.md.
func Page(modules []Module, packages []Package) string {
	var b strings.Builder
	b.WriteString(`# Licences

Tandem is under the [Apache License 2.0](../LICENSE). This page lists what it is built from and tested with; ` + "`make licences`" + ` writes it, and a test checks that it is current and that every licence in the program is one that fits. Licences are recognised by the text of the files beside each package that is used, not by what a registry says.

Who passes the program on must pass on its parts' licence texts: it carries them, and ` + "`tandem licences`" + ` prints them. Parts under MPL-2.0 bind their own files only; their source is the module of the version named.

## In the program

And Go's standard library, under BSD-3-Clause.

`)
	table(&b, modules, true)
	b.WriteString("\n## In tests only\n\nNothing of these is in the program.\n\n")
	table(&b, modules, false)
	b.WriteString("\n## npm packages of tests\n\nFetched by tests that drive clients which are not ours; as declared by the packages.\n\n| package | version | licence |\n|---|---|---|\n")
	for _, p := range packages {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Name, p.Version, p.Licence)
	}
	return b.String()
}

func table(b *strings.Builder, modules []Module, linked bool) {
	b.WriteString("| module | version | licence |\n|---|---|---|\n")
	for _, m := range modules {
		if m.Linked == linked {
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", m.Path, m.Version, strings.Join(m.Licences, ", "))
		}
	}
}
