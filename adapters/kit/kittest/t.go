package kittest

import (
	"context"
	"testing"
)

// T is what the kit needs of *testing.T, so that a test can run the kit against
// an adapter that is meant to fail.
type T interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	// Fatalf fails the test and ends its goroutine.
	Fatalf(format string, args ...any)
	Failed() bool
	Cleanup(func())
	// Context ends just before the cleanups run.
	Context() context.Context
	// Run runs f as a named part and reports whether it passed.
	Run(name string, f func(T)) bool
}

// Run runs the whole kit against an adapter.
func Run(t *testing.T, h Harness) { RunT(testingT{t}, h) }

// FromT gives a *testing.T as a T.
func FromT(t *testing.T) T { return testingT{t} }

// testingT is a *testing.T as a T.
type testingT struct{ *testing.T }

func (t testingT) Run(name string, f func(T)) bool {
	t.Helper()
	return t.T.Run(name, func(t *testing.T) { f(testingT{t}) })
}
