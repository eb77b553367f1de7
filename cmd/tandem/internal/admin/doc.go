// Package admin is the operator's port: liveness, readiness, metrics, the calls
// there are, and the directory's subscribers.
//
// It shows calls out of their records, without session descriptions, headers or
// credentials. It knows the bus's records and the directory's editing methods,
// and nothing of how either comes about.
package admin
