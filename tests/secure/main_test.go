package secure

import (
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

var binary harness.Binary

func TestMain(m *testing.M) {
	harness.Main(func(dir string) (int, error) { return run(m, dir) })
}

func run(m *testing.M, dir string) (status int, err error) {
	if binary, err = harness.Build(dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}
