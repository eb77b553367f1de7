package step

import (
	"slices"
	"strconv"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// clone copies a record deeply enough that a transition can change it: the
// record, its legs and its lists. Everything below that is never changed once
// made, so it is shared. Written out because it runs on every command.
func clone(c *callv1.CallRecord) *callv1.CallRecord {
	n := &callv1.CallRecord{
		Id: c.Id, State: c.State, Epoch: c.Epoch, Version: c.Version,
		Caller: c.Caller, Callee: c.Callee, Dialled: c.Dialled, MediaNode: c.MediaNode,
		LadderDropped: c.LadderDropped, Reason: c.Reason, RedirectCallId: c.RedirectCallId,
		Headers: c.Headers, CreatedAt: c.CreatedAt, AnsweredAt: c.AnsweredAt,
		EstablishedAt: c.EstablishedAt, EndedAt: c.EndedAt,
		HandedOverFrom: c.HandedOverFrom, Refusal: c.Refusal, PushLegId: c.PushLegId,
		Done: c.Done,
	}
	n.Legs = make([]*callv1.Leg, len(c.Legs), len(c.Legs)+1)
	for i, l := range c.Legs {
		n.Legs[i] = cloneLeg(l)
	}
	n.Deadlines = append(make([]*callv1.Deadline, 0, len(c.Deadlines)+2), c.Deadlines...)
	n.PendingEvents = append(make([]*callv1.Event, 0, len(c.PendingEvents)+2), c.PendingEvents...)
	n.Ladder = append(make([]*callv1.LadderEntry, 0, len(c.Ladder)+4), c.Ladder...)
	return n
}

func cloneLeg(l *callv1.Leg) *callv1.Leg {
	return &callv1.Leg{
		Id: l.Id, Ordinal: l.Ordinal, Side: l.Side, State: l.State, Terminal: l.Terminal,
		Ref: l.Ref, NextEvent: l.NextEvent, MediaRevision: l.MediaRevision,
		Skeleton: l.Skeleton, MediaConnected: l.MediaConnected, Lost: l.Lost,
		Alerted: l.Alerted, Reason: l.Reason, CreatedAt: l.CreatedAt, EndedAt: l.EndedAt,
		TransportRevision: l.TransportRevision, OfferOut: l.OfferOut, OfferDue: l.OfferDue,
		OfferHops: l.OfferHops, Early: l.Early, AnsweredWith: l.AnsweredWith,
	}
}

// DropDelivered takes pending events that were acknowledged out of a record that
// is not committed yet; acked gives the number of a leg's last acknowledged event.
// The description that a caller got for early media is kept, acknowledged or not,
// until the call is answered: its answer repeats it.
func DropDelivered(c *callv1.CallRecord, acked func(legID string) uint64) {
	c.PendingEvents = slices.DeleteFunc(c.PendingEvents, func(e *callv1.Event) bool {
		return e.GetNumber() <= acked(e.GetLegId()) &&
			(c.GetState() != alerting || e.GetAlerting().GetSdp() == "")
	})
}

// earlySDP is the description that a caller was given before the answer.
func earlySDP(c *callv1.CallRecord, l *callv1.Leg) string {
	for _, e := range c.GetPendingEvents() {
		if sdp := e.GetAlerting().GetSdp(); sdp != "" && e.GetLegId() == l.GetId() {
			return sdp
		}
	}
	return ""
}

// leg finds a leg by id; nil if the record or the leg is not there.
func leg(c *callv1.CallRecord, id string) *callv1.Leg {
	for _, l := range c.GetLegs() {
		if l.GetId() == id {
			return l
		}
	}
	return nil
}

// live reports whether a leg has not ended.
func live(l *callv1.Leg) bool { return l.GetState() != callv1.LegState_LEG_STATE_ENDED }

// Live reports whether a call still has something to do: it is neither over
// nor given to another call.
func Live(c *callv1.CallRecord) bool {
	s := c.GetState()
	return s == alerting || s == answered || s == established
}

// liveOn gives the live legs of a side.
func (t *txn) liveOn(side callv1.Side) []*callv1.Leg {
	var out []*callv1.Leg
	for _, l := range t.call.GetLegs() {
		if l.GetSide() == side && live(l) {
			out = append(out, l)
		}
	}
	return out
}

// callerLeg is the calling leg of an unanswered call.
func callerLeg(c *callv1.CallRecord) *callv1.Leg {
	for _, l := range c.GetLegs() {
		if l.GetSide() == callv1.Side_SIDE_CALLER && live(l) {
			return l
		}
	}
	return nil
}

// ordinalIn gives the ordinal of a leg id that was made for a call: its last four
// digits. It is schema.SplitLegID for ids known to be canonical, without copies.
func ordinalIn(callID, legID string) (ordinal uint32, ok bool) {
	const digits = 4
	end := len(legID) - digits
	if len(legID) != len(callID) || end < 0 || legID[:end] != callID[:end] {
		return 0, false
	}
	n, err := strconv.ParseUint(legID[end:], 16, 16)
	return uint32(n), err == nil
}

// nextOrdinal is the ordinal of the next leg that the owner makes in this call.
// Those that terminals made (Pull) have ordinals of their own range.
func nextOrdinal(c *callv1.CallRecord) uint32 {
	n := uint32(0)
	for _, l := range c.GetLegs() {
		if l.GetOrdinal() < schema.FirstPulled {
			n = max(n, l.GetOrdinal())
		}
	}
	return n + 1
}
