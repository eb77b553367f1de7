package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Repo is the repository as it is checked out.
type Repo struct {
	// Root is the directory that holds go.work.
	Root string
	// Files are the tracked files that are there, slash-separated, from Root.
	Files []string
	// Go are the Go files among them, parsed.
	Go []*GoFile
}

// GoFile is one parsed Go file.
type GoFile struct {
	// Path is slash-separated, from the repository's root.
	Path string
	// Source is its text.
	Source []byte
	// AST is its syntax, with comments.
	AST *ast.File
	// Generated files say so themselves ("Code generated … DO NOT EDIT.").
	Generated bool
	fset      *token.FileSet
}

// Load reads the repository that the working directory is in.
func Load() (*Repo, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for !exists(filepath.Join(root, "go.work")) {
		parent := filepath.Dir(root)
		if parent == root {
			return nil, fmt.Errorf("no go.work above the working directory")
		}
		root = parent
	}
	r := &Repo{Root: root}
	if r.Files, err = tracked(root); err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	for _, p := range r.Files {
		if path.Ext(p) != ".go" {
			continue
		}
		source, err := os.ReadFile(filepath.Join(root, p))
		if err != nil {
			return nil, err
		}
		f, err := ParseGo(fset, p, source)
		if err != nil {
			return nil, err
		}
		r.Go = append(r.Go, f)
	}
	return r, nil
}

// ParseGo parses one Go file.
func ParseGo(fset *token.FileSet, path string, source []byte) (*GoFile, error) {
	tree, err := parser.ParseFile(fset, path, source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	return &GoFile{Path: path, Source: source, AST: tree, Generated: ast.IsGenerated(tree), fset: fset}, nil
}

// Read gives a tracked file's text.
func (r *Repo) Read(p string) ([]byte, error) { return os.ReadFile(filepath.Join(r.Root, p)) }

// Named lists the directories of the tracked files with a base name.
func (r *Repo) Named(base string) []string {
	var dirs []string
	for _, p := range r.Files {
		if path.Base(p) == base {
			dirs = append(dirs, path.Dir(p))
		}
	}
	return dirs
}

// Dir is the file's directory, from the repository's root.
func (f *GoFile) Dir() string { return path.Dir(f.Path) }

// IsTest reports whether it is a test or code for tests only.
func (f *GoFile) IsTest() bool {
	return strings.HasSuffix(f.Path, "_test.go") || strings.HasPrefix(f.Path, "tests/") || f.imports("testing")
}

// At is a finding's place: path:line.
func (f *GoFile) At(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Path, f.fset.Position(n.Pos()).Line)
}

// Imports lists the import paths.
func (f *GoFile) Imports() []string {
	paths := make([]string, 0, len(f.AST.Imports))
	for _, i := range f.AST.Imports {
		paths = append(paths, strings.Trim(i.Path.Value, "`\""))
	}
	return paths
}

func (f *GoFile) imports(p string) bool { return slices.Contains(f.Imports(), p) }

// tracked asks git, and without a repository (an unpacked archive) takes what
// is there.
func tracked(root string) ([]string, error) {
	if !exists(filepath.Join(root, ".git")) {
		return walk(root)
	}
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	var files []string
	for p := range bytes.SplitSeq(out, []byte{0}) {
		// A file that was deleted and not yet committed is still tracked.
		if len(p) > 0 && exists(filepath.Join(root, string(p))) {
			files = append(files, string(p))
		}
	}
	return files, nil
}

func walk(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "node_modules" || name == "bin" || name == "results") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	return files, err
}

func exists(p string) bool {
	_, err := os.Lstat(p)
	return err == nil
}
