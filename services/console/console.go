package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"time"
)

//go:embed dist
var dist embed.FS

// Account is an account that anybody may use, offered by one click.
type Account struct {
	// Account is the sylkRTC account, user@domain.
	Account string `json:"account"`
	// Password is its password, in clear: everybody who opens the page gets it.
	Password string `json:"password"`
	// Number is its telephone number, E.164 with a leading +.
	Number string `json:"number"`
	// Name is shown to people.
	Name string `json:"name"`
}

// Config is what the page is told.
type Config struct {
	// Endpoint is where the sylkRTC endpoint is: a ws: or wss: address, or ":port"
	// with a path on the page's own host. Empty: on the page's own port.
	Endpoint string `json:"endpoint"`
	// Domain completes bare names and numbers to user@domain.
	Domain string `json:"domain"`
	// Echo is the number of the echo terminal; empty if there is none.
	Echo string `json:"echo"`
	// Demo lists the public accounts; empty for an exchange with real users.
	Demo []Account `json:"demo"`
}

// asset is one file as it is served.
type asset struct {
	data        []byte
	contentType string
	etag        string
}

// Handler serves the page at "/" and its parts below "/console/". It answers
// GET and HEAD only, does not block and may be used by many goroutines. The
// error is a Config that cannot be encoded or a broken embedded file.
func Handler(cfg Config) (http.Handler, error) {
	if cfg.Demo == nil {
		cfg.Demo = []Account{}
	}
	config, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("console configuration: %w", err)
	}
	assets := map[string]asset{
		"/console/config.json": newAsset("config.json", config),
	}
	for name, at := range map[string]string{
		"index.html": "/",
		"app.js":     "/console/app.js",
		"app.css":    "/console/app.css",
		"icon.svg":   "/console/icon.svg",
	} {
		data, err := dist.ReadFile(path.Join("dist", name))
		if err != nil {
			return nil, fmt.Errorf("console page: %w", err)
		}
		assets[at] = newAsset(name, data)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, assets) }), nil
}

func serve(w http.ResponseWriter, r *http.Request, assets map[string]asset) {
	secure(w.Header())
	a, ok := assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("ETag", a.etag)
	// Names are stable, so a copy is used only after asking: a new version of
	// the exchange shows at the next load, and an old one costs a 304.
	h.Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.data))
}

// policy lets the page run its own files and talk to its own exchange, and
// nothing else. WebSockets are named by scheme because older browsers do not
// count them under 'self'.
const policy = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; object-src 'none'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Permissions-Policy", "camera=(self), microphone=(self), geolocation=()")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

func newAsset(name string, data []byte) asset {
	sum := sha256.Sum256(data)
	return asset{
		data:        data,
		contentType: contentType(name),
		etag:        strconv.Quote(base64.RawURLEncoding.EncodeToString(sum[:15])),
	}
}

// contentType does not ask the system's tables, which differ.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json":
		return "application/json"
	default:
		return "image/svg+xml"
	}
}
