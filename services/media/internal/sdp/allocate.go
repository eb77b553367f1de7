package sdp

import (
	"slices"
	"strings"
)

// allocator hands out payload types and extension ids, unique over the leg's
// lines: a packet's type alone tells its line's kind, and an id means the same on
// all bundled lines (RFC 8843 section 9). What had a number keeps it.
type allocator struct {
	taken [128]bool
	known []usedFormat
	ids   []Extension
}

func newAllocator(s *Session) *allocator {
	s.remember()
	a := &allocator{taken: s.used.numbers, known: s.used.formats, ids: slices.Clone(s.used.extensions)}
	for _, f := range a.known {
		a.taken[f.payloadType] = true
		if f.rtx != 0 {
			a.taken[f.rtx] = true
		}
	}
	return a
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

// codecs gives a line's formats: those of the other terminal, in its order. A line
// that has some keeps to them, as far as the other terminal has them too: what
// was left out once would only be left out again.
func (a *allocator) codecs(b *Bound, now []Codec) []Codec {
	wanted := slices.DeleteFunc(slices.Clone(b.Codecs), func(c Codec) bool {
		return !slices.ContainsFunc(now, func(n Codec) bool { return n.Key == c.Key })
	})
	if !hasPrimary(wanted) {
		wanted = b.Codecs
	}
	var list []Codec
	for _, c := range wanted {
		if slices.ContainsFunc(list, func(o Codec) bool { return o.Key == c.Key }) {
			continue
		}
		o := Codec{Name: registered(c.Name), ClockRate: c.ClockRate, Channels: c.Channels, Fmtp: c.Fmtp, Key: c.Key, Feedback: feedbackFor(b.Slot.Kind)}
		if !a.number(&o, b.Slot.Kind, now) {
			break
		}
		list = append(list, o)
	}
	return list
}

// number gives a format the number that it has on the line, or had anywhere, or a
// new one.
func (a *allocator) number(c *Codec, kind string, now []Codec) bool {
	for _, n := range now {
		if n.Key == c.Key {
			c.PayloadType, c.RTX = n.PayloadType, n.RTX
			return true
		}
	}
	for _, f := range a.known {
		if f.kind == kind && f.key == c.Key {
			c.PayloadType, c.RTX = f.payloadType, f.rtx
			return true
		}
	}
	ok := false
	for _, pt := range []uint8{0, 8, 9} {
		if name, clock, _ := staticCodec(pt); strings.EqualFold(name, c.Name) && clock == c.ClockRate &&
			!slices.ContainsFunc(a.known, func(f usedFormat) bool { return f.payloadType == pt }) {
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
	a.known = append(slices.Clip(a.known), usedFormat{kind, c.Key, c.PayloadType, c.RTX})
	return true
}

// extensions are the ones made new on each leg and the forwarded ones that the
// other terminal knows; one that has an id keeps it.
func (a *allocator) extensions(b *Bound) []Extension {
	var list []Extension
	for _, k := range knownExtensions() {
		if (b.Slot.Kind == Audio && !k.audio) || (b.Slot.Kind == Video && !k.video) ||
			!k.hop && !slices.Contains(b.Extensions, k.uri) {
			continue
		}
		if id, ok := a.id(k); ok && !slices.ContainsFunc(list, func(e Extension) bool { return e.ID == id }) {
			list = append(list, Extension{id, k.uri})
		}
	}
	return list
}

// id gives an extension's id: the one it has, ours, or any that is free and fits
// a one-byte header (RFC 8285 section 4.2).
func (a *allocator) id(k knownExtension) (uint8, bool) {
	for _, e := range a.ids {
		if e.URI == k.uri {
			return e.ID, true
		}
	}
	id := k.id
	for n := uint8(14); slices.ContainsFunc(a.ids, func(e Extension) bool { return e.ID == id }); n-- {
		if id = n; n == 0 {
			return 0, false
		}
	}
	a.ids = append(a.ids, Extension{id, k.uri})
	return id, true
}
