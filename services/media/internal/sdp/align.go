package sdp

import (
	"fmt"
	"strings"
)

// Align puts a terminal's re-offer into its running session: lines that go on
// keep their slots, whatever stands before them now; lines that are new, or that
// take a refused one's place under another mid (RFC 8829 section 5.2.2), get a
// slot that is free. Error: ErrMismatch, for an offer that takes lines away,
// or exchanges one that is in use.
func (d *Description) Align(prior *Session) error {
	if len(d.Lines) < len(prior.Lines) {
		return fmt.Errorf("%w: %d media lines after %d", ErrMismatch, len(d.Lines), len(prior.Lines))
	}
	taken := map[Slot]bool{}
	var fresh []int
	for i := range d.Lines {
		l := &d.Lines[i]
		l.Slot, l.Usable = Slot{}, false
		if i >= len(prior.Lines) || prior.Lines[i].Rejected {
			fresh = append(fresh, i)
			continue
		}
		p := &prior.Lines[i]
		if l.Kind != p.Kind || l.MID != p.MID {
			return fmt.Errorf("%w: line %d is in use for something else", ErrMismatch, i)
		}
		l.Slot, l.Usable = p.Slot, l.bundled
		taken[p.Slot] = taken[p.Slot] || l.Usable
	}
	for _, i := range fresh {
		l := &d.Lines[i]
		if !l.bundled {
			continue
		}
		if i < len(prior.Lines) {
			if s := prior.Lines[i].Slot; s.Kind == l.Kind && !taken[s] {
				l.Slot, l.Usable = s, true
			}
		}
		for n := 0; n < d.perKind && !l.Usable; n++ {
			if s := (Slot{l.Kind, n}); !taken[s] {
				l.Slot, l.Usable = s, true
			}
		}
		if l.Usable {
			taken[l.Slot] = true
		}
	}
	return nil
}

// Continues reports whether a description of a terminal belongs to the transport
// that a session has: the same certificate, in the same role (RFC 8842 section
// 5). Otherwise the terminal wants a new one.
func (d *Description) Continues(s *Session) bool {
	t := d.Transport
	return d.Follows(s) && (t.Setup != Active && t.Setup != Passive || t.Setup != s.Setup)
}

// Follows reports whether a description comes from the client that a session is
// with, and not from one that has begun anew: that has another certificate, or
// another session id together with other ICE credentials (RFC 8829 section 5.2.1).
func (d *Description) Follows(s *Session) bool {
	t, r := d.Transport, s.Remote
	return strings.EqualFold(t.FingerprintHash, r.FingerprintHash) && strings.EqualFold(t.Fingerprint, r.Fingerprint) &&
		(t.Origin == r.Origin || !t.Restarts(r))
}

// Restarts reports whether a description's ICE credentials are new (RFC 8839
// section 4.4.1.1.1).
func (t Transport) Restarts(from Transport) bool { return t.Ufrag != from.Ufrag || t.Pwd != from.Pwd }

// before gives the line of a running session that a line of a re-offer goes on
// with, nil for a new one.
func (s *Session) before(i int, l *Line) *SessionLine {
	if s == nil || i >= len(s.Lines) || s.Lines[i].MID != l.MID || s.Lines[i].Kind != l.Kind {
		return nil
	}
	return &s.Lines[i]
}

// asked gives how often the terminal has asked for a slot so far.
func (s *Session) asked(slot Slot) (n uint32) {
	if s == nil {
		return 0
	}
	for i := range s.Lines {
		if l := &s.Lines[i]; l.Slot == slot {
			n = max(n, l.Ask)
		}
	}
	return n
}
