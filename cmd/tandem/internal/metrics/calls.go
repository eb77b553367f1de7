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
	partitions      *prometheus.GaugeVec
	journal         *prometheus.GaugeVec
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
		setup:    histogram("call_setup_seconds", "Time from offer to alerting, answered or established, people's time included.", "caller", "callee", "stage"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "tandem", Name: "call_duration_seconds", Help: "Time from answer to end of answered calls.",
			Buckets: []float64{1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200},
		}, []string{"caller", "callee"}),
		conflicts:  counter("call_commit_conflicts_total", "Commits that found another writer."),
		retries:    counter("call_event_retries_total", "Events that had to be sent again."),
		live:       gauge("calls_live", "Live calls that this node owns."),
		partitions: gauge("call_partitions_owned", "Partitions of the calls, of 64, that this node holds the lease of."),
		journal:    gauge("journal_used_ratio", "Share of the journal's room that is used; from 0.8 on no new calls are taken."),
	}
}

func (c *callMetrics) register(r *prometheus.Registry) {
	r.MustRegister(c.commands, c.placed, c.ended, c.setup, c.duration, c.conflicts, c.retries, c.live, c.partitions, c.journal)
}

// show has what has no labels there from the start, as zero.
func (c *callMetrics) show() {
	c.placed.WithLabelValues()
	c.conflicts.WithLabelValues()
	c.retries.WithLabelValues()
	c.live.WithLabelValues()
	c.partitions.WithLabelValues()
	c.journal.WithLabelValues()
}

// Calls takes call state's measurements.
type Calls struct{ m *Metrics }

// CallState gives what takes call state's measurements.
func (m *Metrics) CallState() Calls {
	m.calls.show()
	return Calls{m}
}

// Command implements callstate.Metrics.
func (c Calls) Command(kind, outcome string, took time.Duration) {
	c.m.calls.commands.WithLabelValues(kind, outcome).Observe(took.Seconds())
}

// CallPlaced implements callstate.Metrics.
func (c Calls) CallPlaced() { c.m.calls.placed.WithLabelValues().Inc() }

// CallSetUp implements callstate.Metrics.
func (c Calls) CallSetUp(caller, callee, stage string, took time.Duration) {
	c.m.calls.setup.WithLabelValues(c.m.kind(caller), c.m.kind(callee), stage).Observe(took.Seconds())
}

// CallEnded implements callstate.Metrics.
func (c Calls) CallEnded(caller, callee, reason string, duration time.Duration) {
	caller, callee = c.m.kind(caller), c.m.kind(callee)
	c.m.calls.ended.WithLabelValues(caller, callee, reason).Inc()
	if duration > 0 {
		c.m.calls.duration.WithLabelValues(caller, callee).Observe(duration.Seconds())
	}
}

// Conflict implements callstate.Metrics.
func (c Calls) Conflict() { c.m.calls.conflicts.WithLabelValues().Inc() }

// EventRetry implements callstate.Metrics.
func (c Calls) EventRetry() { c.m.calls.retries.WithLabelValues().Inc() }

// Live implements callstate.Metrics.
func (c Calls) Live(n int) { c.m.calls.live.WithLabelValues().Set(float64(n)) }

// Partitions implements callstate.Metrics.
func (c Calls) Partitions(n int) { c.m.calls.partitions.WithLabelValues().Set(float64(n)) }

// JournalUsed implements callstate.Metrics.
func (c Calls) JournalUsed(share float64) { c.m.calls.journal.WithLabelValues().Set(share) }
