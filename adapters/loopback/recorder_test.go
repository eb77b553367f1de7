package loopback_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
)

// recorder is a kittest.T that keeps failures to itself and runs only the rules
// asked for.
type recorder struct {
	name string
	only string
	ctx  context.Context
	stop context.CancelFunc

	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func newRecorder(ctx context.Context, name, only string) *recorder {
	r := &recorder{name: name, only: only}
	r.ctx, r.stop = context.WithCancel(ctx)
	return r
}

func (r *recorder) Helper()                  {}
func (r *recorder) Name() string             { return r.name }
func (r *recorder) Logf(string, ...any)      {}
func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, r.name+": "+fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failures) > 0
}

func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}

// Run runs a part on its own goroutine, as the testing package does.
func (r *recorder) Run(name string, f func(kittest.T)) bool {
	if strings.Count(r.name, "/") == 1 && name != r.only {
		return true
	}
	part := newRecorder(r.ctx, r.name+"/"+name, r.only)
	part.run(f)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, part.failures...)
	return len(part.failures) == 0
}

// run calls f and then the cleanups, each so that it may call Fatalf.
func (r *recorder) run(f func(kittest.T)) {
	call := func(f func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		<-done
	}
	call(func() { f(r) })
	r.stop()
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		call(r.cleanups[i])
	}
}
