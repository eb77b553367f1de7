package localbus_test

import (
	"context"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/bustest"
	"github.com/tandem-rtc/tandem/bus/localbus"
	"github.com/tandem-rtc/tandem/bus/membus"
)

// TestSuite: a bus with a short way keeps every promise of a bus.
func TestSuite(t *testing.T) {
	bustest.Run(t, func(*testing.T) (func() bus.Driver, func()) {
		s, r := membus.NewServer(), localbus.NewRouter()
		return func() bus.Driver { return r.Wrap(s.Connect()) }, s.Restart
	}, bustest.RequestsOutliveRestarts)
}

// counting counts what reaches the driver beneath.
type counting struct {
	bus.Driver
	requests int
}

func (c *counting) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	c.requests++
	return c.Driver.Request(ctx, subject, data)
}

func TestALocalServerIsAskedDirectly(t *testing.T) {
	s, r := membus.NewServer(), localbus.NewRouter()
	beneath := &counting{Driver: s.Connect()}
	asker, server, elsewhere := r.Wrap(beneath), r.Wrap(s.Connect()), s.Connect()
	for _, d := range []bus.Driver{asker, server, elsewhere} {
		t.Cleanup(func() { _ = d.Close() })
	}
	echo := func(m bus.Msg) { m.Respond(m.Data) }
	here, err := server.Serve("a.*.c", "", echo)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.Serve("far.>", "", echo); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		subject string
		before  func()
		want    int
	}{
		{"a.b.c", func() {}, 0},
		{"far.away", func() {}, 1},
		{"a.b.c", here.Stop, 2},
	} {
		step.before()
		_, err := asker.Request(t.Context(), step.subject, []byte("x"))
		if beneath.requests != step.want {
			t.Errorf("%s: %d requests went through the broker, want %d (%v)", step.subject, beneath.requests, step.want, err)
		}
	}
}
