package exchange

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// dataDir is the directory of a process's data, held by one process at a time.
type dataDir struct {
	path string
	lock *os.File
	temp bool
}

// openData makes and locks the directory; an empty path is the user's own
// state directory.
func openData(path string, temp bool) (*dataDir, error) {
	var err error
	switch {
	case temp:
		path, err = os.MkdirTemp("", "tandem-")
	case path == "":
		path, err = StateDir()
	}
	if err == nil {
		err = os.MkdirAll(path, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	d := &dataDir{path: path, temp: temp}
	if d.lock, err = os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	if err := lockFile(d.lock); err != nil {
		_ = d.lock.Close()
		return nil, fmt.Errorf("data_dir: %s is in use by another tandem process: %w", path, err)
	}
	return d, nil
}

func (d *dataDir) close() {
	_ = d.lock.Close() // frees the lock
	if d.temp {
		_ = os.RemoveAll(d.path) // what is left in the temporary directory harms nobody
	}
}

// nats is where JetStream keeps what it stores.
func (d *dataDir) nats() string { return filepath.Join(d.path, "nats") }

// secret reads the cluster's secret, made at the first start. It is written
// beside and renamed, so that a crash leaves no half of one.
func (d *dataDir) secret() ([]byte, error) {
	name := filepath.Join(d.path, "secret")
	data, err := os.ReadFile(name)
	if err == nil {
		text := strings.TrimSpace(string(data))
		if len(text) < 16 {
			return nil, fmt.Errorf("data_dir: %s holds no secret", name)
		}
		return []byte(text), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	text := rand.Text() + rand.Text()
	if err := os.WriteFile(name+".new", []byte(text+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	return []byte(text), nil
}
