package supply

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Package is an npm package that tests fetch; none is part of what is built.
type Package struct {
	Name, Version string
	// Licence is the SPDX expression that the package declares.
	Licence string
}

// Packages lists the npm packages of all lock files in a checkout.
func Packages(root string) ([]Package, error) {
	found := map[Package]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && name != root):
			return filepath.SkipDir
		case d.Name() == "package-lock.json":
			return readLock(name, found)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]Package, 0, len(found))
	for p := range found {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return out, nil
}

func readLock(name string, found map[Package]bool) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var lock struct {
		Packages map[string]struct{ Version, License string }
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for path, p := range lock.Packages {
		if i := strings.LastIndex(path, "node_modules/"); i >= 0 {
			found[Package{path[i+len("node_modules/"):], p.Version, p.License}] = true
		}
	}
	return nil
}
