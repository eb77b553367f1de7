package matrixphone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/tandem-rtc/tandem/tests/internal/npm"
)

// installWithin bounds the download of the npm packages, the first time.
const installWithin = 5 * time.Minute

// cryptoPackage brings the library's cryptography, as WebAssembly that it loads
// from below its own address.
const cryptoPackage = "node_modules/@matrix-org/matrix-sdk-crypto-wasm/pkg"

// Site serves the page on loopback.
type Site struct {
	// URL is where it is.
	URL    string
	server *httptest.Server
}

// NewSite bundles the page and serves it until it is closed. source is this
// package's directory as seen from the test's.
func NewSite(ctx context.Context, source string) (*Site, error) {
	ctx, cancel := context.WithTimeout(ctx, installWithin)
	defer cancel()
	packages, err := npm.Install(ctx, source)
	if err != nil {
		return nil, fmt.Errorf("the Matrix client library: %w", err)
	}
	script, err := bundle(filepath.Join(source, "page", "main.js"), packages)
	if err != nil {
		return nil, fmt.Errorf("the Matrix phone page: %w", err)
	}
	page, err := os.ReadFile(filepath.Join(source, "page", "index.html")) //nolint:gosec // our own tree
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", serve("text/html; charset=utf-8", page))
	mux.HandleFunc("/phone.js", serve("text/javascript; charset=utf-8", script))
	mux.Handle("/pkg/", http.StripPrefix("/pkg/", http.FileServer(http.Dir(filepath.Join(packages, cryptoPackage)))))
	server := httptest.NewServer(mux)
	return &Site{URL: server.URL, server: server}, nil
}

// Close ends the site.
func (s *Site) Close() { s.server.Close() }

func serve(kind string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(body) // the page is gone if it fails
	}
}

// bundle makes one module of the page and of what it imports from packages.
func bundle(entry, packages string) ([]byte, error) {
	entry, err := filepath.Abs(entry)
	if err != nil {
		return nil, err
	}
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{entry},
		Bundle:      true,
		Format:      api.FormatESModule,
		Target:      api.ES2022,
		Define:      map[string]string{"global": "window"},
		NodePaths:   []string{filepath.Join(packages, "node_modules")},
		LogLevel:    api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		return nil, errors.New(strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), "\n"))
	}
	return result.OutputFiles[0].Contents, nil
}
