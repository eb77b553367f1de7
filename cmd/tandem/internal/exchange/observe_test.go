package exchange

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// maxSeries bounds what a process that carried one call exposes: a label whose
// values grow with use would show here.
const maxSeries = 1500

// documented are the metrics of docs/observing.md, with their types and labels.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/observing.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tandem_\\w+)` \\| (\\w+) \\|([^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		labels := strings.Fields(strings.NewReplacer("`", "", ",", "").Replace(m[3]))
		slices.Sort(labels)
		out[m[1]] = m[2] + " " + strings.Join(labels, " ")
	}
	return out
}

// awaitMetric waits, not for ever, until a process has a metric.
func (r *running) awaitMetric(t *testing.T, name string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(30 * time.Second); ; {
		families, err := r.metrics.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == name {
				return
			}
		}
		select {
		case <-tick.C:
		case <-late:
			return // what is missing is said by who looks for it
		}
	}
}

// Every metric that is documented is there after a call, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	x := start(t, "data_dir="+t.TempDir())
	x.callEcho(t)
	x.awaitMetric(t, "tandem_call_duration_seconds") // counted a moment after the phone has hung up
	families, err := x.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series, have := 0, map[string]string{}
	for _, f := range families {
		series += len(f.GetMetric())
		if !strings.HasPrefix(f.GetName(), "tandem_") {
			continue // of Go's and the process's own
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		have[f.GetName()] = strings.ToLower(f.GetType().String()) + " " + strings.Join(labels, " ")
	}
	want := documented(t)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch got, ok := have[name]; {
		case !ok:
			t.Errorf("%s is documented and not exposed", name)
		case got != want[name]:
			t.Errorf("%s is %q, documented as %q", name, got, want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok {
			t.Errorf("%s (%s) is not in docs/observing.md", name, have[name])
		}
	}
	if series > maxSeries {
		t.Errorf("%d series", series)
	}
}

// What is not ready is told with its reason.
func TestReasons(t *testing.T) {
	x := start(t, "data_dir="+t.TempDir(), "roles=nats,directory,callstate")
	text, err := x.client().Ready(t.Context())
	if err != nil || !strings.Contains(text, "ready\ncallstate: no media node is alive") {
		t.Errorf("without media: %q, %v", text, err)
	}
	if err := x.stop(); err != nil {
		t.Fatal(err)
	}
	if ok, reasons := x.ready(); ok || !slices.Contains(reasons, "ending: no new calls are taken") {
		t.Errorf("at its end: %v, %q", ok, reasons)
	}
}

// A role that waits for the bus says so, and those after it that they wait for it.
func TestReasonsWithoutBus(t *testing.T) {
	x, err := New(load(t, "roles=directory,media", "nats.url=nats://127.0.0.1:1", "secret=a secret of a test"), Options{Log: quiet(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	ctx, done := runIt(t, x)
	defer done()
	want := []string{"bus: starting, the bus is not reached yet", "directory: waits for bus", "media: waits for bus"}
	for ctx.Err() == nil {
		text, err := (&running{Exchange: x}).client().Ready(ctx)
		if err != nil && text == "not ready\n"+strings.Join(want, "\n") {
			return
		}
	}
	_, reasons := x.ready()
	t.Errorf("never said: %q", reasons)
}
