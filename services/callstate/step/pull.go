package step

import (
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// authorisePull lets a terminal of a party take a call over. Who has no part in
// it learns nothing.
func authorisePull(in Input) *schema.Error {
	p := in.Command.GetPull().GetTerminal()
	if p.GetKind() != in.From.GetKind() || p.GetNode() != in.From.GetNode() {
		return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "the terminal is not the sender's")
	}
	if p.GetSubscriber() == "" || in.Command.GetPrincipal() != p.GetSubscriber() {
		return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "the terminal is not the principal's")
	}
	if in.Call == nil || sideOf(in.Call, p.GetSubscriber()) == callv1.Side_SIDE_UNSPECIFIED {
		return errNoCall
	}
	callID, ordinal, ok := schema.SplitLegID(in.Command.GetLegId())
	if !ok || callID != in.Command.GetCallId() || ordinal < schema.FirstPulled {
		return schema.Invalid("leg_id", "a pull speaks from a new leg of its call")
	}
	return nil
}

// refusePull says why a terminal that may pull cannot. A leg id that is taken is
// named as the field: the sender's host chose it, and may choose another.
func refusePull(in Input) *schema.Error {
	l, id := leg(in.Call, in.Command.GetLegId()), in.Command.GetPull().GetTerminal().GetId()
	switch {
	case l != nil && (l.GetTerminal().GetId() != id || l.GetLost()):
		e := schema.Errorf(callv1.Code_CODE_CONFLICT, "the leg is another's")
		e.Field = "leg_id"
		return e
	case l != nil && !live(l):
		return schema.Errorf(callv1.Code_CODE_ENDED, "the leg has ended")
	case speaks(in.Call, id):
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "the terminal is in this call")
	}
	return nil
}

// speaks reports whether a terminal has a live leg in a call that was not given up
// for it: after a pull of unknown outcome its host does that, and it may pull anew.
func speaks(c *callv1.CallRecord, terminalID string) bool {
	for _, l := range c.GetLegs() {
		if live(l) && !l.GetLost() && l.GetTerminal().GetId() == terminalID {
			return true
		}
	}
	return false
}

// planPull has the media node answer the terminal within what the other side has
// negotiated.
func planPull(in Input) []*callv1.MediaOp {
	if refusePull(in) != nil {
		return nil
	}
	p, id := in.Command.GetPull(), in.Command.GetLegId()
	far := active(in.Call, across(sideOf(in.Call, p.GetTerminal().GetSubscriber())))
	revision := freshRevision(in, id)
	return []*callv1.MediaOp{
		takeOffer(id, revision, p.GetSdp(), p.GetTerminal()),
		{LegId: id, Revision: revision, Op: &callv1.MediaOp_MakeAnswer{
			MakeAnswer: &callv1.MakeAnswer{PeerLegId: far.GetId()},
		}},
	}
}

func takeOffer(legID string, revision uint32, sdp string, by *callv1.Terminal) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: legID, Revision: revision, Op: &callv1.MediaOp_TakeOffer{
		TakeOffer: &callv1.TakeOffer{Sdp: sdp, Features: by.GetFeatures()},
	}}
}

// pullCall moves the call to the terminal that asks. Without usable media it
// stays where it was.
func pullCall(t *txn) {
	if err := refusePull(t.in); err != nil {
		t.reply.Error = err.Proto()
		return
	}
	if bad := anyFailed(t.in.Media); bad != nil {
		t.refuse(bad.GetCode(), "%s", bad.GetMessage())
		t.after = append(t.after, release(t.in.Command.GetLegId())) // it is in no record
		return
	}
	p, id := t.in.Command.GetPull(), t.in.Command.GetLegId()
	t.decide()
	l := t.addLeg(id, sideOf(t.in.Call, p.GetTerminal().GetSubscriber()), p.GetTerminal())
	l.Ref, l.MediaRevision = p.GetRef(), freshRevision(t.in, id)
	l.TransportRevision = l.GetMediaRevision()
	t.leg = l
	t.heard("pull", "")
	t.answerInReply(l)
	t.takePlace(l, false)
}

// answerInReply gives the terminal that offered the answer, in the reply.
func (t *txn) answerInReply(l *callv1.Leg) {
	sdp, skeleton := described(t.in.Media, l.GetId())
	t.reply.Sdp = sdp
	if skeleton != nil {
		t.reply.Skeleton, l.Skeleton = skeleton, skeleton
	}
}
