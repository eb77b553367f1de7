package callstate_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// adapter is an adapter node that a test steers: it records each event once,
// by leg and number, as a host does.
type adapter struct {
	r         *rig
	b         *bus.Bus
	instance  string
	terminals bus.Terminals
	leave     func()

	mu      sync.Mutex
	cond    *sync.Cond
	seen    map[string]uint64
	alerted map[string]bool
	events  []*callv1.Event
	refuse  func(*callv1.Event) *callv1.Error
	present map[string]bool
}

func (r *rig) startAdapter(kind, node string) *adapter {
	a := &adapter{r: r, b: r.bus(kind, node), instance: schema.NewID(), seen: map[string]uint64{}, alerted: map[string]bool{}, present: map[string]bool{}}
	a.cond = sync.NewCond(&a.mu)
	a.terminals = bus.NewTerminals(a.b)
	sub, err := a.b.ServeEvents(func(e *callv1.Event, respond func(*callv1.EventAck)) { respond(a.deliver(e)) })
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err = bus.NewNodes(a.b, 20*time.Millisecond, time.Second).Announce(ctx, func() bus.Node {
		return bus.Node{Kind: kind, Node: node, Instance: a.instance}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	var once sync.Once
	a.leave = func() {
		once.Do(func() {
			cancel()
			sub.Stop()
			_ = a.b.Driver().Close()
		})
	}
	r.t.Cleanup(a.leave)
	return a
}

func (a *adapter) deliver(e *callv1.Event) *callv1.EventAck {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.present[e.GetTerminalId()] {
		return &callv1.EventAck{Error: &callv1.Error{Code: callv1.Code_CODE_GONE}}
	}
	if e.GetNumber() <= a.seen[e.GetLegId()] || e.GetAlerting() != nil && a.alerted[e.GetLegId()] {
		return &callv1.EventAck{}
	}
	if a.refuse != nil {
		if err := a.refuse(e); err != nil {
			return &callv1.EventAck{Error: err}
		}
	}
	a.seen[e.GetLegId()] = e.GetNumber()
	a.alerted[e.GetLegId()] = a.alerted[e.GetLegId()] || e.GetAlerting() != nil
	a.events = append(a.events, e)
	a.cond.Broadcast()
	return &callv1.EventAck{}
}

// attach signs a terminal of a subscriber in.
func (a *adapter) attach(subscriber string, resumes bool) *callv1.Terminal {
	a.r.t.Helper()
	t := &callv1.Terminal{
		Id: schema.NewID(), Kind: a.b.Kind(), Node: a.b.Node(), Instance: a.instance, Subscriber: subscriber,
		Rings: true, Features: &callv1.Features{Resumes: resumes}, AttachedAt: timestamppb.Now(),
	}
	a.mu.Lock()
	a.present[t.GetId()] = true
	a.mu.Unlock()
	if err := a.terminals.Put(context.Background(), t); err != nil {
		a.r.t.Fatal(err)
	}
	return t
}

// event waits for an event of a terminal's leg that fits.
func (a *adapter) event(t *callv1.Terminal, what string, fits func(*callv1.Event) bool) *callv1.Event {
	a.r.t.Helper()
	late := time.AfterFunc(patience, a.cond.Broadcast)
	defer late.Stop()
	end := time.Now().Add(patience)
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		for _, e := range a.events {
			if e.GetTerminalId() == t.GetId() && fits(e) {
				return e
			}
		}
		if time.Now().After(end) {
			a.r.t.Fatalf("no %s for %s; got %v", what, t.GetSubscriber(), a.events)
		}
		a.cond.Wait()
	}
}

// count is how many events of a terminal fit.
func (a *adapter) count(fits func(*callv1.Event) bool) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, e := range a.events {
		if fits(e) {
			n++
		}
	}
	return n
}

func isIncoming(e *callv1.Event) bool    { return e.GetIncoming() != nil }
func isAlerting(e *callv1.Event) bool    { return e.GetAlerting() != nil }
func isAnswered(e *callv1.Event) bool    { return e.GetAnswered() != nil }
func isEstablished(e *callv1.Event) bool { return e.GetEstablished() != nil }
func isEnded(e *callv1.Event) bool       { return e.GetEnded() != nil }

// command makes a command from a terminal's leg.
func command(t *callv1.Terminal, callID, legID string, body any) *callv1.Command {
	c := &callv1.Command{Id: schema.NewID(), CallId: callID, LegId: legID, Principal: t.GetSubscriber()}
	switch b := body.(type) {
	case *callv1.Ringing:
		c.Body = &callv1.Command_Ringing{Ringing: b}
	case *callv1.Answer:
		c.Body = &callv1.Command_Answer{Answer: b}
	case *callv1.HangUp:
		c.Body = &callv1.Command_HangUp{HangUp: b}
	case *callv1.LegFailed:
		c.Body = &callv1.Command_LegFailed{LegFailed: b}
	}
	return c
}

// offer makes the command that calls an address.
func (a *adapter) offer(t *callv1.Terminal, ref, to string) *callv1.Command {
	id := a.r.key.CallID(t.GetSubscriber(), "test", ref)
	return &callv1.Command{
		Id: schema.NewID(), CallId: id, LegId: schema.LegID(id, 1), Principal: t.GetSubscriber(),
		Body: &callv1.Command_Offer{Offer: &callv1.Offer{
			To: to, Sdp: "v=0", Terminal: t, Ref: ref,
			Caller: &callv1.Party{Subscriber: t.GetSubscriber(), Addresses: []string{"sip:" + t.GetSubscriber() + "@demo.test"}},
		}},
	}
}

// must sends a command that has to be carried out.
func (a *adapter) must(c *callv1.Command) *callv1.Reply {
	a.r.t.Helper()
	reply := a.r.send(a.b, c)
	if reply.GetError() != nil {
		a.r.t.Fatalf("%T refused: %v", c.GetBody(), reply.GetError())
	}
	return reply
}

func record(t *testing.T, b *bus.Bus, callID string) *callv1.CallRecord {
	t.Helper()
	r, err := b.Records().Load(context.Background(), schema.RecordOf(callID))
	if err != nil {
		t.Fatalf("record of %s: %v", callID, err)
	}
	c := &callv1.CallRecord{}
	if err := unmarshal(r.Data, c); err != nil {
		t.Fatal(err)
	}
	return c
}
