package schema

import callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"

func (v validator) event(e *callv1.Event) *Error {
	if e == nil {
		return Invalid("", "no event")
	}
	if f := firstOf(
		checkCallID("call_id", e.GetCallId()),
		eventLeg(e),
		checkText("ref", e.GetRef(), v.Ref),
		checkToken("terminal_id", e.GetTerminalId()),
		checkTime("at", e.GetAt()),
		optional(e.GetMediaNode(), "media_node", checkToken),
		checkText("subscriber", e.GetSubscriber(), v.Subscriber),
	); f != nil {
		return f
	}
	_, probe := e.GetBody().(*callv1.Event_Probe)
	if probe != (e.GetNumber() == 0) {
		return Invalid("number", "a probe has number 0, every other event a higher one")
	}
	switch b := e.GetBody().(type) {
	case *callv1.Event_Incoming:
		i := b.Incoming
		return firstOf(
			v.sdp("sdp", i.GetSdp()),
			v.party(i.GetCaller()).in("caller"),
			checkAddress("dialled", i.GetDialled()),
			v.headers(i.GetHeaders()),
		).in("incoming")
	case *callv1.Event_Answered:
		a := b.Answered
		return firstOf(
			v.sdp("sdp", a.GetSdp()),
			v.optionalParty("callee", a.GetCallee()),
			v.headers(a.GetHeaders()),
		).in("answered")
	case *callv1.Event_Ended:
		if b.Ended.GetReason() == callv1.Reason_REASON_UNSPECIFIED {
			return Invalid("ended.reason", "missing")
		}
		return firstOf(
			checkReason("reason", b.Ended.GetReason()),
			v.optionalParty("peer", b.Ended.GetPeer()),
		).in("ended")
	case *callv1.Event_Alerting:
		return v.optionalSDP("alerting.sdp", b.Alerting.GetSdp())
	case *callv1.Event_Reoffer:
		return v.sdp("reoffer.sdp", b.Reoffer.GetSdp())
	case *callv1.Event_PushFailed:
		return checkReason("push_failed.reason", b.PushFailed.GetReason())
	case *callv1.Event_InCall:
		return firstOf(
			v.party(b.InCall.GetPeer()).in("peer"),
			checkTime("since", b.InCall.GetSince()),
		).in("in_call")
	case *callv1.Event_Established, *callv1.Event_Probe, *callv1.Event_Idle:
		return nil
	}
	return noBody("body", e)
}

// IsStatus reports whether an event is about a call that its terminal is not in
// (InCall, Idle): its leg id is the call's, its number the record's version.
func IsStatus(e *callv1.Event) bool {
	switch e.GetBody().(type) {
	case *callv1.Event_InCall, *callv1.Event_Idle:
		return true
	}
	return false
}

// eventLeg checks what an event is about: a leg, or, of a status, the call.
func eventLeg(e *callv1.Event) *Error {
	if !IsStatus(e) {
		return checkLegID("leg_id", e.GetLegId())
	}
	if e.GetLegId() != e.GetCallId() {
		return Invalid("leg_id", "a status is about the call itself")
	}
	return nil
}

func (v validator) signal(s *callv1.Signal) *Error {
	if s == nil {
		return Invalid("", "no signal")
	}
	if e := firstOf(
		checkLegID("leg_id", s.GetLegId()),
		checkText("principal", s.GetPrincipal(), v.Subscriber),
	); e != nil {
		return e
	}
	switch b := s.GetBody().(type) {
	case *callv1.Signal_Candidates:
		return v.candidates(b.Candidates).in("candidates")
	case *callv1.Signal_Dtmf:
		return v.dtmf(b.Dtmf).in("dtmf")
	}
	return noBody("body", s)
}

func (v validator) candidates(c *callv1.Candidates) *Error {
	list := c.GetCandidates()
	if len(list) > v.Candidates {
		return Invalid("candidates", "more than %d", v.Candidates)
	}
	if len(list) == 0 && !c.GetEnd() {
		return Invalid("candidates", "missing")
	}
	for i, one := range list {
		// An empty candidate is how browsers write an m-line's last one.
		if e := firstOf(
			checkText("candidate", one.GetCandidate(), v.Candidate),
			checkText("mid", one.GetMid(), maxName),
			checkText("ufrag", one.GetUfrag(), maxUfrag),
		); e != nil {
			return e.at("candidates", i)
		}
		if one.GetMLine() < -1 || one.GetMLine() > 255 {
			return Invalid("m_line", "not between -1 and 255").at("candidates", i)
		}
	}
	return nil
}

// dtmf checks a digit (RFC 4733 section 3.2: 0-9, *, #, A-D).
func (v validator) dtmf(d *callv1.Dtmf) *Error {
	if s := d.GetDigit(); len(s) != 1 || !isDtmf(s[0]) {
		return Invalid("digit", "not one of 0-9 * # A-D")
	}
	if int64(d.GetDurationMs()) > int64(v.DtmfMillis) {
		return Invalid("duration_ms", "longer than %d", v.DtmfMillis)
	}
	return nil
}

func isDtmf(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'D' || c == '*' || c == '#'
}
