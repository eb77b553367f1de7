package pairs_test

import (
	"context"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/localbus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
	"github.com/tandem-rtc/tandem/tests/pairs/exchange"
)

// options of a group's exchange: with media on a NATS server inside the process, as
// "tandem serve" has it; else on the bus in memory.
func (g group) options(t *testing.T) exchange.Options {
	t.Helper()
	router := localbus.NewRouter()
	o := exchange.Options{Name: g.name, Real: g.real, Matrix: true}
	switch {
	case g.short:
		o.CallState = short
	case g.limited:
		o.CallState = limited
	}
	if !g.real {
		server := membus.NewServer()
		o.Connect = func(string) bus.Driver { return router.Wrap(server.Connect()) }
		return o
	}
	server := natstest.Embedded(t)
	o.Connect = func(kind string) bus.Driver {
		ctx, cancel := context.WithTimeout(t.Context(), *patience)
		defer cancel()
		cfg := server.Config()
		cfg.Kind, cfg.Node = kind, "n1"
		c, err := natsbus.Connect(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return router.Wrap(c)
	}
	return o
}

// nothingLeft requires that no call, no leg and no goroutine is left of an exchange
// whose calls are all over.
func nothingLeft(t *testing.T, x *exchange.Exchange, before int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), *patience)
	defer cancel()
	if left := x.Settled(ctx); left != "" {
		t.Error(left)
	}
	x.Stop()
	ctx, cancel = context.WithTimeout(context.Background(), *patience)
	defer cancel()
	if left := exchange.GoroutinesEnded(ctx, before); left != "" {
		t.Errorf("goroutines were left behind:\n%s", left)
	}
}
