package callstate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
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
	mute    func(*callv1.Event) bool // an event is taken, and never answered
	present map[string]bool
	// attached are the terminals that are signed in.
	attached []*callv1.Terminal
}

func (r *rig) startAdapter(kind, node string) *adapter {
	a := &adapter{r: r, b: r.bus(kind, node), instance: schema.NewID(), seen: map[string]uint64{}, alerted: map[string]bool{}, present: map[string]bool{}}
	a.cond = sync.NewCond(&a.mu)
	a.terminals = bus.NewTerminals(a.b)
	sub, err := a.b.ServeEvents(func(e *callv1.Event, respond func(*callv1.EventAck)) {
		a.mu.Lock()
		mute := a.mute
		a.mu.Unlock()
		if mute == nil || !mute(e) {
			respond(a.deliver(e))
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	since := time.Now()
	gone, err := bus.NewNodes(a.b, 20*time.Millisecond, patience).Announce(ctx, func() bus.Node {
		return bus.Node{Kind: kind, Node: node, Instance: a.instance, Since: since}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	var once sync.Once
	a.leave = func() {
		once.Do(func() {
			cancel()
			<-gone
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
	about := e.GetLegId()
	if schema.IsStatus(e) {
		about += e.GetTerminalId()
	}
	if e.GetProbe() != nil {
		return &callv1.EventAck{}
	}
	again := e.GetAlerting() != nil && e.GetAlerting().GetSdp() == "" && a.alerted[e.GetLegId()]
	if e.GetNumber() <= a.seen[about] || again {
		return &callv1.EventAck{}
	}
	if a.refuse != nil {
		if err := a.refuse(e); err != nil {
			return &callv1.EventAck{Error: err}
		}
	}
	a.seen[about] = e.GetNumber()
	a.alerted[e.GetLegId()] = a.alerted[e.GetLegId()] || e.GetAlerting() != nil
	a.events = append(a.events, e)
	a.cond.Broadcast()
	return &callv1.EventAck{}
}

// attach signs a terminal of a subscriber in.
func (a *adapter) attach(subscriber string, resumes bool) *callv1.Terminal {
	a.r.t.Helper()
	return a.attachWith(subscriber, &callv1.Features{Resumes: resumes, RemembersCalls: resumes})
}

// able is what a terminal can do that does all there is after the answer.
func able() *callv1.Features {
	return &callv1.Features{Resumes: true, Renegotiates: true, ShowsCalls: true}
}

func (a *adapter) attachWith(subscriber string, f *callv1.Features) *callv1.Terminal {
	a.r.t.Helper()
	return a.put(&callv1.Terminal{Subscriber: subscriber, Rings: true, Features: f})
}

func (a *adapter) put(t *callv1.Terminal) *callv1.Terminal {
	a.r.t.Helper()
	t.Id, t.Kind, t.Node, t.Instance = schema.NewID(), a.b.Kind(), a.b.Node(), a.instance
	t.AttachedAt = timestamppb.Now()
	a.mu.Lock()
	a.present[t.GetId()], a.attached = true, append(a.attached, t)
	a.mu.Unlock()
	if err := a.terminals.Put(context.Background(), t); err != nil {
		a.r.t.Fatal(err)
	}
	return t
}

// lose has a terminal's connection break: its host gives its legs up.
func (a *adapter) lose(t *callv1.Terminal, callID string, legs ...string) {
	a.r.t.Helper()
	a.mu.Lock()
	delete(a.present, t.GetId())
	a.mu.Unlock()
	if err := a.terminals.Delete(context.Background(), t); err != nil {
		a.r.t.Fatal(err)
	}
	for _, leg := range legs {
		a.must(command(t, callID, leg, &callv1.LegFailed{Reason: callv1.Reason_REASON_TERMINAL_LOST, TerminalId: t.GetId()}))
	}
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
func isReoffer(e *callv1.Event) bool     { return e.GetReoffer() != nil }
func isInCall(e *callv1.Event) bool      { return e.GetInCall() != nil }
func isIdle(e *callv1.Event) bool        { return e.GetIdle() != nil }
func isPushFailed(e *callv1.Event) bool  { return e.GetPushFailed() != nil }

// story names the events that a terminal got, in order; a new owner may show it a
// call again.
func (a *adapter) story(t *callv1.Terminal) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, e := range a.events {
		if e.GetTerminalId() == t.GetId() {
			name := fmt.Sprintf("%T", e.GetBody())[len("*callv1.Event_"):]
			if e.GetEnded() != nil {
				name += ":" + step.ReasonName(e.GetEnded().GetReason())
			}
			if e.GetInCall() == nil || len(out) == 0 || out[len(out)-1] != name {
				out = append(out, name)
			}
		}
	}
	return strings.Join(out, " ")
}

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
	case *callv1.Push:
		c.Body = &callv1.Command_Push{Push: b}
	case *callv1.Reoffer:
		c.Body = &callv1.Command_Reoffer{Reoffer: b}
	case *callv1.RefuseReoffer:
		c.Body = &callv1.Command_RefuseReoffer{RefuseReoffer: b}
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

// pull makes the command that takes a call over.
func (a *adapter) pull(t *callv1.Terminal, callID string) *callv1.Command {
	leg := schema.LegID(callID, schema.FirstPulled+rand.Uint32N(schema.FirstPulled))
	return &callv1.Command{
		Id: schema.NewID(), CallId: callID, LegId: leg, Principal: t.GetSubscriber(),
		Body: &callv1.Command_Pull{Pull: &callv1.Pull{Sdp: "v=0", Terminal: t, Ref: callID}},
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
