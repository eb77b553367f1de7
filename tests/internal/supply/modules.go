package supply

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Module is one Go module that something here is built from.
type Module struct {
	Path, Version string
	// Sum is its hash as go.sum has it.
	Sum string
	// Linked modules are in the program; others are in tests only.
	Linked bool
	// Licences are SPDX identifiers, sorted.
	Licences []string
	// Needs are the paths of the modules that its packages import.
	Needs []string

	dir      string
	packages []string // directories
}

// program is what users get.
const program = "./cmd/tandem"

// listed is what "go list -json" says of a package.
type listed struct {
	ImportPath, Dir string
	Standard        bool
	Imports         []string
	Module          *struct {
		Path, Version, Dir, Sum string
		Main                    bool
	}
}

// Modules lists the dependencies of a checkout, by path. Those of the program
// are the ones it has on Linux.
func Modules(root string) ([]Module, error) {
	linked, err := list(root, program)
	if err != nil {
		return nil, err
	}
	own, err := goTool(root, "list", "-m", "-f", "{{.Dir}}/...")
	if err != nil {
		return nil, err
	}
	all, err := list(root, append([]string{"-test"}, strings.Fields(string(own))...)...)
	if err != nil {
		return nil, err
	}
	found := map[string]*Module{}
	gather(found, linked, true)
	gather(found, all, false)
	out := make([]Module, 0, len(found))
	for _, m := range found {
		if m.Licences, err = licencesOf(m.dir, m.packages); err != nil {
			return nil, fmt.Errorf("%s %s: %w", m.Path, m.Version, err)
		}
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	return out, nil
}

// gather adds the modules of packages that are not there yet.
func gather(found map[string]*Module, packages []listed, linked bool) {
	of := map[string]string{}
	for _, p := range packages {
		if p.Module != nil && !p.Module.Main {
			of[p.ImportPath] = p.Module.Path
		}
	}
	for _, p := range packages {
		path := of[p.ImportPath]
		if path == "" {
			continue
		}
		m := found[path]
		if m == nil {
			m = &Module{Path: path, Version: p.Module.Version, Sum: p.Module.Sum, dir: p.Module.Dir, Linked: linked}
			found[path] = m
		}
		if m.Linked != linked {
			continue
		}
		m.packages = append(m.packages, p.Dir)
		for _, i := range p.Imports {
			if other := of[i]; other != "" && other != path && !slices.Contains(m.Needs, other) {
				m.Needs = append(m.Needs, other)
			}
		}
	}
	for _, m := range found {
		slices.Sort(m.Needs)
	}
}

func list(root string, args ...string) (out []listed, err error) {
	text, err := goTool(root, append([]string{"list", "-deps", "-tags=goolm", "-json=ImportPath,Dir,Standard,Imports,Module"}, args...)...)
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading go list: %w", err)
		}
		if !p.Standard {
			out = append(out, p)
		}
	}
}

// goTool runs go in the workspace as for the image: Linux, without cgo.
func goTool(root string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args[:1], " "), err, problem.String())
	}
	return out, nil
}

// Root gives the checkout that a directory is in.
func Root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.work in this directory or above")
		}
		dir = filepath.Dir(dir)
	}
}
