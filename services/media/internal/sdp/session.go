package sdp

import (
	"slices"
	"strings"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// DTLS roles of our side (RFC 8842). ActPass leaves the choice to who answers.
const (
	Active  = "active"
	Passive = "passive"
	ActPass = "actpass"
)

// Session is our side of an offer/answer exchange: the offer made, or the
// result once the exchange is complete.
type Session struct {
	// OriginID and OriginVersion are those of our o= line.
	OriginID, OriginVersion uint64
	// Lines in m-line order; a slot is never removed.
	Lines []SessionLine
	// Offered: the offer was ours.
	Offered bool
	// Complete: both descriptions are there.
	Complete bool
	// Setup is our DTLS role; ActPass in a first offer, until it is answered.
	Setup string
	// Grouped: we use a BUNDLE group.
	Grouped bool
	// Remote is the terminal's transport, once Complete.
	Remote Transport

	used memory
}

// SessionLine is one line of a Session.
type SessionLine struct {
	Kind    string
	Proto   string
	Formats []string
	MID     string
	// Rejected lines have port 0 and keep their slot.
	Rejected bool
	Slot     Slot
	// Direction seen from us.
	Direction  Direction
	Codecs     []Codec
	Extensions []Extension
	// Streams that the terminal declares.
	Streams []Stream
	// PeerStreamID is the terminal's own stream id.
	PeerStreamID string
	// Group numbers the stream of the other terminal that this line stands for,
	// so that a browser plays its audio and video together.
	Group int
	// SSRC and RTX are the streams that we send.
	SSRC, RTX uint32
	// Wish is the direction that the terminal would use the line in, seen from the
	// terminal. Direction may be less, for what the other terminal wishes.
	Wish Direction
	// Ask is the terminal's Bound.Ask, Asked the other terminal's when the line was
	// last offered, Refused the one that the terminal has refused, 0 none.
	Ask, Asked, Refused uint32
}

// wish is the terminal's, as far as it is known.
func (l *SessionLine) wish() Direction {
	if l.Wish == "" {
		return l.Direction.Reverse()
	}
	return l.Wish
}

// asks notes what the terminal wishes now, and whether it has begun to want more.
func (l *SessionLine) asks(now Direction) {
	before := l.Wish
	if before == "" {
		before = Inactive
	}
	if now.Sends() && !before.Sends() || now.Receives() && !before.Receives() {
		l.Ask++
	}
	l.Wish = now
}

// extensionID gives the id of an extension on a line, 0 if it is not in use.
func (l *SessionLine) extensionID(uri string) uint8 {
	for _, e := range l.Extensions {
		if e.URI == uri {
			return e.ID
		}
	}
	return 0
}

// ExtensionID gives the id of an extension on a line, 0 if it is not in use.
func (l *SessionLine) ExtensionID(uri string) uint8 { return l.extensionID(uri) }

// StreamID is the id of the stream that a line of ours belongs to.
func (s *Session) StreamID(line int) string {
	return "tandem-" + formatID(s.OriginID) + "-" + formatInt(s.Lines[line].Group)
}

// TrackID is the id of the track of a line of ours.
func (s *Session) TrackID(line int) string {
	return "tandem-" + formatID(s.OriginID) + "-" + s.Lines[line].Kind + "-" + formatInt(line)
}

// CNAME is the RTCP name of our end (RFC 8834 section 4.9), one for the leg.
func (s *Session) CNAME() string { return "tandem-" + formatID(s.OriginID) }

// Skeleton gives what a later description for the same terminal must repeat.
func (s *Session) Skeleton() *callv1.Skeleton {
	k := &callv1.Skeleton{OriginId: s.OriginID, OriginVersion: s.OriginVersion}
	if s.Complete {
		k.DtlsRole = s.Setup
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		m := &callv1.MLine{Kind: l.Kind, Mid: l.MID, Rejected: l.Rejected, Direction: string(l.Direction)}
		if l.Rejected {
			m.Direction = string(Inactive)
		}
		for _, c := range l.Codecs {
			m.Codecs = append(m.Codecs, &callv1.Codec{
				PayloadType: uint32(c.PayloadType), Name: c.Name, ClockRate: c.ClockRate,
				Channels: uint32(c.Channels), Fmtp: c.Fmtp, RtcpFb: slices.Clone(c.Feedback),
			})
			if c.RTX != 0 {
				m.Codecs = append(m.Codecs, &callv1.Codec{
					PayloadType: uint32(c.RTX), Name: "rtx", ClockRate: c.ClockRate,
					Fmtp: "apt=" + formatInt(int(c.PayloadType)),
				})
			}
		}
		for _, e := range l.Extensions {
			m.Extensions = append(m.Extensions, &callv1.Extension{Id: uint32(e.ID), Uri: e.URI})
		}
		if l.SSRC != 0 {
			m.Ssrcs = append(m.Ssrcs, l.SSRC)
			m.Msid = s.StreamID(i) + " " + s.TrackID(i)
		}
		if l.RTX != 0 {
			m.Ssrcs = append(m.Ssrcs, l.RTX)
		}
		k.MLines = append(k.MLines, m)
	}
	return k
}

// Clone copies a session deeply enough for its lines to be changed.
func (s *Session) Clone() *Session {
	c := *s
	c.Lines = slices.Clone(s.Lines)
	for i := range c.Lines {
		c.Lines[i].Codecs = slices.Clone(c.Lines[i].Codecs)
	}
	return &c
}

// usable reports whether any line carries media.
func (s *Session) usable() bool {
	return slices.ContainsFunc(s.Lines, func(l SessionLine) bool { return !l.Rejected })
}

func hasPrimary(codecs []Codec) bool {
	return slices.ContainsFunc(codecs, func(c Codec) bool { return !strings.EqualFold(c.Name, TelephoneEvent) })
}
