package docs

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// exchanges are processes as a Prometheus sees them: each by its namespace and what
// it says. "well" lacks nothing, "alone" has half of the partitions and no media,
// and of "lost" the directory alone is left.
var exchanges = []struct{ namespace, text string }{
	{"well", "tandem_ready 1\ntandem_call_partitions_owned 40\n"},
	{"well", "tandem_ready 1\ntandem_call_partitions_owned 24\n"},
	{"well", "tandem_ready 1\ntandem_media_present{name=\"legs\"} 0\n"},
	{"alone", "tandem_ready 1\ntandem_call_partitions_owned 32\n"},
	{"lost", "tandem_ready 1\n"},
}

// prometheus runs one that asks the given processes, and gives a way to ask it.
func prometheus(t *testing.T, watched []struct{ namespace, text string }) (ask func(expr string) ([]string, error)) {
	t.Helper()
	type target struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	targets := []target{}
	for _, e := range watched {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = io.WriteString(w, e.text)
		}))
		t.Cleanup(srv.Close)
		targets = append(targets, target{[]string{strings.TrimPrefix(srv.URL, "http://")}, map[string]string{"namespace": e.namespace}})
	}
	static, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: tandem, static_configs: %s}]\n", static)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(cache, "tandem", "bin", "prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address="+at, "--log.level=warn")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run 'make setup'", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return func(expr string) ([]string, error) {
		res, err := http.Get("http://" + at + "/api/v1/query?" + url.Values{"query": {expr}}.Encode()) //nolint:noctx // ends with the process
		if err != nil {
			return nil, err
		}
		defer func() { _ = res.Body.Close() }()
		var answer struct {
			Error string
			Data  struct {
				Result []struct {
					Metric map[string]string
					Value  [2]any
				}
			}
		}
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Error != "" {
			return nil, fmt.Errorf("%s: %w %s", expr, err, answer.Error)
		}
		got := []string{}
		for _, r := range answer.Data.Result {
			got = append(got, fmt.Sprint(r.Metric["namespace"], " ", r.Value[1]))
		}
		slices.Sort(got)
		return got, nil
	}
}

// becomes waits for an expression to have a value.
func becomes(t *testing.T, ask func(string) ([]string, error), expr string, want ...string) {
	t.Helper()
	var got []string
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if got, err = ask(expr); err == nil && slices.Equal(got, want) {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Errorf("%s\nis %q, %v; want %q", expr, got, err, want)
}

// An exchange that lacks something is told of, also where another one watched by the
// same Prometheus has enough of it for both.
func TestAlertsOfSeveralExchanges(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "observability", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	rules := map[string]string{}
	for _, r := range file.Groups[0].Rules {
		rules[r.Alert] = r.Expr
	}
	all := prometheus(t, exchanges)
	becomes(t, all, "count(tandem_ready)", " 5")
	becomes(t, all, rules["TandemCallsUnowned"], "alone 32", "lost 0")
	becomes(t, all, rules["TandemNoMedia"], "alone 1", "lost 1")
	none := prometheus(t, nil)
	becomes(t, none, rules["TandemCallsUnowned"], " 0")
	becomes(t, none, rules["TandemNoMedia"], " 1")
}
