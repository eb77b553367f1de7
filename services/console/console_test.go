package console

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func page(t *testing.T, cfg Config) http.Handler {
	t.Helper()
	h, err := Handler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestServesThePageAndItsParts(t *testing.T) {
	h := page(t, Config{})
	for _, c := range []struct {
		method, path, contentType string
		status                    int
	}{
		{"GET", "/", "text/html; charset=utf-8", 200},
		{"HEAD", "/", "text/html; charset=utf-8", 200},
		{"GET", "/console/app.js", "text/javascript; charset=utf-8", 200},
		{"GET", "/console/app.css", "text/css; charset=utf-8", 200},
		{"GET", "/console/icon.svg", "image/svg+xml", 200},
		{"GET", "/console/config.json", "application/json", 200},
		{"GET", "/console/", "text/plain; charset=utf-8", 404},
		{"GET", "/console/../go.mod", "text/plain; charset=utf-8", 404},
		{"GET", "/index.html", "text/plain; charset=utf-8", 404},
		{"POST", "/", "text/plain; charset=utf-8", 405},
		{"DELETE", "/console/config.json", "text/plain; charset=utf-8", 405},
	} {
		res := ask(h, c.method, c.path)
		if res.StatusCode != c.status || res.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path,
				res.StatusCode, res.Header.Get("Content-Type"), c.status, c.contentType)
		}
	}
}

// Every answer, an error too, carries the headers that fence the page in.
func TestSecurityHeaders(t *testing.T) {
	h := page(t, Config{})
	for _, path := range []string{"/", "/console/app.js", "/nowhere"} {
		header := ask(h, "GET", path).Header
		csp := header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: headers %v", path, header)
		}
	}
}

func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	h := page(t, Config{})
	first := ask(h, "GET", "/console/app.js")
	etag := first.Header.Get("ETag")
	if etag == "" || first.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("ETag %q, Cache-Control %q", etag, first.Header.Get("Cache-Control"))
	}
	if res := ask(h, "GET", "/console/app.js", "If-None-Match", etag); res.StatusCode != http.StatusNotModified {
		t.Errorf("with the current ETag: %d, want 304", res.StatusCode)
	}
	if res := ask(h, "GET", "/console/app.js", "If-None-Match", `"old"`); res.StatusCode != http.StatusOK {
		t.Errorf("with an old ETag: %d, want 200", res.StatusCode)
	}
}

func TestConfig(t *testing.T) {
	alice := Account{Account: "alice@demo.test", Password: "p", Number: "+12025550101", Name: "Alice"}
	for name, cfg := range map[string]Config{
		"demo":  {Domain: "demo.test", Echo: "+12025550199", Demo: []Account{alice}},
		"plain": {Domain: "example.com"},
	} {
		body, err := io.ReadAll(ask(page(t, cfg), "GET", "/console/config.json").Body)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Config
			Demo *[]Account `json:"demo"`
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%s: %v in %s", name, err, body)
		}
		// The page relies on a list: an exchange without demo accounts gives an empty one.
		if got.Demo == nil || len(*got.Demo) != len(cfg.Demo) || got.Domain != cfg.Domain || got.Echo != cfg.Echo {
			t.Errorf("%s: %s", name, body)
		}
	}
}

// What the policy forbids would silently not work, so the markup has none of
// it: scripts and styles in line, event attributes, other hosts.
func TestMarkupObeysThePolicy(t *testing.T) {
	html, err := dist.ReadFile("dist/index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, forbidden := range []string{`\sstyle=`, `\son[a-z]+=`, `<style`, `https?://`, `<script[^>]*>[^<]`} {
		if found := regexp.MustCompile(forbidden).Find(html); found != nil {
			t.Errorf("index.html has %q", found)
		}
	}
	js, err := dist.ReadFile("dist/app.js")
	if err != nil {
		t.Fatal(err)
	}
	// A peer chooses its name and address: they must never become markup.
	for _, forbidden := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if strings.Contains(string(js), forbidden) {
			t.Errorf("app.js uses %s", forbidden)
		}
	}
}

// Every element the script asks for is in the markup, and once.
func TestScriptFindsItsElements(t *testing.T) {
	html, err := dist.ReadFile("dist/index.html")
	if err != nil {
		t.Fatal(err)
	}
	js, err := dist.ReadFile("dist/app.js")
	if err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]int)
	for _, m := range regexp.MustCompile(`\sid="([^"]+)"`).FindAllSubmatch(html, -1) {
		ids[string(m[1])]++
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("id %q is in the markup %d times", id, n)
		}
	}
	asked := regexp.MustCompile(`\b(?:get|on)\("([a-z-]+)"`).FindAllSubmatch(js, -1)
	if len(asked) < 30 {
		t.Fatalf("found only %d uses of elements", len(asked))
	}
	for _, m := range asked {
		if ids[string(m[1])] == 0 {
			t.Errorf("app.js asks for #%s, which is not in the markup", m[1])
		}
	}
}
