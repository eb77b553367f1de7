package schema

import callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"

func (v validator) command(c *callv1.Command) *Error {
	if c == nil {
		return Invalid("", "no command")
	}
	if e := firstOf(
		checkName("id", c.GetId()),
		checkCallID("call_id", c.GetCallId()),
		optional(c.GetLegId(), "leg_id", checkLegID),
		checkText("principal", c.GetPrincipal(), v.Subscriber),
		checkTime("sent_at", c.GetSentAt()),
	); e != nil {
		return e
	}
	switch b := c.GetBody().(type) {
	case *callv1.Command_Offer:
		// The leg follows from the call: the caller's first one.
		if l := c.GetLegId(); l != "" && l != LegID(c.GetCallId(), 1) {
			return Invalid("leg_id", "an offer comes from leg 1 of its call")
		}
		return v.offer(b.Offer).in("offer")
	case *callv1.Command_Ringing:
		if e := needsLeg(c); e != nil {
			return e
		}
		return v.optionalSDP("ringing.sdp", b.Ringing.GetSdp())
	case *callv1.Command_Answer:
		if e := needsLeg(c); e != nil {
			return e
		}
		return v.answer(b.Answer).in("answer")
	case *callv1.Command_HangUp:
		if e := needsLeg(c); e != nil {
			return e
		}
		return checkReason("hang_up.reason", b.HangUp.GetReason())
	case *callv1.Command_LegFailed:
		if e := needsLeg(c); e != nil {
			return e
		}
		return firstOf(
			checkReason("leg_failed.reason", b.LegFailed.GetReason()),
			checkFreeText("leg_failed.detail", b.LegFailed.GetDetail(), v.Detail),
		)
	case *callv1.Command_MediaConnected:
		if e := needsLeg(c); e != nil {
			return e
		}
		return checkRevision("media_connected.revision", b.MediaConnected.GetRevision())
	case *callv1.Command_MediaFailed:
		if e := needsLeg(c); e != nil {
			return e
		}
		return firstOf(
			checkRevision("media_failed.revision", b.MediaFailed.GetRevision()),
			checkFreeText("media_failed.detail", b.MediaFailed.GetDetail(), v.Detail),
		)
	case *callv1.Command_Pull:
		// Both ids are canonical; the ordinal is the last four digits.
		if l := c.GetLegId(); l == "" || l[:32] != c.GetCallId()[:32] || l[32] < '8' {
			return Invalid("leg_id", "a pull comes from a new leg of the call")
		}
		return v.pull(b.Pull).in("pull")
	case *callv1.Command_Reoffer:
		if e := needsLeg(c); e != nil {
			return e
		}
		return v.sdp("reoffer.sdp", b.Reoffer.GetSdp())
	case *callv1.Command_Push, *callv1.Command_RefuseReoffer:
		return needsLeg(c)
	case *callv1.Command_HandOver:
		return v.handOver(b.HandOver).in("hand_over")
	case *callv1.Command_TerminalAttached:
		return v.terminal(b.TerminalAttached.GetTerminal()).in("terminal").in("terminal_attached")
	case *callv1.Command_DeadlinePassed:
		return deadlinePassed(b.DeadlinePassed).in("deadline_passed")
	}
	return noBody("body", c)
}

func needsLeg(c *callv1.Command) *Error {
	if c.GetLegId() == "" {
		return Invalid("leg_id", "missing")
	}
	return nil
}

func (v validator) offer(o *callv1.Offer) *Error {
	return firstOf(
		checkAddress("to", o.GetTo()),
		v.sdp("sdp", o.GetSdp()),
		v.terminal(o.GetTerminal()).in("terminal"),
		checkText("ref", o.GetRef(), v.Ref),
		v.party(o.GetCaller()).in("caller"),
		v.headers(o.GetHeaders()),
	)
}

func (v validator) answer(a *callv1.Answer) *Error {
	return firstOf(v.optionalSDP("sdp", a.GetSdp()), v.headers(a.GetHeaders()))
}

func (v validator) pull(p *callv1.Pull) *Error {
	return firstOf(
		v.sdp("sdp", p.GetSdp()),
		v.terminal(p.GetTerminal()).in("terminal"),
		checkText("ref", p.GetRef(), v.Ref),
	)
}

func (v validator) handOver(h *callv1.HandOver) *Error {
	if h.GetNextEvent() == 0 {
		return Invalid("next_event", "event numbers begin with 1")
	}
	return firstOf(
		checkCallID("from_call_id", h.GetFromCallId()),
		v.offer(h.GetOffer()).in("offer"),
		checkRevision("media_revision", h.GetMediaRevision()),
	)
}

func deadlinePassed(d *callv1.DeadlinePassed) *Error {
	if d.GetKind() == 0 || callv1.DeadlineKind_name[int32(d.GetKind())] == "" {
		return Invalid("kind", "not a kind of deadline")
	}
	return optional(d.GetLegId(), "leg_id", checkLegID)
}
