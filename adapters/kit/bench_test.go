package kit_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// quietAdapter delivers into nothing.
type quietAdapter struct{}

func (quietAdapter) Run(ctx context.Context, ready func()) error  { ready(); <-ctx.Done(); return nil }
func (quietAdapter) Deliver(context.Context, *callv1.Event) error { return nil }

// BenchmarkLeg is the host's share of a calling leg, on the bus in memory with
// an owner that does nothing: an offer, three events and a hang-up.
func BenchmarkLeg(b *testing.B) {
	broker, key := membus.NewServer(), schema.NewIDKey([]byte("bench"))
	owner, err := bus.New(broker.Connect(), "callstate", "c1")
	if err != nil {
		b.Fatal(err)
	}
	for p := range uint32(schema.Partitions) {
		_, err := owner.ServeCommands(p, func(_ *callv1.Identity, _ string, c *callv1.Command, respond func(*callv1.Reply)) {
			state := callv1.LegState_LEG_STATE_OFFERED
			if c.GetHangUp() != nil {
				state = callv1.LegState_LEG_STATE_ENDED
			}
			respond(&callv1.Reply{CommandId: c.GetId(), CallId: c.GetCallId(), LegId: c.GetLegId(), LegState: state, MediaNode: "m1"})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	mine, err := bus.New(broker.Connect(), "test", "n1")
	if err != nil {
		b.Fatal(err)
	}
	var host kit.Host
	spec := kit.Spec{Kind: "test", New: func(_ kit.Config, h kit.Host) (kit.Adapter, error) { host = h; return quietAdapter{}, nil }}
	env := kit.Env{
		Bus: mine, Terminals: bus.NewTerminals(mine), Nodes: bus.NewNodes(mine, 1e9, 1e10), Key: key,
		Log: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- kit.Run(ctx, spec, nil, env, func() { close(ready) }) }()
	<-ready
	terminal, _, err := host.Attach(ctx, &callv1.Terminal{Subscriber: "alice", Rings: true})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		ref := kit.Ref{Scope: "bench", ID: strconv.Itoa(n)}
		var call, leg string
		host.Accept(ctx, offer("alice", terminal), ref, func(r *callv1.Reply, err error) {
			if err != nil {
				b.Fatal(err)
			}
			call, leg = r.GetCallId(), r.GetLegId()
		})
		for number := uint64(1); number <= 3; number++ {
			ack, err := owner.Event(ctx, "test", "n1", &callv1.Event{
				CallId: call, LegId: leg, Number: number, TerminalId: terminal.GetId(), Subscriber: "alice",
				Body: &callv1.Event_Established{Established: &callv1.Established{}},
			})
			if err != nil || ack.GetError() != nil {
				b.Fatal(ack, err)
			}
		}
		host.Accept(ctx, hangUp("alice", leg), kit.Ref{}, nil)
	}
	b.StopTimer()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
