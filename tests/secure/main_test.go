package secure

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

var binary harness.Binary

func TestMain(m *testing.M) {
	status, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func run(m *testing.M) (status int, err error) {
	dir, err := os.MkdirTemp("", "tandem-secure-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if binary, err = harness.Build(dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}
