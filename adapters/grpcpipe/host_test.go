package grpcpipe

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// patience bounds every wait of a test; it is only ever reached by a failure.
const patience = 10 * time.Second

// fakeHost is the exchange as the adapter sees it, with an owner that the test
// plays.
type fakeHost struct {
	key schema.IDKey
	log *slog.Logger // nil for none
	// owner decides commands; nil accepts everything.
	owner func(*callv1.Command) (*callv1.Reply, error)
	// commands gets every command before it is decided.
	commands chan *callv1.Command
	attached chan *callv1.Terminal
	detached chan string
	// calls are what the subscriber is in when a stream opens, the latest first.
	calls    func(subscriber string) []*callv1.Event
	callsErr error
	// denied is what Authenticate fails with for the token "bad".
	denied    error
	attachErr error
	// signingIn holds a sign-in up; nil does not.
	signingIn func(ctx context.Context, token string)
	drain     time.Duration

	mu       sync.Mutex
	n        int
	asked    *callv1.Bearer
	counts   map[string]int
	held     map[string]chan struct{} // leg -> closed once its Offer's ack has returned
	terminal map[string]*callv1.Terminal
}

func newFakeHost() *fakeHost {
	return &fakeHost{
		key:      schema.NewIDKey([]byte("test")),
		commands: make(chan *callv1.Command, 1024),
		attached: make(chan *callv1.Terminal, 1024),
		detached: make(chan string, 1024),
		denied:   schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "no"),
		drain:    patience,
		counts:   make(map[string]int),
		held:     make(map[string]chan struct{}),
		terminal: make(map[string]*callv1.Terminal),
	}
}

// Authenticate takes the token "demo" for any number and "alice" for hers.
func (h *fakeHost) Authenticate(ctx context.Context, c *callv1.Credentials) (*callv1.Principal, error) {
	b := c.GetBearer()
	if h.signingIn != nil {
		h.signingIn(ctx, b.GetToken())
	}
	h.mu.Lock()
	h.asked = b
	h.mu.Unlock()
	number := b.GetMsisdn()
	switch {
	case b.GetToken() == "bad":
		return nil, h.denied
	case number == "":
		number = "+12025550101"
	}
	return &callv1.Principal{Subscriber: "s" + strings.TrimPrefix(number, "+"), Party: &callv1.Party{
		Subscriber: "s" + strings.TrimPrefix(number, "+"), Addresses: []string{"tel:" + number},
	}}, nil
}

func (h *fakeHost) ServesDomain(context.Context, string) (bool, error) { return false, nil }

func (h *fakeHost) Attach(_ context.Context, t *callv1.Terminal) (*callv1.Terminal, func(kit.DetachReason), error) {
	if h.attachErr != nil {
		return nil, nil, h.attachErr
	}
	t = proto.CloneOf(t)
	h.mu.Lock()
	h.n++
	if t.Id == "" {
		t.Id = "t" + strconv.Itoa(h.n)
	}
	h.terminal[t.Id] = t
	h.mu.Unlock()
	h.attached <- t
	return t, func(why kit.DetachReason) {
		if why == kit.Lost {
			h.detached <- t.Id
		} else {
			h.detached <- t.Id + " signed out"
		}
	}, nil
}

func (h *fakeHost) Accept(_ context.Context, c *callv1.Command, ref kit.Ref, ack kit.Ack) {
	if o := c.GetOffer(); o != nil {
		if ref.ID == "" {
			ref.ID = schema.NewID()
		}
		c.LegId, _ = h.Resolve(c.GetPrincipal(), ref)
		o.Ref = ref.ID
		held := make(chan struct{})
		defer close(held)
		h.mu.Lock()
		h.held[c.LegId] = held
		h.mu.Unlock()
	}
	if c.GetPull() != nil {
		if !h.key.Ours(ref.ID) {
			ack(nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such leg"))
			return
		}
		h.mu.Lock()
		h.n++
		c.LegId = schema.LegID(ref.ID, schema.FirstPulled+uint32(h.n))
		h.mu.Unlock()
	}
	c.CallId, _, _ = schema.SplitLegID(c.GetLegId())
	h.commands <- c
	r := &callv1.Reply{LegId: c.GetLegId(), CallId: c.GetCallId(), LegState: callv1.LegState_LEG_STATE_ESTABLISHED}
	switch {
	case c.GetOffer() != nil:
		r.LegState = callv1.LegState_LEG_STATE_OFFERED
	case c.GetPull() != nil, c.GetReoffer() != nil:
		r.Sdp = "v=0 to " + c.GetPull().GetSdp() + c.GetReoffer().GetSdp()
	}
	var err error
	if h.owner != nil {
		var got *callv1.Reply
		if got, err = h.owner(c); got != nil {
			r = got
		}
	}
	if err != nil {
		ack(nil, err)
		return
	}
	ack(r, nil)
}

func (h *fakeHost) Signal(context.Context, *callv1.Signal) error { return nil }

func (h *fakeHost) Resolve(subscriber string, ref kit.Ref) (string, bool) {
	if h.key.Ours(ref.ID) {
		id, _ := schema.CanonicalUUID(ref.ID)
		return id, true
	}
	return schema.LegID(h.key.CallID(subscriber, ref.Scope, ref.ID), 1), false
}

func (h *fakeHost) Calls(_ context.Context, id string) ([]*callv1.Event, error) {
	h.mu.Lock()
	t := h.terminal[id]
	h.mu.Unlock()
	if h.calls == nil {
		return nil, h.callsErr
	}
	return h.calls(t.GetSubscriber()), nil
}

func (h *fakeHost) LookUp(context.Context, string) (*callv1.Party, error) {
	return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "nobody")
}
func (h *fakeHost) PutDevice(context.Context, *callv1.PutDevice) error { return nil }
func (h *fakeHost) Wake(context.Context, *callv1.Wake) error           { return nil }
func (h *fakeHost) Store() kit.Store                                   { return nil }
func (h *fakeHost) DrainTimeout() time.Duration                        { return h.drain }
func (h *fakeHost) Node() string                                       { return "n1" }
func (h *fakeHost) Metrics() kit.Metrics                               { return h }
func (h *fakeHost) Gauge(string, int)                                  {}

func (h *fakeHost) Count(name string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[name] += n
}

// command waits for the next command.
func (h *fakeHost) command(t *testing.T) *callv1.Command {
	t.Helper()
	return receive(t, h.commands, "a command")
}

// release waits until a leg's events are no longer held back, as a host does.
func (h *fakeHost) release(leg string) {
	h.mu.Lock()
	held := h.held[leg]
	h.mu.Unlock()
	if held != nil {
		<-held
	}
}

// incomingLeg makes the leg id of a call that arrives.
func (h *fakeHost) incomingLeg() string {
	return schema.LegID(h.key.NewCallID("somebody", "test"), 2)
}

// event makes an event for a terminal's leg.
func event(terminal *callv1.Terminal, leg string, number uint64, e *callv1.Event) *callv1.Event {
	e.TerminalId, e.Subscriber, e.LegId, e.Number = terminal.GetId(), terminal.GetSubscriber(), leg, number
	e.CallId, _, _ = schema.SplitLegID(leg)
	return e
}

func incoming(sdp, caller string) *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Incoming{Incoming: &callv1.Incoming{
		Sdp: sdp, Caller: &callv1.Party{Addresses: []string{"sip:alice@example.com", "tel:" + caller, "tel:+12025550199"}},
	}}}
}

func alerting() *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Alerting{Alerting: &callv1.Alerting{}}}
}

func answered(sdp string) *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Answered{Answered: &callv1.Answered{Sdp: sdp}}}
}

func established() *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Established{Established: &callv1.Established{}}}
}

func endedEvent(r callv1.Reason) *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Ended{Ended: &callv1.Ended{Reason: r}}}
}

// inCall is a call with a number that the subscriber is in at another terminal.
func inCall(call string, version uint64, peer string) *callv1.Event {
	return statusOf(call, version, &callv1.Event{Body: &callv1.Event_InCall{InCall: &callv1.InCall{
		Peer:  &callv1.Party{Addresses: []string{"sip:x@example.com", "tel:" + peer, "tel:+12025550199"}},
		Since: timestamppb.New(time.Unix(int64(version), 0)),
	}}})
}

// idle is the end of one.
func idle(call string, version uint64) *callv1.Event {
	return statusOf(call, version, &callv1.Event{Body: &callv1.Event_Idle{Idle: &callv1.Idle{}}})
}

func statusOf(call string, version uint64, e *callv1.Event) *callv1.Event {
	e.CallId, e.LegId, e.Number = call, call, version
	return e
}

func reofferEvent(sdp string) *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_Reoffer{Reoffer: &callv1.Reoffer{Sdp: sdp}}}
}

func pushFailed() *callv1.Event {
	return &callv1.Event{Body: &callv1.Event_PushFailed{PushFailed: &callv1.PushFailed{Reason: callv1.Reason_REASON_NO_ANSWER}}}
}

// pushed is the end of a leg whose call went to the phone at its terminal's wish.
func pushed(peer string) *callv1.Event {
	return &callv1.Event{At: timestamppb.Now(), Body: &callv1.Event_Ended{Ended: &callv1.Ended{
		Reason: callv1.Reason_REASON_TRANSFERRED, Requested: true, Peer: &callv1.Party{Addresses: []string{"tel:" + peer}},
	}}}
}

func receive[V any](t *testing.T, ch <-chan V, what string) V {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func (h *fakeHost) Log() *slog.Logger {
	if h.log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.log
}
