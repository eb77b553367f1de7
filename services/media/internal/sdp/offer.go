package sdp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Offer makes our offer to a terminal out of what another terminal can do:
// the same kinds, the codecs in that terminal's order of preference, directions
// mirrored (a caller that only receives makes the callee be asked only to send).
// Video is left out for terminals without. prior is the leg's last session, or
// nil: its slots, mids, payload types and extension ids are repeated, and lines
// that are gone stay as refused or inactive slots (RFC 8829 section 5.2.2).
// Error: ErrNotAcceptable.
func Offer(from Bounds, video bool, prior *Session, originID uint64) (*Session, error) {
	s := &Session{OriginID: originID, OriginVersion: 1, Offered: true, Setup: Active, Grouped: true}
	pts := allocator{}
	if prior != nil {
		s = prior.Clone()
		s.OriginVersion, s.Offered, s.Complete, s.Grouped = prior.OriginVersion+1, true, false, true
		pts.reserve(prior)
		for i := range s.Lines {
			s.Lines[i].Direction = Inactive
		}
	}
	groups := groupsOf(from)
	for i := range from.Lines {
		b := &from.Lines[i]
		if b.Slot.Kind == Video && !video || !hasPrimary(b.Codecs) {
			continue
		}
		l := s.lineFor(b.Slot)
		l.Direction = b.Direction
		l.Group = groups[b.StreamID]
		l.Codecs = pts.codecs(b)
		l.Extensions = offeredExtensions(b, l.Extensions)
	}
	if !s.usable() {
		return nil, fmt.Errorf("%w: nothing to offer", ErrNotAcceptable)
	}
	return s, nil
}

// lineFor gives the line of a slot, a new one with a mid of ours if there is
// none, or none that may be used again (RFC 8829 section 5.2.2 reuses a refused
// slot only for the same kind; we never change a slot's meaning).
func (s *Session) lineFor(slot Slot) *SessionLine {
	for i := range s.Lines {
		if s.Lines[i].Slot == slot && !s.Lines[i].Rejected {
			return &s.Lines[i]
		}
	}
	mid := len(s.Lines)
	taken := func(l SessionLine) bool { return l.MID == strconv.Itoa(mid) }
	for slices.ContainsFunc(s.Lines, taken) {
		mid++
	}
	s.Lines = append(s.Lines, SessionLine{
		Kind: slot.Kind, Proto: "UDP/TLS/RTP/SAVPF", MID: strconv.Itoa(mid), Slot: slot,
	})
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

// offeredExtensions are the ones made new on each leg and the forwarded ones
// that the other terminal knows; an extension that has an id keeps it.
func offeredExtensions(b *Bound, prior []Extension) []Extension {
	var list []Extension
	for _, k := range knownExtensions() {
		if (b.Slot.Kind == Audio && !k.audio) || (b.Slot.Kind == Video && !k.video) ||
			!k.hop && !slices.Contains(b.Extensions, k.uri) {
			continue
		}
		id := k.id
		for _, e := range prior {
			if e.URI == k.uri {
				id = e.ID
			}
		}
		if !slices.ContainsFunc(list, func(e Extension) bool { return e.ID == id }) {
			list = append(list, Extension{id, k.uri})
		}
	}
	return list
}

// allocator hands out payload types, unique over the leg's lines so that a
// packet's type alone tells its line's kind. The same format keeps its number.
type allocator struct {
	taken [128]bool
	byKey map[string]Codec
}

func (a *allocator) reserve(prior *Session) {
	a.byKey = map[string]Codec{}
	for _, l := range prior.Lines {
		for _, c := range l.Codecs {
			a.taken[c.PayloadType] = true
			if c.RTX != 0 {
				a.taken[c.RTX] = true
			}
			a.byKey[l.Kind+c.Key] = c
		}
	}
}

// dynamic payload types in the order of use: RFC 3551's range, then the ones
// RFC 5761 section 4 leaves.
func (a *allocator) next() (uint8, bool) {
	for pt := 96; pt < 128; pt++ {
		if !a.taken[pt] {
			a.taken[pt] = true
			return uint8(pt), true
		}
	}
	for pt := 63; pt >= 35; pt-- {
		if !a.taken[pt] {
			a.taken[pt] = true
			return uint8(pt), true
		}
	}
	return 0, false
}

// codecs gives a line's formats: those of the other terminal, in its order.
func (a *allocator) codecs(b *Bound) []Codec {
	if a.byKey == nil {
		a.byKey = map[string]Codec{}
	}
	var list []Codec
	for _, c := range b.Codecs {
		if slices.ContainsFunc(list, func(o Codec) bool { return o.Key == c.Key }) {
			continue
		}
		o := Codec{Name: c.Name, ClockRate: c.ClockRate, Channels: c.Channels, Fmtp: c.Fmtp, Key: c.Key, Feedback: feedbackFor(b.Slot.Kind)}
		if same, ok := a.byKey[b.Slot.Kind+c.Key]; ok {
			o.PayloadType, o.RTX = same.PayloadType, same.RTX
		} else if !a.number(&o, b.Slot.Kind) {
			break
		}
		list = append(list, o)
	}
	return list
}

func (a *allocator) number(c *Codec, kind string) bool {
	ok := false
	for _, pt := range []uint8{0, 8, 9} {
		if name, clock, _ := staticCodec(pt); strings.EqualFold(name, c.Name) && clock == c.ClockRate && !a.taken[pt] {
			a.taken[pt], c.PayloadType, ok = true, pt, true
		}
	}
	if !ok {
		if c.PayloadType, ok = a.next(); !ok {
			return false
		}
	}
	if kind == Video {
		c.RTX, _ = a.next()
	}
	a.byKey[kind+c.Key] = *c
	return true
}
