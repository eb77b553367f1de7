package kittest

import (
	"context"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// owner is the owner of all calls as a test scripts it. It keeps what every
// owner must keep: a repeated command is the same command.
type owner struct {
	bus   *bus.Bus
	asked chan *asked

	mu    sync.Mutex
	subs  []bus.Subscription
	seen  map[string]*asked // by command id
	say   func(*asked) bool // answers by itself what it says true to
	calls func(terminalID string) []*callv1.Event
}

// asked is one command, however often it was sent.
type asked struct {
	from   *callv1.Identity
	callID string // as the subject says
	c      *callv1.Command

	mu      sync.Mutex
	reply   *callv1.Reply
	waiting []func(*callv1.Reply)
	times   int
}

func newOwner(b *bus.Bus) *owner {
	return &owner{bus: b, asked: make(chan *asked, 4096), seen: map[string]*asked{}}
}

// start serves all partitions.
func (o *owner) start() error {
	for p := range uint32(schema.Partitions) {
		s, err := o.bus.ServeCommands(p, o.take)
		if err != nil {
			return err
		}
		o.subs = append(o.subs, s)
	}
	s, err := o.bus.ServeCalls(func(_ *callv1.Identity, q *callv1.CallsRequest, respond func(*callv1.CallsReply)) {
		o.mu.Lock()
		calls := o.calls
		o.mu.Unlock()
		r := &callv1.CallsReply{}
		if calls != nil {
			r.Calls = calls(q.GetTerminalId())
		}
		respond(r)
	})
	o.subs = append(o.subs, s)
	return err //nolint:wrapcheck // the bus says what failed
}

// shows has f say which calls a terminal that asks is not in.
func (o *owner) shows(f func(terminalID string) []*callv1.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = f
}

// stop leaves the partitions without an owner.
func (o *owner) stop() {
	for _, s := range o.subs {
		s.Stop()
	}
	o.subs = nil
}

func (o *owner) take(from *callv1.Identity, callID string, c *callv1.Command, respond func(*callv1.Reply)) {
	o.mu.Lock()
	// A redirected command comes again with another call: a new question.
	key := c.GetId() + " " + callID
	a := o.seen[key]
	fresh := a == nil
	if fresh {
		a = &asked{from: from, callID: callID, c: c}
		o.seen[key] = a
	}
	say := o.say
	o.mu.Unlock()

	a.mu.Lock()
	a.times++
	r := a.reply
	if r == nil && len(a.waiting) < 64 {
		a.waiting = append(a.waiting, respond)
	}
	a.mu.Unlock()
	if r != nil {
		respond(r)
	}
	if fresh && (say == nil || !say(a)) {
		select {
		case o.asked <- a:
		default: // a test that lets thousands pile up looks at none of them
		}
	}
}

// answerAll answers commands by itself from now on; nil ends that.
func (o *owner) answerAll(say func(*asked) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.say = say
}

// obey carries out all that was and will be asked.
func (o *owner) obey() {
	o.mu.Lock()
	o.say = func(a *asked) bool { a.carryOut(); return true }
	var open []*asked
	for _, a := range o.seen {
		a.mu.Lock()
		if a.reply == nil {
			open = append(open, a)
		}
		a.mu.Unlock()
	}
	o.mu.Unlock()
	for _, a := range open {
		a.carryOut()
	}
}

// next waits for the next command.
func (o *owner) next(ctx context.Context) (*asked, bool) {
	select {
	case a := <-o.asked:
		return a, true
	case <-ctx.Done():
		return nil, false
	}
}

// answer replies, now and whenever the command is sent again.
func (a *asked) answer(r *callv1.Reply) {
	r = proto.CloneOf(r)
	r.CommandId, r.LegId = a.c.GetId(), a.c.GetLegId()
	if r.GetCallId() == "" {
		r.CallId = a.callID
	}
	a.mu.Lock()
	a.reply = r
	waiting := a.waiting
	a.waiting = nil
	a.mu.Unlock()
	for _, respond := range waiting {
		respond(r)
	}
}

// ok replies that the transition is committed.
func (a *asked) ok(state callv1.LegState) {
	r := &callv1.Reply{LegState: state, MediaNode: mediaNode}
	if state == callv1.LegState_LEG_STATE_ENDED {
		r.Reason = callv1.Reason_REASON_NORMAL
	}
	a.answer(r)
}

// okWith replies that the terminal's offer in an answered call is taken.
func (a *asked) okWith(sdp string) {
	a.answer(&callv1.Reply{LegState: callv1.LegState_LEG_STATE_ESTABLISHED, MediaNode: mediaNode, Sdp: sdp})
}

// carryOut replies what an owner that carries everything out would.
func (a *asked) carryOut() {
	switch a.c.GetBody().(type) {
	case *callv1.Command_Offer:
		a.ok(callv1.LegState_LEG_STATE_OFFERED)
	case *callv1.Command_Ringing:
		a.ok(callv1.LegState_LEG_STATE_RINGING)
	case *callv1.Command_Answer:
		a.ok(callv1.LegState_LEG_STATE_ANSWERED)
	case *callv1.Command_Pull, *callv1.Command_Reoffer:
		a.okWith(SDP("the answer"))
	case *callv1.Command_Push, *callv1.Command_RefuseReoffer:
		a.ok(callv1.LegState_LEG_STATE_ESTABLISHED)
	default:
		a.ok(callv1.LegState_LEG_STATE_ENDED)
	}
}

// refuse replies with a code.
func (a *asked) refuse(code callv1.Code) {
	a.answer(&callv1.Reply{Error: &callv1.Error{Code: code, Message: "the test refuses"}})
}

// kind is what the command asks, in a harness's terms.
func (a *asked) kind() string {
	switch a.c.GetBody().(type) {
	case *callv1.Command_Offer:
		return "offer"
	case *callv1.Command_Ringing:
		return "ringing"
	case *callv1.Command_Answer:
		return "answer"
	case *callv1.Command_HangUp:
		return "hang-up"
	case *callv1.Command_LegFailed:
		return "leg-failed"
	case *callv1.Command_Pull:
		return "pull"
	case *callv1.Command_Reoffer:
		return "re-offer"
	case *callv1.Command_Push:
		return "push"
	case *callv1.Command_RefuseReoffer:
		return "refuse re-offer"
	}
	return "another command"
}
