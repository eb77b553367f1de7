package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// dashboard is what Grafana is given.
const dashboard = composeDir + "/observability/grafana/dashboards/tandem.json"

// watched waits until Prometheus asks every process of the exchange, once, and all
// its rules have been looked at; none of them has anything to say.
func (p *project) watched(t *testing.T) {
	t.Helper()
	var want []string
	for service := range p.services(t) {
		if !slices.Contains([]string{"nats", "dendrite", "prometheus"}, service) {
			want = append(want, service)
		}
	}
	slices.Sort(want)
	eventually(t, "asked by Prometheus", func() (bool, string) {
		var found struct {
			ActiveTargets []struct {
				Labels            map[string]string
				Health, LastError string
			}
		}
		if err := p.prometheus("targets", nil, &found); err != nil {
			return false, err.Error()
		}
		var got []string
		for _, target := range found.ActiveTargets {
			if target.Health == "up" {
				got = append(got, target.Labels["role"])
			}
		}
		slices.Sort(got)
		return slices.Equal(got, want), fmt.Sprintf("%+v instead of %q", found, want)
	})
	eventually(t, "judged by Prometheus", func() (bool, string) {
		var all struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
		if err := p.prometheus("rules", nil, &all); err != nil {
			return false, err.Error()
		}
		n := 0
		for _, g := range all.Groups {
			for _, r := range g.Rules {
				if n++; r.Health == "err" || r.State == "firing" {
					t.Fatalf("of an exchange that is well: %+v", r)
				}
				if r.Health != "ok" || r.State != "inactive" {
					return false, fmt.Sprintf("%+v", r)
				}
			}
		}
		return n >= 10, fmt.Sprintf("%d rules", n)
	})
}

// quiet are the queries of the dashboard that find nothing while all goes well.
var quiet = []string{"Commands refused", "Calls refused by limits", "Refused at adapters"}

// shown asks every query of the dashboard. After calls, all have something to show
// but for those that are about what did not happen.
func (p *project) shown(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			asked[target.Expr] = true
			// As Grafana has it for some hours on a screen.
			expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
			n := 0
			if err := p.query(expr, &n); err != nil {
				t.Errorf("%s: %v", panel.Title, err)
			} else if n == 0 && !slices.Contains(quiet, panel.Title) {
				t.Errorf("%s shows nothing: %s", panel.Title, expr)
			}
		}
	}
	t.Logf("%d queries of the dashboard asked", len(slices.Collect(maps.Keys(asked))))
}

// query asks for an expression's value now, and counts the numbers in it.
func (p *project) query(expr string, numbers *int) error {
	var answer struct {
		Result []struct{ Value [2]any }
	}
	if err := p.prometheus("query", url.Values{"query": {expr}}, &answer); err != nil {
		return err
	}
	for _, r := range answer.Result {
		text, _ := r.Value[1].(string)
		if v, err := strconv.ParseFloat(text, 64); err != nil {
			return fmt.Errorf("%s: %w", expr, err)
		} else if !math.IsNaN(v) {
			*numbers++
		}
	}
	return nil
}

// prometheus asks its API.
func (p *project) prometheus(what string, form url.Values, data any) error {
	client := http.Client{Timeout: 20 * time.Second}
	res, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/api/v1/%s?%s", p.watch, what, form.Encode()))
	if err != nil {
		return fmt.Errorf("asking Prometheus: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("asking Prometheus: %w", err)
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("%s of Prometheus: %w %s", what, err, text)
	}
	return nil
}
