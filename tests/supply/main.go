// Command supply writes what Tandem is made of: docs/licences.md with the texts that
// the program carries, and a bill of materials. Run it from the checkout.
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

// run carries out "licences" or "sbom FILE".
func run(args []string) error {
	wants := map[string]int{"licences": 1, "sbom": 2}
	if len(args) == 0 || len(args) != wants[args[0]] {
		return fmt.Errorf("usage: supply licences | sbom FILE")
	}
	root, err := supply.Root(".")
	if err != nil {
		return err
	}
	modules, err := supply.Modules(root)
	if err != nil {
		return err
	}
	if args[0] == "sbom" {
		text, err := supply.BOM(modules, version(root))
		if err != nil {
			return err
		}
		return os.WriteFile(args[1], text, 0o644)
	}
	files, err := supply.Files(root, modules)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
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
