package step

import (
	"strconv"
	"strings"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// tandem is how the exchange itself is named in a ladder.
const tandem = "tandem"

// label names a leg in a ladder: "alice sylkrtc #1".
func label(l *callv1.Leg) string {
	return l.GetTerminal().GetSubscriber() + " " + l.GetTerminal().GetKind() + " #" + strconv.FormatUint(uint64(l.GetOrdinal()), 10)
}

// reasonName gives a reason as people read it: "no answer".
func reasonName(r callv1.Reason) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(r.String(), "REASON_")), "_", " ")
}

// decide marks the transition as one that must be committed.
func (t *txn) decide() { t.changed, t.decided = true, true }

// heard notes what the speaking leg said.
func (t *txn) heard(what, detail string) {
	t.note(label(t.leg), tandem, what, t.leg.GetId(), detail)
}

// emit gives a leg's terminal an event and notes it. Call changes to the leg
// before it, so that the ladder and the event agree.
func (t *txn) emit(l *callv1.Leg, e *callv1.Event, what, detail string) {
	e.CallId, e.LegId, e.Number = t.call.GetId(), l.GetId(), l.GetNextEvent()
	e.Ref, e.TerminalId, e.At = l.GetRef(), l.GetTerminal().GetId(), t.at
	e.MediaNode, e.Subscriber = t.call.GetMediaNode(), l.GetTerminal().GetSubscriber()
	l.NextEvent++
	t.call.PendingEvents = append(t.call.PendingEvents, e)
	t.note(tandem, label(l), what, l.GetId(), detail)
}

// note adds a ladder entry. A full ladder loses entries from its middle: how a
// call began and how it ended tell most.
func (t *txn) note(from, to, what, legID, detail string) {
	e := &callv1.LadderEntry{At: t.at, From: from, To: to, What: what, LegId: legID, Detail: detail}
	limit := max(t.in.Settings.Ladder, 4)
	if n := len(t.call.GetLadder()); n >= limit {
		mid := limit / 2
		t.call.Ladder = append(t.call.Ladder[:mid], t.call.Ladder[mid+1:]...)
		t.call.LadderDropped++
	}
	t.call.Ladder = append(t.call.Ladder, e)
}
