package sdp

import (
	"slices"
	"strconv"
)

// memory is what a leg has used in all its descriptions, also in those that are
// over: neither a payload type nor an extension id changes its meaning (RFC 3264
// section 8.3.2, RFC 8285 section 5). It is replaced, never changed.
type memory struct {
	formats []usedFormat
	// numbers are payload types that the terminal has named, for whatever.
	numbers    [128]bool
	extensions []Extension
	mids       int // the least number that is no mid of ours yet
}

type usedFormat struct {
	kind             string
	key              string
	payloadType, rtx uint8
}

// What a terminal can make us remember.
const (
	mostFormats    = 256
	mostExtensions = 64
)

// remember adds what a session uses now.
func (s *Session) remember() {
	m := &s.used
	m.formats, m.extensions = slices.Clone(m.formats), slices.Clone(m.extensions)
	for i := range s.Lines {
		l := &s.Lines[i]
		for _, c := range l.Codecs {
			f := usedFormat{l.Kind, c.Key, c.PayloadType, c.RTX}
			n := slices.IndexFunc(m.formats, func(u usedFormat) bool {
				return u.kind == f.kind && u.key == f.key && u.payloadType == f.payloadType
			})
			switch {
			case n >= 0 && m.formats[n].rtx == 0:
				m.formats[n].rtx = f.rtx
			case n < 0 && len(m.formats) < mostFormats:
				m.formats = append(m.formats, f)
			}
		}
		m.extend(l.Extensions)
	}
}

func (m *memory) extend(list []Extension) {
	for _, e := range list {
		if !slices.Contains(m.extensions, e) && len(m.extensions) < mostExtensions {
			m.extensions = append(m.extensions, e)
		}
	}
}

// learn adds the numbers that a terminal uses for what we do not know. It is
// called after remember.
func (m *memory) learn(d *Description) {
	for i := range d.Lines {
		for _, f := range d.Lines[i].Formats {
			if n, err := strconv.ParseUint(f, 10, 7); err == nil {
				m.numbers[n] = true
			}
		}
		m.extend(d.Lines[i].ids)
	}
}
