package kittest

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// eventTimeout is how long the owner waits for an event's acknowledgement, which
// is more than a Deliver may take.
const eventTimeout = 4 * time.Second

// line is one leg between a terminal and the scripted owner.
type line struct {
	k      *rig
	call   Call // the terminal's end
	callID string
	legID  string
	ref    string
	who    Account
	term   *callv1.Terminal
	number uint64
}

// place has a terminal place a call, and the owner commit it.
func (k *rig) place(c Client, t *callv1.Terminal, who, to Account) *line {
	k.t.Helper()
	call, a := k.dialling(c, to)
	a.ok(callv1.LegState_LEG_STATE_OFFERED)
	k.acked(call)
	return k.lineOf(call, a, t, who)
}

// dialling has a terminal place a call that the owner has not answered yet.
func (k *rig) dialling(c Client, to Account) (Call, *asked) {
	k.t.Helper()
	call, err := c.Call(k.ctx(), to, SDP("the caller's offer"))
	if err != nil {
		k.t.Fatalf("call: %v", err)
	}
	return call, k.asked("offer")
}

func (k *rig) lineOf(call Call, a *asked, t *callv1.Terminal, who Account) *line {
	return &line{
		k: k, call: call, callID: a.callID, legID: a.c.GetLegId(), ref: a.c.GetOffer().GetRef(), who: who, term: t,
	}
}

// incoming has a call ring at a terminal.
func (k *rig) incoming(c Client, t *callv1.Terminal, who, from Account) *line {
	k.t.Helper()
	l := k.calling(t, who)
	l.accepted(l.send(l.invite(from)))
	call, err := c.Incoming(k.ctx())
	if err != nil {
		k.t.Fatalf("no incoming call: %v", err)
	}
	if !same(call.SDP(), "the offer to the called") {
		k.t.Errorf("the incoming call's description is not the one that was sent:\n%s", call.SDP())
	}
	l.call = call
	return l
}

// calling makes the leg of a call to a terminal that has not been told yet.
func (k *rig) calling(t *callv1.Terminal, who Account) *line {
	callID := k.key.NewCallID("another", "elsewhere")
	return &line{k: k, callID: callID, legID: schema.LegID(callID, 2), who: who, term: t}
}

// answered has a terminal's call be answered and established.
func (l *line) answered() *line {
	l.k.t.Helper()
	l.accepted(l.send(&callv1.Event_Answered{Answered: &callv1.Answered{Sdp: SDP("the answer"), Callee: Bob.party(false)}}))
	l.k.wants(l.call, Answered)
	l.accepted(l.send(&callv1.Event_Established{Established: &callv1.Established{}}))
	if l.k.can(HearsEstablished) {
		l.k.wants(l.call, Established)
	}
	return l
}

// takes has a called terminal answer, and the owner commit it.
func (l *line) takes() *line {
	l.k.t.Helper()
	l.do(OpAnswer)
	l.k.asked("answer").ok(callv1.LegState_LEG_STATE_ANSWERED)
	l.k.acked(l.call)
	if l.k.h.Protocol.TellsAccepted {
		l.k.wants(l.call, Accepted)
	}
	return l
}

// do has the terminal make a request.
func (l *line) do(op Op) {
	l.k.t.Helper()
	var err error
	switch op {
	case OpRing:
		err = l.call.Ring(l.k.ctx())
	case OpAnswer:
		err = l.call.Answer(l.k.ctx(), SDP("the called's answer"))
	case OpReject:
		err = l.call.Reject(l.k.ctx(), callv1.Reason_REASON_DECLINED)
	case OpHangUp:
		err = l.call.HangUp(l.k.ctx())
	}
	if err != nil {
		l.k.t.Fatalf("%s: %v", op, err)
	}
}

// invite is the event of a call that arrives.
func (l *line) invite(from Account) *callv1.Event {
	return l.event(&callv1.Event_Incoming{Incoming: &callv1.Incoming{
		Sdp: SDP("the offer to the called"), Caller: from.party(false), Dialled: "sip:" + l.who.AOR,
	}})
}

// event numbers and completes an event.
func (l *line) event(body any) *callv1.Event {
	l.number++
	e := &callv1.Event{
		CallId: l.callID, LegId: l.legID, Number: l.number, Ref: l.ref, TerminalId: l.term.GetId(),
		At: timestamppb.Now(), MediaNode: mediaNode, Subscriber: l.who.Subscriber,
	}
	switch b := body.(type) {
	case *callv1.Event_Incoming:
		e.Body = b
	case *callv1.Event_Alerting:
		e.Body = b
	case *callv1.Event_Answered:
		e.Body = b
	case *callv1.Event_Established:
		e.Body = b
	case *callv1.Event_Ended:
		e.Body = b
	case *callv1.Event_Probe:
		e.Body = b
	case *callv1.Event_Reoffer:
		e.Body = b
	case *callv1.Event_PushFailed:
		e.Body = b
	}
	return e
}

// send sends an event, or a body as the next event, once, as an owner does.
func (l *line) send(body any) (*callv1.EventAck, error) {
	e, ok := body.(*callv1.Event)
	if !ok {
		e = l.event(body)
	}
	ctx, cancel := context.WithTimeout(l.k.t.Context(), eventTimeout)
	defer cancel()
	return l.k.owner.bus.Event(ctx, l.term.GetKind(), l.term.GetNode(), e)
}

// accepted requires that an event was acknowledged.
func (l *line) accepted(ack *callv1.EventAck, err error) {
	l.k.t.Helper()
	switch {
	case err != nil:
		l.k.t.Fatalf("an event was not answered: %v", err)
	case ack.GetError() != nil:
		l.k.t.Fatalf("an event was refused: %v", ack.GetError())
	}
}

func alerting() *callv1.Event_Alerting {
	return &callv1.Event_Alerting{Alerting: &callv1.Alerting{}}
}

func ended(why callv1.Reason) *callv1.Event_Ended {
	return &callv1.Event_Ended{Ended: &callv1.Ended{Reason: why, Peer: Bob.party(false)}}
}

func answeredWith(sdp string) *callv1.Event_Answered {
	return &callv1.Event_Answered{Answered: &callv1.Answered{Sdp: sdp, Callee: Bob.party(false)}}
}

// ends has the owner end the leg, and requires that the terminal hears why.
func (l *line) ends(why callv1.Reason) {
	l.k.t.Helper()
	l.accepted(l.send(ended(why)))
	heard := l.k.wants(l.call, Ended)
	if want := l.k.h.Protocol.shows(why); heard.Reason != want {
		l.k.t.Errorf("%s was heard as %s, want %s", why, heard.Reason, want)
	}
}

// over requires that the leg can do no more, and lets nothing be heard.
func (l *line) over() {
	l.k.t.Helper()
	l.accepted(l.send(ended(callv1.Reason_REASON_NORMAL)))
}

func (p Protocol) shows(r callv1.Reason) callv1.Reason {
	if p.Shows == nil {
		return r
	}
	return p.Shows(r)
}

func (p Protocol) refusal(op Op, code callv1.Code) Heard {
	if p.Refusal == nil {
		return Heard{What: Refused, Op: op, Code: code}
	}
	return p.Refusal(op, code)
}

// refused requires that a request's refusal is heard as the protocol says it.
func (l *line) refused(op Op, code callv1.Code) {
	l.k.t.Helper()
	want := l.k.h.Protocol.refusal(op, code)
	if want.What == "" {
		l.k.silent(l.call, "after a refusal that the wire cannot say")
		return
	}
	heard := l.k.hears(l.call)
	if want.What == Ended && heard.What == Acked { // the wire refuses by ending
		heard = l.k.hears(l.call)
	}
	if heard.What != want.What || heard.Code != want.Code || heard.Reason != want.Reason {
		l.k.t.Errorf("%s refused with %s was heard as %+v, want %+v", op, code, heard, want)
	}
}
