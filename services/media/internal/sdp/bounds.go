package sdp

import "slices"

// Bounds is what a terminal can do in a call: what the other leg's description
// may hold, since nothing is transcoded.
type Bounds struct{ Lines []Bound }

// Bound is one line's worth of it.
type Bound struct {
	Slot Slot
	// Direction seen from the terminal.
	Direction Direction
	// Codecs with the Fmtp that the terminal receives.
	Codecs []Codec
	// Extensions by URI.
	Extensions []string
	// StreamID groups lines.
	StreamID string
}

func (b Bounds) of(slot Slot) *Bound {
	i := slices.IndexFunc(b.Lines, func(l Bound) bool { return l.Slot == slot })
	if i < 0 {
		return nil
	}
	return &b.Lines[i]
}

// Bounds of a terminal that has offered and was not answered yet.
func (d *Description) Bounds() Bounds {
	var b Bounds
	for i := range d.Lines {
		if l := &d.Lines[i]; l.Usable {
			b.Lines = append(b.Lines, Bound{l.Slot, l.Direction, l.Codecs, uris(l.Extensions), l.StreamID})
		}
	}
	return b
}

// Bounds of a terminal whose exchange is complete: what was negotiated, since
// it keeps to that until it gets another offer.
func (s *Session) Bounds() Bounds {
	var b Bounds
	for i := range s.Lines {
		l := &s.Lines[i]
		if l.Rejected {
			continue
		}
		codecs := slices.Clone(l.Codecs)
		for i := range codecs {
			codecs[i].Fmtp = codecs[i].PeerFmtp
		}
		b.Lines = append(b.Lines, Bound{l.Slot, l.Direction.Reverse(), codecs, uris(l.Extensions), l.PeerStreamID})
	}
	return b
}

func uris(extensions []Extension) []string {
	list := make([]string, 0, len(extensions))
	for _, e := range extensions {
		list = append(list, e.URI)
	}
	return list
}
