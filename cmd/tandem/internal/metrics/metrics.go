// Package metrics turns what the roles count into Prometheus metrics. Every
// label has a small closed set of values; the names that roles make up are
// bounded here as well.
package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// buckets suit set-up times and round trips: 1 ms to 30 s.
var buckets = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}

// maxNames bounds the counters and gauges that one adapter kind names itself.
const maxNames = 64

// Metrics are the metrics of one process.
type Metrics struct {
	// Registry holds them, for the /metrics page.
	Registry *prometheus.Registry

	commands, events *prometheus.HistogramVec
	giveUps, counts  *prometheus.CounterVec
	gauges           *prometheus.GaugeVec
	terminals, legs  *prometheus.GaugeVec
	calls            *callMetrics
	directory        *directoryMetrics
	media            mediaMetrics
	ports            *prometheus.CounterVec
	leftOut          prometheus.Counter
	mu               sync.Mutex
	names            map[string]map[string]bool // by kind
}

// New makes the metrics of a process, its own memory and CPU included.
func New(version string) *Metrics {
	m := &Metrics{Registry: prometheus.NewRegistry(), names: map[string]map[string]bool{}}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "tandem", Name: name, Help: help, Buckets: buckets}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tandem", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "tandem", Name: name, Help: help}, labels)
	}
	m.commands = histogram("adapter_command_seconds", "Time from a terminal's message to its acknowledgement, by adapter kind, command and outcome.", "kind", "command", "outcome")
	m.events = histogram("adapter_event_seconds", "Time an event took to be written to its terminal, by adapter kind, event and outcome.", "kind", "event", "outcome")
	m.giveUps = counter("adapter_legs_given_up_total", "Legs given up because their terminal was gone, by adapter kind and outcome.", "kind", "outcome")
	m.counts = counter("adapter_total", "What an adapter kind counts itself.", "kind", "name")
	m.gauges = gauge("adapter_present", "Present values that an adapter kind reports itself.", "kind", "name")
	m.terminals = gauge("adapter_terminals", "Terminals attached to this node, by adapter kind.", "kind")
	m.legs = gauge("adapter_legs", "Live legs of this node's terminals, by adapter kind.", "kind")
	m.media = mediaMetrics{
		counts: counter("media_total", "What the media node counts.", "name"),
		gauges: gauge("media_present", "Present values of the media node.", "name"),
		times:  histogram("media_seconds", "Times the media node measures.", "name"),
	}
	m.calls = newCallMetrics(histogram, counter, gauge)
	m.directory = newDirectoryMetrics(counter)
	m.ports = counter("port_refused_total", "What the operator's port and the page's refused, by port and reason.", "port", "reason")
	for _, port := range []string{"admin", "console"} {
		for _, reason := range []string{"connections", "silent", "host", "token", "rate"} {
			m.ports.WithLabelValues(port, reason)
		}
	}
	m.leftOut = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tandem", Name: "log_lines_left_out_total", Help: "Lines that log.rate kept out of the log."})
	info := gauge("build_info", "1, with the version.", "version")
	info.WithLabelValues(version).Set(1)
	m.Registry.MustRegister(
		m.commands, m.events, m.giveUps, m.counts, m.gauges, m.terminals, m.legs, m.ports, m.leftOut, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.Registry.MustRegister(m.media.counts, m.media.gauges, m.media.times)
	m.calls.register(m.Registry)
	m.directory.register(m.Registry)
	return m
}

// Refused gives what counts a port's refusals for one reason: "connections" over
// the limit, "silent" ones that asked for nothing, requests for another "host",
// without the "token", or with wrong ones over the "rate".
func (m *Metrics) Refused(port, reason string) func() {
	return m.ports.WithLabelValues(port, reason).Inc
}

// LineLeftOut counts a line that was not logged since there were too many of it.
func (m *Metrics) LineLeftOut() { m.leftOut.Inc() }

// Watch reports what is asked for when the page is read: whether this process is
// ready, whether it reaches the bus, and how often a subscription of its began to
// drop messages. The functions must not block.
func (m *Metrics) Watch(ready, connected func() bool, slowConsumers func() uint64) {
	flag := func(name, help string, f func() bool) {
		m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "tandem", Name: name, Help: help}, func() float64 {
			if f() {
				return 1
			}
			return 0
		}))
	}
	flag("ready", "1 if this process is ready, as /readyz says.", ready)
	flag("bus_connected", "1 if this process reaches the bus, or needs none.", connected)
	m.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "tandem", Name: "bus_slow_consumers_total", Help: "Times that a subscription of this process began to drop messages.",
	}, func() float64 { return float64(slowConsumers()) }))
}

// bounded gives a name, or "other" once a kind has named too many.
func (m *Metrics) bounded(kind, name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.names[kind]
	if known == nil {
		known = map[string]bool{}
		m.names[kind] = known
	}
	if !known[name] {
		if len(known) >= maxNames {
			return "other"
		}
		known[name] = true
	}
	return name
}

// kind is a protocol's name as a label: "none" where there is no terminal. It
// comes out of records, which any process of the cluster may have written.
func (m *Metrics) kind(name string) string {
	if name == "" {
		return "none"
	}
	return m.bounded("kinds", name)
}

// Recorder takes the measurements of an adapter kind's host (kit.Recorder).
type Recorder struct {
	m    *Metrics
	kind string
}

// Adapter gives the recorder of an adapter kind.
func (m *Metrics) Adapter(kind string) *Recorder {
	r := &Recorder{m, kind}
	for _, outcome := range []string{"started", "confirmed", "abandoned", "refused"} {
		m.giveUps.WithLabelValues(kind, outcome)
	}
	m.counts.WithLabelValues(kind, m.bounded(kind, "command_retries"))
	m.counts.WithLabelValues(kind, m.bounded(kind, "sign_ins_refused"))
	r.Terminals(0)
	r.Legs(0)
	return r
}

// Count implements kit.Metrics.
func (r *Recorder) Count(name string, n int) {
	if n > 0 {
		r.m.counts.WithLabelValues(r.kind, r.m.bounded(r.kind, name)).Add(float64(n))
	}
}

// Gauge implements kit.Metrics.
func (r *Recorder) Gauge(name string, v int) {
	r.m.gauges.WithLabelValues(r.kind, r.m.bounded(r.kind, name)).Set(float64(v))
}

// Command implements kit.Recorder.
func (r *Recorder) Command(what, outcome string, took time.Duration) {
	r.m.commands.WithLabelValues(r.kind, what, outcome).Observe(took.Seconds())
}

// Event implements kit.Recorder.
func (r *Recorder) Event(what, outcome string, took time.Duration) {
	r.m.events.WithLabelValues(r.kind, what, outcome).Observe(took.Seconds())
}

// GiveUp implements kit.Recorder.
func (r *Recorder) GiveUp(outcome string) { r.m.giveUps.WithLabelValues(r.kind, outcome).Inc() }

// Terminals implements kit.Recorder.
func (r *Recorder) Terminals(n int) { r.m.terminals.WithLabelValues(r.kind).Set(float64(n)) }

// Legs implements kit.Recorder.
func (r *Recorder) Legs(n int) { r.m.legs.WithLabelValues(r.kind).Set(float64(n)) }

type mediaMetrics struct {
	counts *prometheus.CounterVec
	gauges *prometheus.GaugeVec
	times  *prometheus.HistogramVec
}

// Media takes a media node's measurements (media.Metrics).
type Media struct{ m *Metrics }

// Media gives what takes a media node's measurements. Its counters are there at once.
func (m *Metrics) Media(counters ...string) Media {
	for _, name := range counters {
		m.media.counts.WithLabelValues(m.bounded("media", name))
	}
	return Media{m}
}

// Count implements media.Metrics.
func (r Media) Count(name string, n int) {
	if n > 0 {
		r.m.media.counts.WithLabelValues(r.m.bounded("media", name)).Add(float64(n))
	}
}

// Gauge implements media.Metrics.
func (r Media) Gauge(name string, v int) {
	r.m.media.gauges.WithLabelValues(r.m.bounded("media", name)).Set(float64(v))
}

// Observe implements media.Metrics.
func (r Media) Observe(name string, d time.Duration) {
	r.m.media.times.WithLabelValues(r.m.bounded("media", name)).Observe(d.Seconds())
}
