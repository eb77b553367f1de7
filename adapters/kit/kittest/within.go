package kittest

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// with gives a client or call as one that has an ability.
func with[I any](k *rig, v any, a Ability) I {
	k.t.Helper()
	i, ok := v.(I)
	if !ok {
		k.t.Fatalf("the harness's %T does not have the ability %q, and Protocol.Cannot does not say why", v, a)
	}
	return i
}

// status shows the line's call to a terminal that is not in it, or takes that back.
func (l *line) status(t *callv1.Terminal, version uint64, inCall bool) (*callv1.EventAck, error) {
	return l.to(t).send(l.statusEvent(t, version, inCall))
}

func (l *line) statusEvent(t *callv1.Terminal, version uint64, inCall bool) *callv1.Event {
	e := &callv1.Event{
		CallId: l.callID, LegId: l.callID, Number: version, TerminalId: t.GetId(), Subscriber: t.GetSubscriber(),
		At: timestamppb.Now(), Body: &callv1.Event_Idle{Idle: &callv1.Idle{}},
	}
	if inCall {
		e.Body = &callv1.Event_InCall{InCall: &callv1.InCall{Peer: Carol.party(false), Since: timestamppb.Now()}}
	}
	return e
}

// to is the line as it is addressed to another terminal.
func (l *line) to(t *callv1.Terminal) *line {
	return &line{k: l.k, callID: l.callID, legID: l.legID, who: l.who, term: t}
}

// shows waits for the next status that a terminal hears.
func (k *rig) shows(c Client) Status {
	k.t.Helper()
	s, err := with[StatusHearer](k, c, ShowsCalls).NextStatus(k.ctx())
	if err != nil {
		k.t.Fatalf("nothing was heard of calls at other terminals: %v", err)
	}
	return s
}

// wantsStatus requires the next status that a terminal hears.
func (k *rig) wantsStatus(c Client, inCall bool) Status {
	k.t.Helper()
	s := k.shows(c)
	if s.InCall != inCall {
		k.t.Fatalf("heard %+v, want a call: %v", s, inCall)
	}
	return s
}

// noStatus requires that nothing is heard of calls at other terminals for a while.
func (k *rig) noStatus(c Client, why string) {
	k.t.Helper()
	ctx, cancel := contextFor(k, quiet)
	defer cancel()
	if s, err := with[StatusHearer](k, c, ShowsCalls).NextStatus(ctx); err == nil {
		k.t.Errorf("heard %+v %s; want nothing", s, why)
	} else if ctx.Err() == nil {
		k.t.Errorf("the connection broke %s: %v", why, err)
	}
}

// shown has a call of its subscriber be shown to a terminal.
func (k *rig) shown(c Client, t *callv1.Terminal, who Account, version uint64) (*line, Status) {
	k.t.Helper()
	l := k.calling(t, who)
	l.accepted(l.status(t, version, true))
	return l, k.wantsStatus(c, true)
}

// pull has a terminal ask for the call that it was shown.
func (k *rig) pull(c Client, name string) (Call, *asked) {
	k.t.Helper()
	call := k.pulls(c, name, SDP("the puller's offer"))
	return call, k.asked("pull")
}

func (k *rig) pulls(c Client, name, sdp string) Call {
	k.t.Helper()
	call, err := with[Puller](k, c, Pulls).Pull(k.ctx(), name, sdp)
	if err != nil {
		k.t.Fatalf("pull: %v", err)
	}
	return call
}

// pulled has a terminal take over a call that it is shown.
func (k *rig) pulled(c Client, t *callv1.Terminal, who Account) *line {
	k.t.Helper()
	l, s := k.shown(c, t, who, 5)
	call, a := k.pull(c, s.Call)
	a.okWith(SDP("the answer"))
	if heard := k.expects(call, Answered); !same(heard.SDP, "the answer") {
		k.t.Errorf("the answer's description is not the one that was sent:\n%s", heard.SDP)
	}
	l.call, l.legID, l.ref = call, a.c.GetLegId(), a.c.GetPull().GetRef()
	return l
}

// ask has the terminal make a request within its call.
func (l *line) ask(op Op) {
	l.k.t.Helper()
	var err error
	switch op {
	case OpReoffer:
		err = with[Reofferer](l.k, l.call, Reoffers).Reoffer(l.k.ctx(), SDP("the terminal's new offer"))
	case OpAnswerReoffer:
		err = with[ReofferTaker](l.k, l.call, TakesReoffers).AnswerReoffer(l.k.ctx(), SDP("the answer to the new offer"))
	case OpRefuseReoffer:
		err = with[ReofferRefuser](l.k, l.call, RefusesReoffers).RefuseReoffer(l.k.ctx())
	case OpPush:
		err = with[Pusher](l.k, l.call, Pushes).Push(l.k.ctx())
	}
	if err != nil {
		l.k.t.Fatalf("%s: %v", op, err)
	}
}

// of requires that a command is about the line's leg, by its subscriber.
func (l *line) of(a *asked) *asked {
	l.k.t.Helper()
	if a.c.GetLegId() != l.legID || a.c.GetPrincipal() != l.who.Subscriber {
		l.k.t.Errorf("%s of leg %s by %q, want %s by %q",
			a.kind(), a.c.GetLegId(), a.c.GetPrincipal(), l.legID, l.who.Subscriber)
	}
	return a
}

// reoffered has the terminal be offered anew.
func (l *line) reoffered() {
	l.k.t.Helper()
	l.accepted(l.send(&callv1.Event_Reoffer{Reoffer: &callv1.Reoffer{Sdp: SDP("the new offer")}}))
	if heard := l.k.expects(l.call, Reoffered); !same(heard.SDP, "the new offer") {
		l.k.t.Errorf("the new offer's description is not the one that was sent:\n%s", heard.SDP)
	}
}

// goesOn requires that the call is still there, by its end.
func (l *line) goesOn() {
	l.k.t.Helper()
	l.k.silent(l.call, "of a call that goes on")
	l.k.notAsked()
	l.ends(callv1.Reason_REASON_NORMAL)
}

// moved requires that a call says that it goes on elsewhere, as was asked for.
func (k *rig) moved(c Call) {
	k.t.Helper()
	switch heard := k.says(c); {
	case heard.What == Transferred:
	case heard.What == Ended && heard.Reason == k.h.Protocol.shows(callv1.Reason_REASON_TRANSFERRED):
	default:
		k.t.Errorf("heard %+v, want that the call was transferred", heard)
	}
}
