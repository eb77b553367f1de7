package metrics

import "github.com/prometheus/client_golang/prometheus"

// directoryMetrics are the directory's (directory.Metrics).
type directoryMetrics struct{ signIns, wakes, keys, refused *prometheus.CounterVec }

func newDirectoryMetrics(counter func(name, help string, labels ...string) *prometheus.CounterVec) *directoryMetrics {
	return &directoryMetrics{
		signIns: counter("directory_sign_ins_total", "Sign-ins, by the adapter kind that asked, the kind of proof and the outcome.", "kind", "proof", "outcome"),
		wakes:   counter("directory_wakes_total", "Devices that were to be woken, by what became of it.", "outcome"),
		keys:    counter("directory_key_readings_total", "Readings of token issuers' keys, by outcome.", "outcome"),
		refused: counter("directory_questions_refused_total", "Questions that found no room, by who asks such: strangers (sign-ins) or calls.", "of"),
	}
}

func (d *directoryMetrics) register(r *prometheus.Registry) {
	r.MustRegister(d.signIns, d.wakes, d.keys, d.refused)
}

// Directory takes the directory's measurements.
type Directory struct{ m *Metrics }

// Directory gives what takes the directory's measurements.
func (m *Metrics) Directory() Directory {
	for _, outcome := range []string{"sent", "repeated", "failed", "dropped", "gone"} {
		m.directory.wakes.WithLabelValues(outcome)
	}
	for _, outcome := range []string{"ok", "failed"} {
		m.directory.keys.WithLabelValues(outcome)
	}
	for _, of := range []string{"strangers", "calls"} {
		m.directory.refused.WithLabelValues(of)
	}
	return Directory{m}
}

// SignIn implements directory.Metrics.
func (d Directory) SignIn(kind, proof, outcome string) {
	d.m.directory.signIns.WithLabelValues(d.m.kind(kind), proof, outcome).Inc()
}

// Wake implements directory.Metrics.
func (d Directory) Wake(outcome string, devices int) {
	d.m.directory.wakes.WithLabelValues(outcome).Add(float64(devices))
}

// Refused implements directory.Metrics.
func (d Directory) Refused(of string) { d.m.directory.refused.WithLabelValues(of).Inc() }

// KeysRead counts a reading of a token issuer's keys.
func (d Directory) KeysRead(outcome string) { d.m.directory.keys.WithLabelValues(outcome).Inc() }
