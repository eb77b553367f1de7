package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// What all tests share: it is costly to start and holds no state of a test.
var shared struct {
	binary harness.Binary
	// left and right are two machines: each browser has a microphone of its own.
	left, right *harness.Browser
}

// The tones: no two are near each other, nor near another's harmonics.
const (
	leftTone  = 440
	rightTone = 700
	phoneTone = 1000
	// otherPhoneTone is the tone of a second phone.
	otherPhoneTone = 1500
	thirdTone      = 560
)

func TestMain(m *testing.M) {
	harness.Main(func(dir string) (int, error) { return run(m, dir) })
}

func run(m *testing.M, dir string) (status int, err error) {
	if shared.binary, err = harness.Build(dir); err != nil {
		return 1, err
	}
	for _, b := range []struct {
		browser **harness.Browser
		name    string
		tone    int
	}{{&shared.left, "left", leftTone}, {&shared.right, "right", rightTone}} {
		if *b.browser, err = harness.NewBrowser(filepath.Join(dir, b.name), b.tone); err != nil {
			return 1, fmt.Errorf("start the %s browser: %w", b.name, err)
		}
		defer func() { err = errors.Join(err, (*b.browser).Close()) }()
	}
	return m.Run(), nil
}

// everywhere runs a test against an exchange in one process and against one in
// a process per role.
func everywhere(t *testing.T, o harness.Options, test func(t *testing.T, x *harness.Exchange)) {
	t.Helper()
	for _, topology := range []harness.Topology{harness.AllInOne, harness.Split} {
		t.Run(topology.String(), func(t *testing.T) {
			test(t, harness.StartExchange(t, shared.binary, topology, o))
		})
	}
}
