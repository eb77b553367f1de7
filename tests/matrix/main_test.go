package matrix

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/matrixphone"
)

// What all tests share: it is costly to start and holds no state of a test.
var shared struct {
	binary harness.Binary
	site   *matrixphone.Site
	// left and right are two machines: each browser has a microphone of its own.
	left, right *harness.Browser
}

// The tones: no two are near each other, nor near another's harmonics.
const (
	leftTone  = 440
	rightTone = 700
	phoneTone = 1000
)

// How long a step of a call may take on a slow and busy machine.
const step = 20 * time.Second

func TestMain(m *testing.M) {
	harness.Main(func(dir string) (int, error) { return run(m, dir) })
}

func run(m *testing.M, dir string) (status int, err error) {
	if shared.binary, err = harness.Build(dir); err != nil {
		return 1, err
	}
	if shared.site, err = matrixphone.NewSite(context.Background(), "../internal/matrixphone"); err != nil {
		return 1, err
	}
	defer shared.site.Close()
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
