package step

import (
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// planOffer has the media node take the caller's offer and make one for each
// terminal that will ring.
func planOffer(in Input) []*callv1.MediaOp {
	targets := ringable(in)
	if in.RedirectTo != nil || in.Callee == nil || len(targets) == 0 && !in.Wakes || in.MediaNode == "" {
		return nil
	}
	o := in.Command.GetOffer()
	first := schema.LegID(in.Command.GetCallId(), 1)
	ops := make([]*callv1.MediaOp, 0, len(targets)+1)
	ops = append(ops, takeOffer(first, firstRevision, o.GetSdp(), o.GetTerminal()))
	for i, target := range targets {
		id := schema.LegID(in.Command.GetCallId(), uint32(i)+2) //nolint:gosec // bounded by Forks
		ops = append(ops, makeOffer(id, firstRevision, first, target))
	}
	return ops
}

func makeOffer(legID string, revision uint32, fromLegID string, target *callv1.Terminal) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: legID, Revision: revision, Op: &callv1.MediaOp_MakeOffer{
		MakeOffer: &callv1.MakeOffer{FromLegId: fromLegID, Features: target.GetFeatures()},
	}}
}

// ringable are the terminals that an Offer rings: the called subscriber's, not
// the one that calls or one that another goes on from, and of more than Forks those that came last: the oldest
// are the likeliest to be dead.
func ringable(in Input) []*callv1.Terminal {
	var out []*callv1.Terminal
	for _, target := range in.Targets {
		if target.GetRings() && target.GetId() != in.Command.GetOffer().GetTerminal().GetId() && !isFormer(target, in.Targets) {
			out = append(out, target)
		}
	}
	return out[max(0, len(out)-in.Settings.Forks):]
}

// placeCall makes the call, or a record of why it could not be made.
func placeCall(t *txn) {
	in, o := t.in, t.in.Command.GetOffer()
	t.call = &callv1.CallRecord{
		Id: in.Command.GetCallId(), State: alerting,
		Caller: o.GetCaller(), Callee: in.Callee, Dialled: o.GetTo(), Headers: o.GetHeaders(),
		MediaNode: in.MediaNode, CreatedAt: t.at,
	}
	t.leg = t.addLeg(in.Command.GetLegId(), callv1.Side_SIDE_CALLER, o.GetTerminal())
	t.leg.Ref = o.GetRef()
	t.decide()
	t.heard("offer", "to "+o.GetTo())

	targets := ringable(in)
	switch {
	case in.RedirectTo != nil:
		t.redirect()
		return
	case in.Callee == nil:
		t.cannotPlace(callv1.Code_CODE_NOT_FOUND, callv1.Reason_REASON_NOT_FOUND, "nobody has this address")
		return
	case len(targets) == 0 && !in.Wakes:
		t.cannotPlace(callv1.Code_CODE_GONE, callv1.Reason_REASON_UNREACHABLE, "no terminal is signed in")
		return
	case in.MediaNode == "":
		t.cannotPlace(callv1.Code_CODE_OVERLOAD, callv1.Reason_REASON_OVERLOAD, "no media node")
		return
	}
	if bad := failed(in.Media, t.leg.GetId()); bad != nil {
		t.cannotPlace(bad.GetCode(), reasonOf(bad.GetCode()), "the caller's offer: "+bad.GetMessage())
		return
	}
	_, t.leg.Skeleton = described(in.Media, t.leg.GetId())
	t.after = append(t.after, keep(t.leg.GetId()))
	var why *callv1.Error
	for i, target := range targets {
		legID := schema.LegID(t.call.GetId(), uint32(i)+2) //nolint:gosec // bounded by Forks
		if bad := failed(in.Media, legID); bad != nil {
			why = bad
			continue
		}
		t.ring(legID, callv1.Side_SIDE_CALLEE, target, o.GetTo(), "incoming")
	}
	if len(targets) == 0 {
		t.note(tandem, in.Callee.GetSubscriber(), "wake", "", "nobody is signed in")
		t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_WAKE, "", in.Settings.Wake)
	} else if len(t.liveOn(callv1.Side_SIDE_CALLEE)) == 0 {
		t.cannotPlace(why.GetCode(), reasonOf(why.GetCode()), "offers for the called terminals: "+why.GetMessage())
		return
	}
	t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_ANSWER, "", in.Settings.Ring)
}

// ring adds a leg for a terminal and offers it the call: as the side's first, or,
// in an answered call, as a candidate. The other party calls it, whoever placed
// the call.
func (t *txn) ring(legID string, side callv1.Side, target *callv1.Terminal, dialled, what string) {
	l := t.addLeg(legID, side, target)
	if t.in.Call != nil {
		l.MediaRevision = freshRevision(t.in, legID)
		l.TransportRevision = l.GetMediaRevision()
	}
	sdp, skeleton := described(t.in.Media, legID)
	l.Skeleton = skeleton
	t.after = append(t.after, keep(legID))
	i := &callv1.Incoming{Sdp: sdp, Caller: partyOf(t.call, across(side)), Dialled: dialled}
	if side == callv1.Side_SIDE_CALLEE {
		i.Headers = t.call.GetHeaders()
	}
	t.emit(l, &callv1.Event{Body: &callv1.Event_Incoming{Incoming: i}}, what, "")
}

// cannotPlace refuses the offer and keeps a record of the attempt.
func (t *txn) cannotPlace(code callv1.Code, reason callv1.Reason, why string) {
	t.refuse(code, "%s", why)
	t.note(tandem, label(t.leg), "refused", t.leg.GetId(), reasonName(reason)+": "+why)
	t.endCall(reason)
}

// redirect records that another call took the leg (glare).
func (t *txn) redirect() {
	winner := t.in.RedirectTo
	t.call.State = redirected
	t.call.RedirectCallId = winner.GetCallId()
	t.note(tandem, label(t.leg), "redirect", t.leg.GetId(), "both called each other; joined to call "+winner.GetCallId())
	r := t.reply
	r.CallId, r.LegId, r.LegState = winner.GetCallId(), winner.GetLegId(), winner.GetLegState()
	r.MediaNode = winner.GetMediaNode()
}

// addLeg adds a leg. Its ordinal is the one in its id, but for a leg that was made
// for another call: that takes the next one.
func (t *txn) addLeg(id string, side callv1.Side, terminal *callv1.Terminal) *callv1.Leg {
	ordinal, own := ordinalIn(t.call.GetId(), id)
	if !own {
		ordinal = nextOrdinal(t.call)
	}
	l := &callv1.Leg{
		Id: id, Ordinal: ordinal, Side: side, State: callv1.LegState_LEG_STATE_OFFERED,
		Terminal: terminal, NextEvent: 1, MediaRevision: firstRevision, TransportRevision: firstRevision, CreatedAt: t.at,
	}
	t.call.Legs = append(t.call.Legs, l)
	return l
}
