package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// connectLeg notes that a leg's media is up; when both are, the call is
// established. One leg alone decides nothing and is not committed: the media
// node says it again after a crash. A called leg may connect before its answer
// is committed.
func connectLeg(t *txn) {
	l := t.leg
	if l == nil || !live(l) || l.GetMediaConnected() || l.GetMediaRevision() != t.in.Command.GetMediaConnected().GetRevision() {
		return
	}
	t.changed = true
	l.MediaConnected = true
	t.note("media "+t.call.GetMediaNode(), tandem, "media connected", l.GetId(), label(l))
	t.establish()
}

// establish makes an answered call whose legs are all connected an established
// one.
func (t *txn) establish() {
	if t.call.GetState() != answered {
		return
	}
	for _, l := range t.call.GetLegs() {
		if live(l) && !l.GetMediaConnected() {
			return
		}
	}
	t.decide()
	t.call.State, t.call.EstablishedAt = established, t.at
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_MEDIA, "")
	for _, l := range t.call.GetLegs() {
		if live(l) {
			l.State = callv1.LegState_LEG_STATE_ESTABLISHED
			t.emit(l, &callv1.Event{Body: &callv1.Event_Established{Established: &callv1.Established{}}}, "established", "")
		}
	}
}

// failMedia ends a call whose media is gone.
func failMedia(t *txn) {
	l, f := t.leg, t.in.Command.GetMediaFailed()
	if l == nil || !live(l) || f.GetRevision() != 0 && f.GetRevision() != l.GetMediaRevision() {
		return
	}
	t.decide()
	t.note("media "+t.call.GetMediaNode(), tandem, "media failed", l.GetId(), f.GetDetail())
	if t.call.GetState() == alerting && l.GetSide() == callv1.Side_SIDE_CALLEE {
		t.dropLeg(l, callv1.Reason_REASON_MEDIA_FAILED, false)
		t.refused(callv1.Reason_REASON_MEDIA_FAILED)
		return
	}
	t.endCall(callv1.Reason_REASON_MEDIA_FAILED)
}

// MediaOf says what a committed record makes of its legs for the media node:
// live ones are kept, the others released. A redirected call has no legs of
// its own.
func MediaOf(c *callv1.CallRecord) []*callv1.MediaOp {
	if c.GetState() == redirected || c.GetMediaNode() == "" {
		return nil
	}
	var ops []*callv1.MediaOp
	for _, l := range c.GetLegs() {
		if live(l) {
			ops = append(ops, keep(l.GetId()))
		} else {
			ops = append(ops, release(l.GetId()))
		}
	}
	return ops
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
