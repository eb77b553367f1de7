package harness

import (
	"errors"
	"fmt"
	"os"
)

// Main is what a TestMain does: it has run make what the tests share in a directory,
// run them and give their status, removes the directory, and exits. An error is
// printed, and is a failure whatever the status.
func Main(run func(dir string) (status int, err error)) {
	dir, err := os.MkdirTemp("", "tandem-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status, err := run(dir)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = max(status, 1)
	}
	os.Exit(status)
}
