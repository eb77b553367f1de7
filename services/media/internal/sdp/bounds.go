package sdp

import "slices"

// Bounds is what a terminal can do in a call: what the other leg's description
// may hold, since nothing is transcoded.
type Bounds struct {
	Lines []Bound
	// Established: the terminal has negotiated, and can be offered more.
	Established bool
	// Video: lines of video could be among that.
	Video bool
	// Refused are the slots that the terminal has refused, with the Ask that it
	// refused.
	Refused map[Slot]uint32
}

// Bound is one line's worth of it.
type Bound struct {
	Slot Slot
	// Direction seen from the terminal: what it wants, whatever the other one
	// lets it do now.
	Direction Direction
	// Codecs with the Fmtp that the terminal receives.
	Codecs []Codec
	// Extensions by URI.
	Extensions []string
	// StreamID groups lines.
	StreamID string
	// Ask counts, from 1, how often the terminal has begun to want more of the
	// line. Who has refused one is not asked the same again.
	Ask uint32
}

func (b Bounds) of(slot Slot) *Bound {
	i := slices.IndexFunc(b.Lines, func(l Bound) bool { return l.Slot == slot })
	if i < 0 {
		return nil
	}
	return &b.Lines[i]
}

// could reports whether the terminal might take a line that it does not have. One
// that has refused it is not expected to change its mind for a new terminal.
func (b Bounds) could(slot Slot, running bool) bool {
	if !b.Established || slot.Kind == Video && !b.Video {
		return false
	}
	return running || b.Refused[slot] == 0
}

// Equal reports whether two bounds ask the same of the other terminal.
func (b Bounds) Equal(o Bounds) bool {
	return slices.EqualFunc(b.Lines, o.Lines, func(x, y Bound) bool {
		return x.Slot == y.Slot && x.Direction == y.Direction && x.Ask == y.Ask &&
			slices.EqualFunc(x.Codecs, y.Codecs, func(c, d Codec) bool { return c.Key == d.Key && c.Fmtp == d.Fmtp })
	})
}

// Bounds of a terminal that has offered and was not answered yet.
func (d *Description) Bounds() Bounds {
	var b Bounds
	for i := range d.Lines {
		if l := &d.Lines[i]; l.Usable {
			b.Lines = append(b.Lines, Bound{l.Slot, l.Direction, l.Codecs, uris(l.Extensions), l.StreamID, 1})
		}
	}
	return b
}

// Bounds of a terminal whose exchange is complete: what was negotiated, since
// it keeps to that until it gets another offer, and in what directions it would
// use it.
func (s *Session) Bounds() Bounds {
	b := Bounds{Established: s.Complete}
	for i := range s.Lines {
		l := &s.Lines[i]
		if l.Rejected {
			if l.Refused != 0 {
				if b.Refused == nil {
					b.Refused = map[Slot]uint32{}
				}
				b.Refused[l.Slot] = l.Refused
			}
			continue
		}
		codecs := slices.Clone(l.Codecs)
		for i := range codecs {
			codecs[i].Fmtp = codecs[i].PeerFmtp
		}
		b.Lines = append(b.Lines, Bound{l.Slot, l.wish(), codecs, uris(l.Extensions), l.PeerStreamID, l.Ask})
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
