package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Status is what a call is to a terminal that shows its subscriber's calls.
type Status int

const (
	// NotShown: the call was never answered, or the terminal is in it, or was to
	// its end.
	NotShown Status = iota
	// ShownAsIs: the terminal rings with the call; what it was shown before stands.
	ShownAsIs
	// ShownInCall: the subscriber is in the call at another terminal.
	ShownInCall
	// ShownIdle: the call is over, or no longer the subscriber's.
	ShownIdle
)

// Audience lists the subscribers whose terminals are shown a call: its parties,
// and whoever has, or had, a leg of it (a phone that it was pushed to).
func Audience(c *callv1.CallRecord) []string {
	out := make([]string, 0, 2)
	add := func(s string) {
		for _, known := range out {
			if known == s {
				return
			}
		}
		if s != "" {
			out = append(out, s)
		}
	}
	add(c.GetCaller().GetSubscriber())
	add(c.GetCallee().GetSubscriber())
	for _, l := range c.GetLegs() {
		add(l.GetTerminal().GetSubscriber())
	}
	return out
}

// StatusOf says what a call is to a terminal of its audience.
func StatusOf(c *callv1.CallRecord, t *callv1.Terminal) Status {
	if c.GetAnsweredAt() == nil {
		return NotShown
	}
	over, had := !inCall(c), false
	for _, l := range c.GetLegs() {
		if l.GetTerminal().GetId() != t.GetId() {
			continue
		}
		switch {
		case isActive(l) && !l.GetLost(): // a lost one was given up for it
			return NotShown
		case isCandidate(l):
			return ShownAsIs
		case over && l.GetEndedAt().AsTime().Equal(c.GetEndedAt().AsTime()):
			had = true
		}
	}
	switch {
	case had:
		return NotShown
	case over, sideIn(c, t.GetSubscriber()) == callv1.Side_SIDE_UNSPECIFIED:
		return ShownIdle
	}
	return ShownInCall
}

// InCallEvent shows a call to a terminal of its audience.
func InCallEvent(c *callv1.CallRecord, t *callv1.Terminal) *callv1.Event {
	e := statusEvent(c, t)
	e.At = c.GetAnsweredAt()
	e.Body = &callv1.Event_InCall{InCall: &callv1.InCall{
		Peer: partyOf(c, across(sideIn(c, t.GetSubscriber()))), Since: c.GetAnsweredAt(),
	}}
	return e
}

// IdleEvent takes an InCallEvent back.
func IdleEvent(c *callv1.CallRecord, t *callv1.Terminal) *callv1.Event {
	e := statusEvent(c, t)
	e.At = c.GetEndedAt()
	e.Body = &callv1.Event_Idle{Idle: &callv1.Idle{}}
	return e
}

func statusEvent(c *callv1.CallRecord, t *callv1.Terminal) *callv1.Event {
	return &callv1.Event{
		CallId: c.GetId(), LegId: c.GetId(), Number: c.GetVersion(), TerminalId: t.GetId(),
		MediaNode: c.GetMediaNode(), Subscriber: t.GetSubscriber(),
	}
}
