//go:build goolm

package encryption

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/matrixphone"
)

// shared is what the tests use together.
var shared struct { //nolint:gochecknoglobals // a browser takes seconds to start
	site    *matrixphone.Site
	browser *harness.Browser
}

func TestMain(m *testing.M) {
	harness.Main(func(dir string) (int, error) { return run(m, dir) })
}

func run(m *testing.M, dir string) (code int, err error) {
	if shared.site, err = matrixphone.NewSite(context.Background(), "../internal/matrixphone"); err != nil {
		return 1, err
	}
	defer shared.site.Close()
	if shared.browser, err = harness.NewBrowser(filepath.Join(dir, "browser"), 440); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, shared.browser.Close()) }()
	return m.Run(), nil
}
