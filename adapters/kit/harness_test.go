package kit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

const (
	patience = 10 * time.Second
	quiet    = 20 * time.Millisecond
)

// node is a host with an adapter that a test steers, and an owner of all calls
// that sees every single try of a command.
type node struct {
	t       *testing.T
	broker  *membus.Server
	key     schema.IDKey
	adapter *steered
	host    kit.Host
	rec     *recorder
	owner   *bus.Bus
	asked   chan *try
	subs    []bus.Subscription
	watched *watched
	cancel  context.CancelFunc
	ended   chan error
}

// try is one command as it came.
type try struct {
	callID  string
	c       *callv1.Command
	respond func(*callv1.Reply)
}

func (a *try) ok(state callv1.LegState) {
	a.respond(&callv1.Reply{CommandId: a.c.GetId(), CallId: a.callID, LegId: a.c.GetLegId(), LegState: state, MediaNode: "m1"})
}

func (a *try) refuse(code callv1.Code) {
	a.respond(&callv1.Reply{CommandId: a.c.GetId(), Error: &callv1.Error{Code: code, Message: "refused"}})
}

// steered is an adapter that does what a test says.
type steered struct {
	mu      sync.Mutex
	deliver func(ctx context.Context, e *callv1.Event) error
	run     func(ctx context.Context, ready func()) error
	events  chan *callv1.Event
}

func (a *steered) Run(ctx context.Context, ready func()) error {
	if a.run != nil {
		return a.run(ctx, ready)
	}
	ready()
	<-ctx.Done()
	return nil
}

func (a *steered) Deliver(ctx context.Context, e *callv1.Event) error {
	a.mu.Lock()
	f := a.deliver
	a.mu.Unlock()
	if f != nil {
		if err := f(ctx, e); err != nil {
			return err
		}
	}
	a.events <- e
	return nil
}

func (a *steered) delivers(f func(ctx context.Context, e *callv1.Event) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deliver = f
}

func shortLimits() kit.Limits {
	return kit.Limits{
		AcceptRetryFor: 300 * time.Millisecond, TryTimeout: 60 * time.Millisecond, AskTimeout: 100 * time.Millisecond,
		DeliverTimeout: 200 * time.Millisecond, DrainTimeout: time.Second,
		GiveUpFor: 5 * time.Second, StartTimeout: time.Second,
	}
}

// start runs a host. change may alter what it is started with.
func start(t *testing.T, change func(n *node, env *kit.Env, spec *kit.Spec)) *node {
	t.Helper()
	n := &node{
		t: t, broker: membus.NewServer(), key: schema.NewIDKey([]byte("test")),
		adapter: &steered{events: make(chan *callv1.Event, 1024)},
		rec:     newRecorder(), asked: make(chan *try, 1024), ended: make(chan error, 1),
	}
	n.owner = n.bus("callstate", "c1")
	n.own()
	b := n.bus("test", "n1")
	env := kit.Env{
		Bus: b, Terminals: bus.NewTerminals(b), Nodes: bus.NewNodes(b, 20*time.Millisecond, time.Second),
		Key: n.key, Recorder: n.rec, Limits: shortLimits(),
	}
	spec := kit.Spec{
		Kind: "test", Features: &callv1.Features{Video: true},
		New: func(_ kit.Config, h kit.Host) (kit.Adapter, error) { n.host = h; return n.adapter, nil },
	}
	if change != nil {
		change(n, &env, &spec)
	}
	n.watched = watchTerminals(t, bus.NewTerminals(n.owner))
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	ready := make(chan struct{})
	go func() { n.ended <- kit.Run(ctx, spec, nil, env, func() { close(ready) }) }()
	t.Cleanup(func() {
		n.obey()
		n.cancel()
		if err := n.wait(); err != nil {
			t.Errorf("the host ended with: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-n.ended:
		t.Fatalf("the host did not start: %v", err)
	case <-time.After(patience):
		t.Fatal("the host did not start in time")
	}
	return n
}

// wait gives what Run returned.
func (n *node) wait() error {
	n.t.Helper()
	select {
	case err := <-n.ended:
		n.ended <- err
		return err
	case <-time.After(patience):
		return errors.New("still running")
	}
}

func (n *node) bus(kind, name string) *bus.Bus {
	d := n.broker.Connect()
	n.t.Cleanup(func() { _ = d.Close() })
	b, err := bus.New(d, kind, name)
	if err != nil {
		n.t.Fatal(err)
	}
	return b
}

// own serves all partitions; disown leaves them alone.
func (n *node) own() {
	for p := range uint32(schema.Partitions) {
		s, err := n.owner.ServeCommands(p, func(_ *callv1.Identity, callID string, c *callv1.Command, respond func(*callv1.Reply)) {
			n.asked <- &try{callID, c, respond}
		})
		if err != nil {
			n.t.Fatal(err)
		}
		n.subs = append(n.subs, s)
	}
}

func (n *node) disown() {
	for _, s := range n.subs {
		s.Stop()
	}
	n.subs = nil
}

// obey carries out everything from now on.
func (n *node) obey() {
	done := make(chan struct{})
	n.t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case a := <-n.asked:
				a.ok(callv1.LegState_LEG_STATE_ENDED)
			case <-done:
				return
			}
		}
	}()
}

func (n *node) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	n.t.Cleanup(cancel)
	return ctx
}

// next waits for the next try of a command.
func (n *node) next() *try {
	n.t.Helper()
	select {
	case a := <-n.asked:
		return a
	case <-time.After(patience):
		n.t.Fatal("no command came")
		return nil
	}
}

// nextNot waits for the next try of a command other than the one named.
func (n *node) nextNot(id string) *try {
	n.t.Helper()
	for {
		if a := n.next(); a.c.GetId() != id {
			return a
		}
	}
}

// onlyRepeats requires that nothing comes but tries of the command named.
func (n *node) onlyRepeats(id string) {
	n.t.Helper()
	for {
		select {
		case a := <-n.asked:
			if a.c.GetId() != id {
				n.t.Fatalf("a command came: %v", a.c)
			}
		case <-time.After(quiet):
			return
		}
	}
}

func (n *node) none() {
	n.t.Helper()
	select {
	case a := <-n.asked:
		n.t.Fatalf("a command came: %v", a.c)
	case <-time.After(quiet):
	}
}

// delivered waits for the adapter's next event.
func (n *node) delivered() *callv1.Event {
	n.t.Helper()
	select {
	case e := <-n.adapter.events:
		return e
	case <-time.After(patience):
		n.t.Fatal("no event was delivered")
		return nil
	}
}

func (n *node) notDelivered() {
	n.t.Helper()
	select {
	case e := <-n.adapter.events:
		n.t.Fatalf("an event was delivered: %v", e)
	case <-time.After(quiet):
	}
}

// attach makes a terminal of a subscriber.
func (n *node) attach(subscriber string) (*callv1.Terminal, func(kit.DetachReason)) {
	n.t.Helper()
	t, detach, err := n.host.Attach(n.ctx(), &callv1.Terminal{Subscriber: subscriber, Rings: true})
	if err != nil {
		n.t.Fatal(err)
	}
	return t, detach
}

// acked is what an Accept's ack got.
type acked struct {
	reply *callv1.Reply
	err   error
}

// accept runs Accept and gives what ack gets.
func (n *node) accept(ctx context.Context, c *callv1.Command, ref kit.Ref) <-chan acked {
	out := make(chan acked, 2)
	go func() {
		times := 0
		n.host.Accept(ctx, c, ref, func(r *callv1.Reply, err error) {
			if times++; times > 1 || (r == nil) == (err == nil) {
				n.t.Errorf("ack was called with %v and %v, for the %d. time", r, err, times)
			}
			out <- acked{r, err}
		})
		if times != 1 {
			n.t.Errorf("ack was called %d times", times)
		}
		close(out)
	}()
	return out
}

func (n *node) result(c <-chan acked) acked {
	n.t.Helper()
	select {
	case a := <-c:
		return a
	case <-time.After(patience):
		n.t.Fatal("ack was not called")
		return acked{}
	}
}

func (n *node) refusedWith(c <-chan acked, code callv1.Code) {
	n.t.Helper()
	if a := n.result(c); schema.CodeOf(a.err) != code {
		n.t.Fatalf("ack got %v, %v; want %s", a.reply, a.err, code)
	}
}

func offer(subscriber string, t *callv1.Terminal) *callv1.Command {
	return &callv1.Command{Principal: subscriber, Body: &callv1.Command_Offer{Offer: &callv1.Offer{
		To: "sip:bob@example.com", Sdp: "v=0\r\n", Terminal: &callv1.Terminal{Id: t.GetId()},
		Caller: &callv1.Party{Subscriber: subscriber, Addresses: []string{"sip:" + subscriber + "@example.com"}},
	}}}
}

func hangUp(subscriber, leg string) *callv1.Command {
	return &callv1.Command{Principal: subscriber, LegId: leg, Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}}
}

func ringing(subscriber, leg string) *callv1.Command {
	return &callv1.Command{Principal: subscriber, LegId: leg, Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}}
}

func answer(subscriber, leg string) *callv1.Command {
	return &callv1.Command{Principal: subscriber, LegId: leg, Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: "v=0\r\n"}}}
}

// leg is a live leg of a terminal.
type leg struct {
	n        *node
	id, call string
	who      string
	terminal *callv1.Terminal
}

var ref = kit.Ref{Scope: "test", ID: "call-1"}

// placed is a leg whose offer was committed.
func (n *node) placed(subscriber string, t *callv1.Terminal, ref kit.Ref) *leg {
	n.t.Helper()
	out := n.accept(n.ctx(), offer(subscriber, t), ref)
	a := n.next()
	a.ok(callv1.LegState_LEG_STATE_OFFERED)
	if r := n.result(out); r.err != nil {
		n.t.Fatal(r.err)
	}
	<-out // Accept has returned
	return &leg{n, a.c.GetLegId(), a.callID, subscriber, t}
}

// called is a leg that the owner made for a terminal.
func (n *node) called(subscriber string, t *callv1.Terminal) *leg {
	call := n.key.NewCallID("somebody", "else")
	return &leg{n, schema.LegID(call, 2), call, subscriber, t}
}

func (l *leg) event(number uint64, body any) *callv1.Event {
	e := &callv1.Event{
		CallId: l.call, LegId: l.id, Number: number, TerminalId: l.terminal.GetId(), Subscriber: l.who, MediaNode: "m1",
	}
	switch b := body.(type) {
	case *callv1.Incoming:
		e.Body = &callv1.Event_Incoming{Incoming: b}
	case *callv1.Alerting:
		e.Body = &callv1.Event_Alerting{Alerting: b}
	case *callv1.Answered:
		e.Body = &callv1.Event_Answered{Answered: b}
	case *callv1.Established:
		e.Body = &callv1.Event_Established{Established: b}
	case *callv1.Ended:
		e.Body = &callv1.Event_Ended{Ended: b}
	case *callv1.Probe:
		e.Body = &callv1.Event_Probe{Probe: b}
	case *callv1.Reoffer:
		e.Body = &callv1.Event_Reoffer{Reoffer: b}
	case *callv1.PushFailed:
		e.Body = &callv1.Event_PushFailed{PushFailed: b}
	case *callv1.InCall:
		e.LegId, e.Body = l.call, &callv1.Event_InCall{InCall: b}
	case *callv1.Idle:
		e.LegId, e.Body = l.call, &callv1.Event_Idle{Idle: b}
	}
	return e
}

// send sends an event once; the code that it was answered with comes by channel.
func (l *leg) send(number uint64, body any) <-chan callv1.Code {
	out := make(chan callv1.Code, 1)
	e := l.event(number, body)
	ctx := l.n.ctx()
	go func() {
		ack, err := l.n.owner.Event(ctx, "test", "n1", e)
		if err != nil {
			l.n.t.Errorf("event %d was not answered: %v", number, err)
		}
		out <- ack.GetError().GetCode()
	}()
	return out
}

const ok = callv1.Code_CODE_UNSPECIFIED

// gets requires what an event is answered with.
func (l *leg) gets(c <-chan callv1.Code, want callv1.Code) {
	l.n.t.Helper()
	select {
	case got := <-c:
		if got != want {
			l.n.t.Fatalf("the event was answered with %s, want %s", got, want)
		}
	case <-time.After(patience):
		l.n.t.Fatal("the event was not answered")
	}
}

func pending(t *testing.T, c <-chan callv1.Code) {
	t.Helper()
	select {
	case code := <-c:
		t.Fatalf("the event was answered with %s", code)
	case <-time.After(quiet):
	}
}
