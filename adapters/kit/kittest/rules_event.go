package kittest

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// eventRules: canonical to wire.
var eventRules = []behaviour{
	{name: "events come in order and exactly once", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob)
		for _, step := range []struct {
			body any
			what What
			can  bool
		}{
			{alerting(), Alerting, k.can(HearsAlerting)},
			{answeredWith(SDP("the answer")), Answered, true},
			{&callv1.Event_Established{Established: &callv1.Established{}}, Established, k.can(HearsEstablished)},
			{ended(callv1.Reason_REASON_NORMAL), Ended, true},
		} {
			e := l.event(step.body)
			l.accepted(l.send(e))
			if step.can {
				if heard := k.wants(l.call, step.what); step.what == Answered && !same(heard.SDP, "the answer") {
					k.t.Errorf("the answer's description is not the one that was sent:\n%s", heard.SDP)
				}
			}
			l.accepted(l.send(e)) // the acknowledgement was lost
		}
		k.silent(l.call, "after its end")
	}},
	{name: "an event that was overtaken is not shown", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob)
		first, second := l.event(alerting()), l.event(answeredWith(SDP("the answer")))
		l.accepted(l.send(second))
		k.wants(l.call, Answered)
		l.accepted(l.send(first))
		k.silent(l.call, "when a late event came")
		l.ends(callv1.Reason_REASON_NORMAL)
	}},
	{name: "alerting is told once", needs: []Ability{HearsAlerting}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob)
		l.accepted(l.send(alerting()))
		k.wants(l.call, Alerting)
		l.accepted(l.send(alerting())) // after a restart of its owner
		k.silent(l.call, "when the other side went on alerting")
	}},
	{name: "no event comes before the acknowledgement", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		call, a := k.dialling(alice, Bob)
		l := k.lineOf(call, a, t, Alice)
		acks := l.sendAll(l.event(alerting()), l.event(answeredWith(SDP("the answer"))))
		k.silent(call, "before the acknowledgement")
		a.ok(callv1.LegState_LEG_STATE_OFFERED)
		k.acked(call)
		if k.can(HearsAlerting) {
			k.wants(call, Alerting)
		}
		k.wants(call, Answered)
		acks()
		l.ends(callv1.Reason_REASON_NORMAL)
	}},
	{name: "no event comes before the acknowledgement of an answer", run: func(k *rig) {
		bob, t := k.signIn(Bob)
		l := k.incoming(bob, t, Bob, Alice)
		l.do(OpAnswer)
		a := k.asked("answer")
		acks := l.sendAll(l.event(&callv1.Event_Established{Established: &callv1.Established{}}),
			l.event(ended(callv1.Reason_REASON_NORMAL)))
		k.silent(l.call, "before the acknowledgement")
		a.ok(callv1.LegState_LEG_STATE_ANSWERED)
		k.acked(l.call)
		if heard := k.hears(l.call); heard.What != Ended || k.can(HearsEstablished) {
			for ; heard.What == Accepted; heard = k.hears(l.call) {
			}
			if heard.What == Established {
				heard = k.hears(l.call)
			}
			if heard.What != Ended {
				k.t.Errorf("heard %+v, want the end", heard)
			}
		}
		acks()
	}},
	{name: "an event is for its terminal alone", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		other, others := k.signIn(Alice) // the same subscriber's
		bob, bobs := k.signIn(Bob)
		one := k.place(alice, t, Alice, Carol)
		two := k.place(other, others, Alice, Carol)
		three := k.place(bob, bobs, Bob, Carol)
		one.answered()
		k.silent(two.call, "when another terminal's call was answered")
		k.silent(three.call, "when another subscriber's call was answered")
		three.ends(callv1.Reason_REASON_DECLINED)
		k.silent(one.call, "when another subscriber's call ended")
		two.ends(callv1.Reason_REASON_BUSY)
		one.ends(callv1.Reason_REASON_NORMAL)
	}},
	{name: "a call rings at its terminal alone", needs: []Ability{OwnTerminals}, run: func(k *rig) {
		bob, t := k.signIn(Bob)
		other, others := k.signIn(Bob)
		l := k.incoming(bob, t, Bob, Alice)
		m := k.incoming(other, others, Bob, Carol)
		l.do(OpAnswer)
		if a := k.asked("answer"); a.c.GetLegId() != l.legID {
			k.t.Errorf("leg %s was answered, want %s", a.c.GetLegId(), l.legID)
		} else {
			a.ok(callv1.LegState_LEG_STATE_ANSWERED)
		}
		k.acked(l.call)
		m.ends(callv1.Reason_REASON_CANCELLED)
		l.over()
	}},
	{name: "an event for another's terminal is not delivered", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob)
		e := l.event(answeredWith(SDP("the answer")))
		e.LegId, e.Subscriber = k.calling(t, Bob).legID, Bob.Subscriber
		if ack, err := l.send(e); err != nil || ack.GetError().GetCode() != callv1.Code_CODE_GONE {
			k.t.Errorf("the event was answered with %v, %v; want CODE_GONE", ack, err)
		}
		k.silent(l.call, "of another subscriber's")
	}},
	{name: "an event for a terminal that is not here is refused as gone", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		l := k.place(alice, t, Alice, Bob)
		gone := k.calling(&callv1.Terminal{Id: "never-was", Kind: t.GetKind(), Node: t.GetNode()}, Alice)
		for _, e := range []*callv1.Event{gone.invite(Bob), gone.event(&callv1.Event_Probe{Probe: &callv1.Probe{}})} {
			if ack, err := gone.send(e); err != nil || ack.GetError().GetCode() != callv1.Code_CODE_GONE {
				k.t.Errorf("the event was answered with %v, %v; want CODE_GONE", ack, err)
			}
		}
		probe := l.event(&callv1.Event_Probe{Probe: &callv1.Probe{}})
		probe.Number = 0
		l.accepted(l.send(probe))
		k.silent(l.call, "when its terminal was probed")
	}},
}

// sendAll sends events side by side with what follows; the func it returns
// requires that they were acknowledged.
func (l *line) sendAll(events ...*callv1.Event) (acks func()) {
	type answer struct {
		ack *callv1.EventAck
		err error
	}
	answers := make(chan answer, len(events))
	go func() { // one after the other, as an owner does
		for _, e := range events {
			ack, err := l.send(e)
			for err == nil && ack.GetError().GetCode() == callv1.Code_CODE_RETRY {
				ack, err = l.send(e)
			}
			answers <- answer{ack, err}
		}
	}()
	return func() {
		l.k.t.Helper()
		for range events {
			a := <-answers
			l.accepted(a.ack, a.err)
		}
	}
}
