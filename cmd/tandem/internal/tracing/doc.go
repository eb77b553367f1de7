// Package tracing makes OpenTelemetry traces of what the bus tells of calls, and
// exports them by OTLP.
//
// A call is one trace: its trace id is the call's id, and the ids of its spans
// follow from those of its commands and events. So every process of a cluster
// makes its part of the trace by itself, and messages carry nothing for it. The
// package must never see an address, a session description or a credential; the bus
// tells it none.
package tracing
