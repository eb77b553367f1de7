package lint

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// baseline is what the schema was when it was last released: field numbers and
// names of it are on wires and disks.
const baseline = "schema/testdata/baseline.binpb"

func TestProtobufLint(t *testing.T) {
	for _, dir := range repo(t).Named("buf.yaml") {
		if out, err := tool(t, dir, "buf", "lint"); err != nil {
			t.Errorf("buf lint in %s: %v: comments and names of the schema are its documentation\n%s", dir, err, out)
		}
	}
}

func TestProtobufBreakingChanges(t *testing.T) {
	against, err := filepath.Rel("schema", baseline)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := tool(t, "schema", "buf", "breaking", "--against", against); err != nil {
		t.Errorf("buf breaking: %v: nodes of the last version and stored records must stay readable.\n"+
			"Before a release 'make schema-baseline' accepts the change.\n%s", err, out)
	}
}

func TestGeneratedProtobufIsCurrent(t *testing.T) {
	for _, dir := range repo(t).Named("buf.gen.yaml") {
		fresh := t.TempDir()
		if out, err := tool(t, dir, "buf", "generate", "--output", fresh); err != nil {
			t.Errorf("buf generate in %s: %v\n%s", dir, err, out)
			continue
		}
		made := map[string]bool{}
		err := filepath.WalkDir(fresh, func(p string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(fresh, p)
			if err != nil {
				return err
			}
			name := path.Join(dir, filepath.ToSlash(rel))
			made[name] = true
			want, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			if have, err := repo(t).Read(name); err != nil || !bytes.Equal(have, want) {
				t.Errorf("%s is not what its .proto says: run 'make generate' and commit", name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range repo(t).Files {
			if strings.HasSuffix(p, ".pb.go") && within(p, dir) && !made[p] {
				t.Errorf("%s has no .proto any more: delete it", p)
			}
		}
	}
}

// tool runs one of the pinned tools in a directory. Tools are where 'make setup'
// puts them, or on the PATH.
func tool(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	bin := toolDir(t)
	path := filepath.Join(bin, name)
	if !exists(path) {
		found, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%s is neither in %s nor on the PATH: run 'make setup'", name, bin)
		}
		path = found
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = filepath.Join(repo(t).Root, dir)
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func toolDir(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "tandem", "bin")
}
