// Command supply writes what Tandem is made of: docs/licences.md, a bill of
// materials, the parts' licence texts. Run it from the checkout.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tandem-rtc/tandem/tests/internal/supply"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "supply:", err)
		os.Exit(1)
	}
}

// run carries out "page", or "sbom FILE", or "notices FILE".
func run(args []string) error {
	wants := map[string]int{"page": 1, "sbom": 2, "notices": 2}
	if len(args) == 0 || len(args) != wants[args[0]] {
		return fmt.Errorf("usage: supply page | sbom FILE | notices FILE")
	}
	root, err := supply.Root(".")
	if err != nil {
		return err
	}
	modules, err := supply.Modules(root)
	if err != nil {
		return err
	}
	switch args[0] {
	case "page":
		packages, err := supply.Packages(root)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(root, "docs", "licences.md"), []byte(supply.Page(modules, packages)), 0o644)
	case "sbom":
		text, err := supply.BOM(modules, version(root))
		if err != nil {
			return err
		}
		return os.WriteFile(args[1], text, 0o644)
	default:
		text, err := supply.Notices(modules)
		if err != nil {
			return err
		}
		return os.WriteFile(args[1], []byte(text), 0o644)
	}
}

// version is what git says of the checkout; "devel" without git.
func version(root string) string {
	cmd := exec.Command("git", "-c", "safe.directory=*", "describe", "--tags", "--always", "--dirty")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "devel"
	}
	return strings.TrimSpace(string(out))
}
