package schema

import callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"

func (v validator) mediaCommand(c *callv1.MediaCommand) *Error {
	if c == nil {
		return Invalid("", "no media command")
	}
	if e := firstOf(
		checkName("id", c.GetId()),
		checkCallID("call_id", c.GetCallId()),
	); e != nil {
		return e
	}
	if len(c.GetOps()) == 0 {
		return Invalid("ops", "missing")
	}
	if len(c.GetOps()) > v.Ops {
		return Invalid("ops", "more than %d", v.Ops)
	}
	for i, op := range c.GetOps() {
		if e := v.mediaOp(op); e != nil {
			return e.at("ops", i)
		}
	}
	return nil
}

func (v validator) mediaOp(op *callv1.MediaOp) *Error {
	if e := checkLegID("leg_id", op.GetLegId()); e != nil {
		return e
	}
	switch b := op.GetOp().(type) {
	case *callv1.MediaOp_TakeOffer:
		return firstOf(checkRevision("revision", op.GetRevision()), v.sdp("take_offer.sdp", b.TakeOffer.GetSdp()))
	case *callv1.MediaOp_TakeAnswer:
		return firstOf(checkRevision("revision", op.GetRevision()), v.sdp("take_answer.sdp", b.TakeAnswer.GetSdp()))
	case *callv1.MediaOp_MakeOffer:
		return firstOf(
			checkRevision("revision", op.GetRevision()),
			optional(b.MakeOffer.GetFromLegId(), "make_offer.from_leg_id", checkLegID),
		)
	case *callv1.MediaOp_MakeAnswer:
		return firstOf(
			checkRevision("revision", op.GetRevision()),
			optional(b.MakeAnswer.GetPeerLegId(), "make_answer.peer_leg_id", checkLegID),
		)
	case *callv1.MediaOp_Withdraw:
		return checkRevision("revision", op.GetRevision())
	case *callv1.MediaOp_Bridge:
		return checkLegID("bridge.peer_leg_id", b.Bridge.GetPeerLegId())
	case *callv1.MediaOp_Release, *callv1.MediaOp_Keep, *callv1.MediaOp_Report:
		return nil
	}
	return noBody("op", op)
}
