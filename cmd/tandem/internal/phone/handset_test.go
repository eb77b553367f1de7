package phone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	one = "+12025550101"
	two = "+12025550102"
)

// output collects what a phone writes and lets a test wait for it.
type output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	news chan struct{}
}

func newOutput() *output { return &output{news: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Write(p)
	select {
	case o.news <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// waitFor waits until text was written.
func (o *output) waitFor(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(patience)
	for !strings.Contains(o.String(), text) {
		select {
		case <-o.news:
		case <-deadline:
			t.Fatalf("%q was not written; but:\n%s", text, o)
		}
	}
}

// handset is a phone that runs.
type handset struct {
	stdout, stderr *output
	code           chan int
	hangUp         context.CancelFunc
}

func run(t *testing.T, f func(ctx context.Context, stdout, stderr io.Writer, log *slog.Logger) int) *handset {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &handset{stdout: newOutput(), stderr: newOutput(), code: make(chan int, 1), hangUp: cancel}
	log := slog.New(slog.NewTextHandler(h.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.code <- f(ctx, h.stdout, h.stderr, log)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("standard output:\n%s\nstandard error:\n%s", h.stdout, h.stderr)
		}
	})
	return h
}

func (x *exchange) connection(number string, single bool) Connection {
	return Connection{Server: x.addr, Token: "demo", MSISDN: number, Single: single}
}

// listen starts a phone that listens, and waits until it is registered.
func (x *exchange) listen(t *testing.T, o ListenOptions) *handset {
	t.Helper()
	if o.Server == "" {
		o.Connection = x.connection(two, o.Single)
	}
	o.JSON = true
	if o.Tone == 0 {
		o.Tone = 440
	}
	h := run(t, func(ctx context.Context, stdout, stderr io.Writer, log *slog.Logger) int {
		return Listen(ctx, o, stdout, stderr, log)
	})
	x.registered(t, o.MSISDN)
	return h
}

func (x *exchange) registered(t *testing.T, number string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case got := <-x.opened:
			if got == number {
				return
			}
		case <-deadline:
			t.Fatalf("%s does not register", number)
		}
	}
}

func (x *exchange) call(t *testing.T, o CallOptions) *handset {
	t.Helper()
	if o.Server == "" {
		o.Connection = x.connection(one, o.Single)
	}
	if o.Address == "" {
		o.Address = two
	}
	if o.Tone == 0 {
		o.Tone = 700
	}
	if o.Duration == 0 {
		o.Duration = time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	o.JSON = true
	return run(t, func(ctx context.Context, stdout, stderr io.Writer, log *slog.Logger) int {
		return Call(ctx, o, stdout, stderr, log)
	})
}

// ends waits for the phone's end and wants an exit code; it gives the results.
func (h *handset) ends(t *testing.T, want int) []Result {
	t.Helper()
	select {
	case got := <-h.code:
		if got != want {
			t.Errorf("exit code %d, want %d", got, want)
		}
	case <-time.After(2 * patience):
		t.Fatal("the phone does not end")
	}
	var out []Result
	d := json.NewDecoder(strings.NewReader(h.stdout.String()))
	d.DisallowUnknownFields()
	for {
		var r Result
		err := d.Decode(&r)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("standard output is not JSON alone: %v\n%s", err, h.stdout)
		}
		out = append(out, r)
	}
}

func wantTone(t *testing.T, r Result, hz float64) {
	t.Helper()
	if math.Abs(r.RxToneHz-hz) > 2 {
		t.Errorf("heard %g Hz, want %g", r.RxToneHz, hz)
	}
	if r.RxPackets < 5 {
		t.Errorf("heard %d packets", r.RxPackets)
	}
}
