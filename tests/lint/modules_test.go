package lint

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// modFile is what "go mod edit -json" and "go work edit -json" say.
type modFile struct {
	Module  struct{ Path string }
	Require []struct {
		Path, Version string
		Indirect      bool
	}
	Replace []struct{ Old, New struct{ Path string } }
	Use     []struct{ DiskPath string }
}

func TestWorkspaceHoldsEveryModule(t *testing.T) {
	var used []string
	for _, u := range goJSON(t, ".", "work", "edit", "-json").Use {
		used = append(used, path.Clean(u.DiskPath))
	}
	modules := repo(t).Named("go.mod")
	slices.Sort(used)
	slices.Sort(modules)
	if !slices.Equal(used, modules) {
		t.Errorf("go.work uses %q, there are %q: 'go test work' must test everything", used, modules)
	}
}

// The root module is what every adapter outside this repository imports.
func TestRootModuleStaysLight(t *testing.T) {
	// nuid comes with nats.go anyway.
	allowed := []string{protobuf, "github.com/nats-io/nats.go", "github.com/nats-io/nuid"}
	for _, r := range goJSON(t, ".", "mod", "edit", "-json").Require {
		if !r.Indirect && !slices.Contains(allowed, r.Path) {
			t.Errorf("go.mod requires %s: an adapter's author gets it too; put what needs it into a module of its own", r.Path)
		}
	}
}

// A nested module must build on its own: the workspace hides what its go.mod
// lacks.
func TestModulesStandAlone(t *testing.T) {
	for _, dir := range repo(t).Named("go.mod") {
		t.Run(dir, func(t *testing.T) {
			m := goJSON(t, dir, "mod", "edit", "-json")
			if want := path.Join(Module, dir); m.Module.Path != want {
				t.Errorf("%s/go.mod names the module %s, want %s", dir, m.Module.Path, want)
			}
			replaced := map[string]bool{}
			for _, r := range m.Replace {
				replaced[r.Old.Path] = true
			}
			for _, r := range m.Require {
				if within(r.Path, Module) && !replaced[r.Path] {
					t.Errorf("%s/go.mod does not replace %s by its path: the module builds in the workspace only", dir, r.Path)
				}
			}
			if out, err := goTool(dir, "mod", "tidy", "-diff"); err != nil {
				t.Errorf("%s is not tidy: what it needs must be in its go.mod and go.sum; run 'go mod tidy' there\n%s", dir, out)
			}
			if out, err := goTool(dir, "vet", "./..."); err != nil {
				t.Errorf("go vet fails in %s outside the workspace: %s", dir, out)
			}
		})
	}
}

// Two versions of one dependency in one workspace: it is tested with one and
// built alone with the other.
func TestModulesAgreeOnVersions(t *testing.T) {
	type use struct{ version, dir string }
	first := map[string]use{}
	for _, dir := range repo(t).Named("go.mod") {
		for _, r := range goJSON(t, dir, "mod", "edit", "-json").Require {
			if r.Indirect || within(r.Path, Module) {
				continue
			}
			if have, ok := first[r.Path]; ok && have.version != r.Version {
				t.Errorf("%s requires %s %s, %s requires %s: the workspace tests neither alone", dir, r.Path, r.Version, have.dir, have.version)
			} else {
				first[r.Path] = use{r.Version, dir}
			}
		}
	}
}

func goJSON(t *testing.T, dir string, args ...string) (m modFile) {
	t.Helper()
	out, err := goTool(dir, args...)
	if err != nil {
		t.Fatalf("go %s in %s: %v\n%s", strings.Join(args, " "), dir, err, out)
	}
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// goTool runs go in a module, outside the workspace ("go work" apart).
func goTool(dir string, args ...string) (string, error) {
	r, err := loaded()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join(r.Root, dir)
	cmd.Env = os.Environ()
	if args[0] != "work" {
		cmd.Env = append(cmd.Env, "GOWORK=off")
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
