package docs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tandem-rtc/tandem/schema"
)

// metric is a row of the table in docs/observing.md.
type metric struct {
	kind   string
	labels []string
}

func documentedMetrics(t *testing.T) (metrics map[string]metric, names string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "observing.md"))
	if err != nil {
		t.Fatal(err)
	}
	metrics = map[string]metric{}
	row := regexp.MustCompile("(?m)^\\| `(tandem_\\w+)` \\| (\\w+) \\|([^|]*)\\|")
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		metrics[m[1]] = metric{m[2], strings.Fields(strings.NewReplacer("`", "", ",", "").Replace(m[3]))}
	}
	if len(metrics) < 20 {
		t.Fatalf("only %d metrics are documented", len(metrics))
	}
	return metrics, string(text)
}

var (
	used      = regexp.MustCompile(`\b(tandem_\w+)(\{[^}]*\})?`)
	matcher   = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	grouping  = regexp.MustCompile(`\bby \(([^)]*)\)`)
	joined    = regexp.MustCompile(`^(on|ignoring) \(`)
	histogram = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// checkExpression: what an expression reads is documented, with those labels and
// those names and reasons.
func checkExpression(t *testing.T, expr string) (problems []string) {
	t.Helper()
	metrics, page := documentedMetrics(t)
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") {
		problem("brackets of %q", expr)
	}
	all := []string{"le", "instance", "role", "job", "namespace"}
	for _, m := range used.FindAllStringSubmatch(expr, -1) {
		name := m[1]
		known, ok := metrics[name]
		if base := histogram.ReplaceAllString(name, ""); !ok && base != name {
			known, ok = metrics[base]
			ok = ok && known.kind == "histogram"
		}
		if !ok {
			problem("%s is not in docs/observing.md", name)
		}
		all = append(all, known.labels...)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(known.labels, l[1]) {
				problem("%s has no label %s", name, l[1])
			}
			for _, value := range strings.Split(l[2], "|") {
				if _, ok := schema.ParseReason(value); name == "tandem_calls_ended_total" && l[1] == "reason" && !ok || l[1] == "name" && !strings.Contains(page, "`"+value+"`") {
					problem("%s is never %q", l[1], value)
				}
			}
		}
	}
	// Prometheus joins series whose labels are all the same, unless told otherwise.
	if sides := strings.Split(expr, " and "); !strings.Contains(expr, "sum") {
		first := map[string]string{}
		for i, side := range sides {
			for _, l := range matcher.FindAllStringSubmatch(side, -1) {
				if i == 0 {
					first[l[1]] = l[2]
				} else if value, ok := first[l[1]]; ok && value != l[2] && !joined.MatchString(side) {
					problem("%q never is: %s is both %q and %q", expr, l[1], value, l[2])
				}
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for _, label := range strings.Split(m[1], ", ") {
			if !slices.Contains(all, label) {
				problem("%q has no label %s", expr, label)
			}
		}
	}
	return problems
}

func TestAlerts(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "observability", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			for _, problem := range checkExpression(t, r.Expr) {
				t.Errorf("%s: %s", r.Alert, problem)
			}
			if seen[r.Alert] || r.Alert == "" || r.Expr == "" {
				t.Errorf("%q: no name of its own, or no expression", r.Alert)
			}
			seen[r.Alert] = true
			if !slices.Contains([]string{"page", "look"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["look"] == "" {
				t.Errorf("%s lacks a severity, a summary or what to look at", r.Alert)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d alerts", len(seen))
	}
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "observability", "grafana", "dashboards", "tandem.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID, Title string
		Panels     []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr string }
			GridPos     struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	shown, ids := "", map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d, %q", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			for _, problem := range checkExpression(t, target.Expr) {
				t.Errorf("%s: %s", p.Title, problem)
			}
			shown += target.Expr
		}
	}
	// What is for looking into, and not for looking at.
	apart := []string{"tandem_build_info", "tandem_adapter_present"}
	metrics, _ := documentedMetrics(t)
	for name := range metrics {
		if !strings.Contains(shown, name) && !slices.Contains(apart, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// What Grafana reads cannot be tried without it; at least it is YAML and not empty,
// like what a Prometheus reads in tests/deploy.
func TestObservabilityFiles(t *testing.T) {
	dir := filepath.Join(root, "deploy", "observability")
	for _, name := range []string{
		"prometheus.yml", "grafana/provisioning/datasources/prometheus.yml", "grafana/provisioning/dashboards/tandem.yml",
	} {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := yaml.Unmarshal(text, &v); err != nil || len(v) == 0 {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

// Prometheus asks the services of the compose deployment that have the operator's
// port, and no others: what it cannot find it takes for down.
func TestPrometheusAsksTheServices(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "observability", "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Scrape []struct {
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	have := file.Scrape[0].DNS[0].Names
	var want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `9464/tcp` \\|").FindAllStringSubmatch(documents(t)["docs/operating.md"], -1) {
		want = append(want, m[1])
	}
	slices.Sort(have)
	slices.Sort(want)
	want = slices.Compact(want) // the compose deployment and the chart have a table each
	if len(want) == 0 || !slices.Equal(have, want) || file.Scrape[0].DNS[0].Port != 9464 {
		t.Errorf("asks %q, the services are %q", have, want)
	}
}

func TestExpressionsAreChecked(t *testing.T) {
	for expr, good := range map[string]bool{
		`sum by (kind) (tandem_adapter_legs)`:                          true,
		`rate(tandem_call_setup_seconds_bucket{stage="answered"}[5m])`: true,
		`tandem_adapter_legs_bucket`:                                   false,
		`tandem_no_such`:                                               false,
		`tandem_adapter_legs{stage="x"}`:                               false,
		`sum by (stage) (tandem_adapter_legs)`:                         false,
		`tandem_media_total{name="no_such"}`:                           false,
		`tandem_calls_ended_total{reason="no-such"}`:                   false,
		`sum(tandem_ready`:                                             false,

		`tandem_media_total{name="packets"} > 0 and tandem_media_total{name="bytes"} == 0`:                 false,
		`tandem_media_total{name="packets"} > 0 and ignoring (name) tandem_media_total{name="bytes"} == 0`: true,
	} {
		if problems := checkExpression(t, expr); (len(problems) == 0) != good {
			t.Errorf("%s: %q", expr, problems)
		}
	}
}
