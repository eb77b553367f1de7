package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// callMetrics are call state's (callstate.Metrics).
type callMetrics struct {
	commands        *prometheus.HistogramVec
	placed          *prometheus.CounterVec
	ended           *prometheus.CounterVec
	setup, duration *prometheus.HistogramVec
	conflicts       *prometheus.CounterVec
	retries         *prometheus.CounterVec
	live            *prometheus.GaugeVec
}

func newCallMetrics(
	histogram func(name, help string, labels ...string) *prometheus.HistogramVec,
	counter func(name, help string, labels ...string) *prometheus.CounterVec,
	gauge func(name, help string, labels ...string) *prometheus.GaugeVec,
) *callMetrics {
	return &callMetrics{
		commands: histogram("call_command_seconds", "Time the owner of a call took for a command, by command and outcome.", "command", "outcome"),
		placed:   counter("calls_placed_total", "Calls that were offered to the called party."),
		ended:    counter("calls_ended_total", "Calls that ended, by the protocols of both sides and the reason.", "caller", "callee", "reason"),
		setup:    histogram("call_setup_seconds", "Time from offer to answer of answered calls, people's time included.", "caller", "callee"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "tandem", Name: "call_duration_seconds", Help: "Time from answer to end of answered calls.",
			Buckets: []float64{1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200},
		}, []string{"caller", "callee"}),
		conflicts: counter("call_commit_conflicts_total", "Commits that found another writer."),
		retries:   counter("call_event_retries_total", "Events that had to be sent again."),
		live:      gauge("calls_live", "Live calls that this node owns."),
	}
}

func (c *callMetrics) register(r *prometheus.Registry) {
	// What has no labels is there from the start, as zero.
	c.placed.WithLabelValues()
	c.conflicts.WithLabelValues()
	c.retries.WithLabelValues()
	c.live.WithLabelValues()
	r.MustRegister(c.commands, c.placed, c.ended, c.setup, c.duration, c.conflicts, c.retries, c.live)
}

// Calls takes call state's measurements.
type Calls struct{ m *callMetrics }

// CallState gives what takes call state's measurements.
func (m *Metrics) CallState() Calls { return Calls{m.calls} }

// Command implements callstate.Metrics.
func (c Calls) Command(kind, outcome string, took time.Duration) {
	c.m.commands.WithLabelValues(kind, outcome).Observe(took.Seconds())
}

// CallPlaced implements callstate.Metrics.
func (c Calls) CallPlaced() { c.m.placed.WithLabelValues().Inc() }

// CallEnded implements callstate.Metrics.
func (c Calls) CallEnded(caller, callee, reason string, setup, duration time.Duration) {
	c.m.ended.WithLabelValues(caller, callee, reason).Inc()
	if setup > 0 {
		c.m.setup.WithLabelValues(caller, callee).Observe(setup.Seconds())
		c.m.duration.WithLabelValues(caller, callee).Observe(duration.Seconds())
	}
}

// Conflict implements callstate.Metrics.
func (c Calls) Conflict() { c.m.conflicts.WithLabelValues().Inc() }

// EventRetry implements callstate.Metrics.
func (c Calls) EventRetry() { c.m.retries.WithLabelValues().Inc() }

// Live implements callstate.Metrics.
func (c Calls) Live(n int) { c.m.live.WithLabelValues().Set(float64(n)) }
