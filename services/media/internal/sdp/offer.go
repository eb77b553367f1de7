package sdp

import (
	"fmt"
	"slices"
	"strconv"
)

// Offer makes our offer to a terminal out of what another terminal can do:
// the same kinds, the codecs in that terminal's order of preference, directions
// mirrored (a caller that only receives makes the callee be asked only to send).
// Video is left out for terminals without. prior is the leg's last session, or
// nil: its slots, mids, payload types and extension ids are repeated, and lines
// that are gone stay as refused or inactive slots (RFC 8829 section 5.2.2).
// A first offer leaves the DTLS role to the terminal (RFC 5763 section 5): older
// browsers refuse one that does not. Error: ErrNotAcceptable.
func Offer(from Bounds, video bool, prior *Session, originID uint64) (*Session, error) {
	s := &Session{OriginID: originID, OriginVersion: 1, Offered: true, Setup: ActPass, Grouped: true}
	if prior != nil {
		s = prior.Clone()
		s.OriginVersion, s.Offered, s.Complete = prior.OriginVersion+1, true, false
		for i := range s.Lines {
			s.Lines[i].Direction = Inactive
		}
	}
	numbers := newAllocator(s)
	groups := groupsOf(from)
	for i := range from.Lines {
		b := &from.Lines[i]
		if b.Slot.Kind == Video && !video || !hasPrimary(b.Codecs) {
			continue
		}
		l := s.lineFor(b, prior)
		if l == nil {
			continue
		}
		l.Direction, l.Asked, l.Group = b.Direction, b.Ask, groups[b.StreamID]
		l.Codecs = numbers.codecs(b, l.Codecs)
		l.Extensions = numbers.extensions(b)
	}
	if !s.usable() {
		return nil, fmt.Errorf("%w: nothing to offer", ErrNotAcceptable)
	}
	s.remember()
	return s, nil
}

// Reoffer makes our next offer in a running session, nil if it would tell the
// terminal nothing new: neither lines nor formats, nor directions that would come
// of it, for what the terminal itself wishes.
func (s *Session) Reoffer(from Bounds, video bool) *Session {
	next, err := Offer(from, video, s, s.OriginID)
	if err != nil || !s.changes(next) {
		return nil
	}
	return next
}

func (s *Session) changes(next *Session) bool {
	if len(next.Lines) != len(s.Lines) {
		return true
	}
	for i := range next.Lines {
		n, l := &next.Lines[i], &s.Lines[i]
		if n.MID != l.MID || n.Rejected != l.Rejected {
			return true
		}
		outcome := n.Direction.And(l.wish().Reverse())
		if !n.Rejected && (outcome != l.Direction || outcome != Inactive && !sameFormats(n.Codecs, l.Codecs)) {
			return true
		}
	}
	return false
}

// sameFormats compares sets: the order is only a preference.
func sameFormats(a, b []Codec) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(c Codec) bool {
		return !slices.ContainsFunc(b, func(d Codec) bool { return c.Key == d.Key && c.PayloadType == d.PayloadType })
	})
}

// lineFor gives the line for what the other terminal has, nil if there is to be
// none: this terminal has refused it, or cannot have more than one line. A new
// one has a mid of ours, and takes the place of a refused line of its kind
// (RFC 8829 section 5.2.2).
func (s *Session) lineFor(b *Bound, prior *Session) *SessionLine {
	place := -1
	for i := range s.Lines {
		l := &s.Lines[i]
		switch {
		case l.Slot == b.Slot && !l.Rejected:
			return l
		case l.Slot == b.Slot && l.Refused != 0 && l.Refused == b.Ask:
			return nil
		case l.Rejected && l.Kind == b.Slot.Kind && (place < 0 || l.Slot == b.Slot):
			place = i
		}
	}
	if prior != nil && (b.Direction == Inactive || !prior.Grouped) {
		return nil
	}
	mid := max(len(s.Lines), s.used.mids)
	taken := func(l SessionLine) bool { return l.MID == strconv.Itoa(mid) }
	for slices.ContainsFunc(s.Lines, taken) {
		mid++
	}
	s.used.mids = mid + 1
	fresh := SessionLine{
		Kind: b.Slot.Kind, Proto: "UDP/TLS/RTP/SAVPF", MID: strconv.Itoa(mid), Slot: b.Slot, Ask: prior.asked(b.Slot),
	}
	if place >= 0 {
		s.Lines[place] = fresh
		return &s.Lines[place]
	}
	s.Lines = append(s.Lines, fresh)
	return &s.Lines[len(s.Lines)-1]
}

// groupsOf numbers the streams of a terminal; lines without one belong to the
// first.
func groupsOf(b Bounds) map[string]int {
	groups := map[string]int{}
	for _, l := range b.Lines {
		if _, ok := groups[l.StreamID]; !ok && l.StreamID != "" {
			groups[l.StreamID] = len(groups)
		}
	}
	return groups
}
