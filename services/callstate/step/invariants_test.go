package step_test

import (
	"fmt"
	"testing"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// checkInvariants holds for every record at every time.
func checkInvariants(t *testing.T, c *callv1.CallRecord) {
	t.Helper()
	for _, wrong := range violations(c) {
		t.Error(wrong)
	}
}

// violations says what is wrong with a record.
func violations(c *callv1.CallRecord) []string {
	v := &violation{c: c}
	v.legs()
	v.events()
	v.deadlines()
	v.state()
	return v.found
}

type violation struct {
	c     *callv1.CallRecord
	found []string
}

func (v *violation) add(format string, args ...any) {
	v.found = append(v.found, fmt.Sprintf(format, args...))
}

func (v *violation) legs() {
	seen := map[string]bool{}
	for _, l := range v.c.GetLegs() {
		if seen[l.GetId()] {
			v.add("two legs %s", l.GetId())
		}
		seen[l.GetId()] = true
		switch ended := l.GetState() == callv1.LegState_LEG_STATE_ENDED; {
		case ended && (l.GetReason() == callv1.Reason_REASON_UNSPECIFIED || l.GetEndedAt() == nil):
			v.add("leg %d ended without a reason or time", l.GetOrdinal())
		case ended && (l.GetLost() || l.GetOfferOut() != 0 || l.GetOfferDue()):
			v.add("leg %d has ended and waits for something", l.GetOrdinal())
		case l.GetOfferOut() != 0 && l.GetOfferOut() != l.GetMediaRevision() || l.GetTransportRevision() > l.GetMediaRevision():
			v.add("leg %d: revisions %v", l.GetOrdinal(), l)
		case l.GetOfferHops() > 2:
			v.add("leg %d: the %dth re-offer of one change", l.GetOrdinal(), l.GetOfferHops())
		}
	}
	if len(v.c.GetDone()) > 8 {
		v.add("%d commands remembered", len(v.c.GetDone()))
	}
}

func (v *violation) events() {
	numbers := map[string]uint64{}
	for _, e := range v.c.GetPendingEvents() {
		if e.GetNumber() <= numbers[e.GetLegId()] {
			v.add("event %d of leg %s after %d", e.GetNumber(), e.GetLegId(), numbers[e.GetLegId()])
		}
		numbers[e.GetLegId()] = e.GetNumber()
	}
	for _, l := range v.c.GetLegs() {
		if numbers[l.GetId()] >= l.GetNextEvent() {
			v.add("leg %s would use event number %d again", l.GetId(), l.GetNextEvent())
		}
	}
}

// deadlines: each is once there, of something that is there, and what needs one
// has one.
func (v *violation) deadlines() {
	type name struct {
		kind callv1.DeadlineKind
		leg  string
	}
	there := map[name]bool{}
	legs := map[string]*callv1.Leg{}
	for _, l := range v.c.GetLegs() {
		legs[l.GetId()] = l
	}
	for _, d := range v.c.GetDeadlines() {
		n := name{d.GetKind(), d.GetLegId()}
		l := legs[d.GetLegId()]
		if there[n] {
			v.add("two deadlines %v", n)
		}
		there[n] = true
		switch {
		case d.GetLegId() != "" && (l == nil || l.GetState() == callv1.LegState_LEG_STATE_ENDED):
			v.add("deadline %v of a leg that is not there", n)
		case n.kind == kindLost && l != nil && !l.GetLost(),
			n.kind == kindReoffer && l.GetOfferOut() == 0 && !l.GetOfferDue(),
			n.kind == kindPush && v.c.GetPushLegId() != n.leg,
			n.kind == kindMedia && l != nil && l.GetMediaConnected():
			v.add("deadline %v for nothing", n)
		}
	}
	for id, l := range legs {
		switch {
		case l.GetState() == callv1.LegState_LEG_STATE_ENDED:
		case l.GetLost() && !there[name{kindLost, id}] && v.c.GetPushLegId() != id:
			v.add("leg %d is lost without a deadline", l.GetOrdinal())
		case l.GetOfferOut() != 0 && !there[name{kindReoffer, id}]:
			v.add("leg %d has an offer out without a deadline", l.GetOrdinal())
		case isIn(l) && !l.GetMediaConnected() && !l.GetLost() && !there[name{kindMedia, id}] && !there[name{kindMedia, ""}]:
			v.add("leg %d waits for media without a deadline", l.GetOrdinal())
		}
	}
	if p := v.c.GetPushLegId(); p != "" && (!isIn(legs[p]) || !there[name{kindPush, p}]) {
		v.add("a push of %v without a deadline", legs[p])
	}
}

func isIn(l *callv1.Leg) bool {
	return l.GetState() == callv1.LegState_LEG_STATE_ANSWERED || l.GetState() == callv1.LegState_LEG_STATE_ESTABLISHED
}

func (v *violation) state() {
	live, in := map[callv1.Side]int{}, map[callv1.Side]int{}
	for _, l := range v.c.GetLegs() {
		if l.GetState() != callv1.LegState_LEG_STATE_ENDED {
			live[l.GetSide()]++
		}
		if isIn(l) {
			in[l.GetSide()]++
		}
	}
	switch v.c.GetState() {
	case callv1.CallState_CALL_STATE_ANSWERED, callv1.CallState_CALL_STATE_ESTABLISHED:
		if in[callv1.Side_SIDE_CALLER] != 1 || in[callv1.Side_SIDE_CALLEE] != 1 {
			v.add("an answered call has %d calling and %d called legs",
				in[callv1.Side_SIDE_CALLER], in[callv1.Side_SIDE_CALLEE])
		}
	case callv1.CallState_CALL_STATE_RINGING:
		if live[callv1.Side_SIDE_CALLER] != 1 || len(in) > 0 {
			v.add("a ringing call has %d calling legs, and %d that answered", live[callv1.Side_SIDE_CALLER], len(in))
		}
		if !has(v.c, callv1.DeadlineKind_DEADLINE_KIND_ANSWER) || v.c.GetPushLegId() != "" {
			v.add("a ringing call has deadlines %v, push %q", v.c.GetDeadlines(), v.c.GetPushLegId())
		}
	case callv1.CallState_CALL_STATE_ENDED:
		if len(live) > 0 || len(v.c.GetDeadlines()) > 0 || v.c.GetReason() == callv1.Reason_REASON_UNSPECIFIED || v.c.GetPushLegId() != "" {
			v.add("an ended call has live legs %v, deadlines %v, reason %v", live, v.c.GetDeadlines(), v.c.GetReason())
		}
	}
}

func has(c *callv1.CallRecord, k callv1.DeadlineKind) bool {
	for _, d := range c.GetDeadlines() {
		if d.GetKind() == k {
			return true
		}
	}
	return false
}
