package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// firstRevision is the first offer/answer exchange of every leg.
const firstRevision = 1

// freshRevision is the revision of the first exchange of a leg that is made in a
// call that exists: an attempt whose commit failed may have used the first one.
func freshRevision(in Input, legID string) uint32 { return firstRevision + in.Skip[legID] }

// nextRevision is the revision of a leg's next exchange. Exchanges that came to
// nothing have used theirs up.
func nextRevision(in Input, l *callv1.Leg) uint32 {
	return l.GetMediaRevision() + 1 + in.Skip[l.GetId()]
}

// Crossed gives the legs whose new exchange had a revision that the media node
// has bound to another command, one whose commit failed or never came: they are
// to be planned again with that revision skipped.
func Crossed(ops []*callv1.MediaOp, results []*callv1.MediaResult) []string {
	var legs []string
	for i, r := range results {
		if i < len(ops) && r.GetError().GetCode() == callv1.Code_CODE_CONFLICT &&
			(ops[i].GetTakeOffer() != nil || ops[i].GetMakeOffer() != nil) {
			legs = append(legs, ops[i].GetLegId())
		}
	}
	return legs
}

// Skips reports whether a command's new exchanges are inside an answered call. They
// may skip revisions, and must wait until the media node knows what earlier commits
// made of the legs.
func Skips(in Input) bool {
	return inCall(in.Call) || in.Call != nil && kindOf(in.Command) == terminalAttached
}

// newTransport notes that a leg's terminal has a transport that must connect
// first.
func (t *txn) newTransport(l *callv1.Leg, revision uint32) {
	l.TransportRevision, l.MediaConnected = revision, false
	t.awaitMedia(l)
}

func isNewTransport(results []*callv1.MediaResult, legID string) bool {
	for _, r := range results {
		if r.GetLegId() == legID && r.GetNewTransport() {
			return true
		}
	}
	return false
}

// unchanged reports whether there was nothing to tell a leg's terminal.
func unchanged(results []*callv1.MediaResult, legID string) bool {
	for _, r := range results {
		if r.GetLegId() == legID && r.GetUnchanged() {
			return true
		}
	}
	return false
}

// asked reports whether the media node was asked about a leg.
func asked(results []*callv1.MediaResult, legID string) bool {
	for _, r := range results {
		if r.GetLegId() == legID {
			return true
		}
	}
	return false
}
