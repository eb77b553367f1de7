package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// connectLeg notes that a leg's media is up; when both sides' is, the call is
// established. One leg alone decides nothing and is not committed: the media
// node says it again after a crash. A called leg may connect before its answer
// is committed.
func connectLeg(t *txn) {
	l := t.leg
	if l == nil || !live(l) || l.GetMediaConnected() || t.in.Command.GetMediaConnected().GetRevision() < l.GetTransportRevision() {
		return
	}
	t.changed = true
	l.MediaConnected = true
	t.note("media "+t.call.GetMediaNode(), tandem, "media connected", l.GetId(), label(l))
	switch {
	case t.call.GetState() == answered:
		t.establish()
	case t.call.GetState() == established && isActive(l):
		t.establishLeg(l)
	}
}

// establish makes an answered call whose active legs are both connected an
// established one.
func (t *txn) establish() {
	a, b := active(t.call, callv1.Side_SIDE_CALLER), active(t.call, callv1.Side_SIDE_CALLEE)
	if t.call.GetState() != answered || !a.GetMediaConnected() || !b.GetMediaConnected() {
		return
	}
	t.decide()
	t.call.State, t.call.EstablishedAt = established, t.at
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_MEDIA, "")
	t.establishLeg(a)
	t.establishLeg(b)
}

// establishLeg tells a leg's terminal, once, that media flows. In a call that was
// established before, the other side hears nothing.
func (t *txn) establishLeg(l *callv1.Leg) {
	if t.hasDeadline(callv1.DeadlineKind_DEADLINE_KIND_MEDIA, l.GetId()) {
		t.decide()
		t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_MEDIA, l.GetId())
	}
	if l.GetState() == callv1.LegState_LEG_STATE_ESTABLISHED {
		return
	}
	t.decide()
	l.State = callv1.LegState_LEG_STATE_ESTABLISHED
	t.emit(l, &callv1.Event{Body: &callv1.Event_Established{Established: &callv1.Established{}}}, "established", "")
}

// awaitMedia gives a leg's media its time to come up, unless it is up: in a call
// that was established before the leg has a deadline of its own.
func (t *txn) awaitMedia(l *callv1.Leg) {
	switch {
	case t.call.GetState() == answered:
		t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_MEDIA, "", t.in.Settings.MediaSetup)
		t.establish()
	case l.GetMediaConnected():
		t.establishLeg(l)
	default:
		t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_MEDIA, l.GetId(), t.in.Settings.MediaSetup)
	}
}

// mediaTimedOut ends a call whose media did not come up: of one leg, or, nil, of
// either side. A side whose terminal is lost has until its grace ends: whoever
// takes its place gets the time anew.
func (t *txn) mediaTimedOut(of *callv1.Leg) {
	for _, l := range t.call.GetLegs() {
		if isActive(l) && (of == nil || of == l) && !l.GetMediaConnected() && !l.GetLost() {
			t.timer("media did not connect in time")
			t.endCall(callv1.Reason_REASON_MEDIA_FAILED)
			return
		}
	}
	t.timer("media of the lost terminal did not connect")
}

// failMedia ends a call whose media is gone. A candidate's concerns only the
// candidate, a lost terminal's is remembered until another has taken its place,
// or its grace ends.
func failMedia(t *txn) {
	l, f := t.leg, t.in.Command.GetMediaFailed()
	if l == nil || !live(l) || f.GetRevision() != 0 && f.GetRevision() < l.GetTransportRevision() {
		return
	}
	if l.GetLost() && inCall(t.call) && isActive(l) && !l.GetMediaConnected() {
		return // known
	}
	t.decide()
	t.note("media "+t.call.GetMediaNode(), tandem, "media failed", l.GetId(), f.GetDetail())
	switch {
	case inCall(t.call) && isCandidate(l):
		t.candidateFails(l)
	case inCall(t.call) && l.GetLost():
		l.MediaConnected = false
	case t.call.GetState() == alerting && l.GetSide() == callv1.Side_SIDE_CALLEE:
		t.dropLeg(l, callv1.Reason_REASON_MEDIA_FAILED, false)
		t.refused(callv1.Reason_REASON_MEDIA_FAILED)
	default:
		t.endCall(callv1.Reason_REASON_MEDIA_FAILED)
	}
}

// MediaOf says what a committed record makes of its legs for the media node:
// live ones are kept, the two that are in the call bridged, the others released.
// A redirected call has no legs of its own.
func MediaOf(c *callv1.CallRecord) []*callv1.MediaOp {
	if c.GetState() == redirected || c.GetMediaNode() == "" {
		return nil
	}
	var keeps, releases []*callv1.MediaOp
	for _, l := range c.GetLegs() {
		if live(l) {
			keeps = append(keeps, keep(l.GetId()))
		} else {
			releases = append(releases, release(l.GetId()))
		}
	}
	if inCall(c) {
		keeps = append(keeps, bridge(active(c, callv1.Side_SIDE_CALLER).GetId(), active(c, callv1.Side_SIDE_CALLEE).GetId()))
	}
	return append(keeps, releases...)
}

// described gives the description that was made for a leg, and its skeleton
// after the last operation on it.
func described(results []*callv1.MediaResult, legID string) (sdp string, skeleton *callv1.Skeleton) {
	for _, r := range results {
		if r.GetLegId() != legID {
			continue
		}
		if r.GetSdp() != "" {
			sdp = r.GetSdp()
		}
		if r.GetSkeleton() != nil {
			skeleton = r.GetSkeleton()
		}
	}
	return sdp, skeleton
}

// failed gives the error of a leg's operation; one that was never carried out
// failed too.
func failed(results []*callv1.MediaResult, legID string) *callv1.Error {
	seen := false
	for _, r := range results {
		if r.GetLegId() != legID {
			continue
		}
		seen = true
		if r.GetError() != nil {
			return r.GetError()
		}
	}
	if !seen {
		return &callv1.Error{Code: callv1.Code_CODE_INTERNAL, Message: "the media node did not get to it"}
	}
	return nil
}

func anyFailed(results []*callv1.MediaResult) *callv1.Error {
	if len(results) == 0 {
		return &callv1.Error{Code: callv1.Code_CODE_INTERNAL, Message: "the media node did nothing"}
	}
	for _, r := range results {
		if r.GetError() != nil {
			return r.GetError()
		}
	}
	return nil
}

// reasonOf gives the reason with which a media refusal ends a leg.
func reasonOf(c callv1.Code) callv1.Reason {
	switch c {
	case callv1.Code_CODE_NOT_ACCEPTABLE, callv1.Code_CODE_INVALID, callv1.Code_CODE_UNSUPPORTED:
		return callv1.Reason_REASON_NOT_ACCEPTABLE
	case callv1.Code_CODE_OVERLOAD, callv1.Code_CODE_RATE_LIMITED:
		return callv1.Reason_REASON_OVERLOAD
	case callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_GONE:
		return callv1.Reason_REASON_MEDIA_FAILED
	}
	return callv1.Reason_REASON_INTERNAL
}
