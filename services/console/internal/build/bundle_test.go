package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The committed bundle is what the sources give.
func TestDistIsCurrent(t *testing.T) {
	files, err := bundle("../../web")
	if err != nil {
		t.Fatal(err)
	}
	const dist = "../../dist"
	for name, want := range files {
		have, err := os.ReadFile(filepath.Join(dist, name)) //nolint:gosec // our own tree
		if err != nil || !bytes.Equal(have, want) {
			t.Errorf("dist/%s is not what web/ gives (%v): run go generate in services/console", name, err)
		}
	}
	entries, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if _, ok := files[entry.Name()]; !ok {
			t.Errorf("dist/%s belongs to no source: run go generate in services/console", entry.Name())
		}
	}
}

// A mistake in the sources is reported with its place and writes nothing.
func TestBrokenSourceIsReported(t *testing.T) {
	web := t.TempDir()
	for name, data := range map[string]string{
		"src/main.ts":   "export const x: = 1;\n",
		"style/app.css": "body { color: red }\n",
		"index.html":    "",
		"icon.svg":      "",
	} {
		path := filepath.Join(web, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dist := filepath.Join(t.TempDir(), "dist")
	err := run(web, dist)
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("src/main.ts:1:16")) {
		t.Errorf("error is %v, want the place of the mistake", err)
	}
	if _, err := os.Stat(dist); !os.IsNotExist(err) {
		t.Errorf("dist exists after a failed build: %v", err)
	}
}
