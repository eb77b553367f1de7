package sdp

import "slices"

// Kinds of media lines that can carry a call.
const (
	Audio = "audio"
	Video = "video"
)

// Direction of a media line, seen from whoever describes it.
type Direction string

// The four directions of RFC 8866 section 6.7.
const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

// Sends reports whether the describing side sends.
func (d Direction) Sends() bool { return d == SendRecv || d == SendOnly }

// Receives reports whether the describing side receives.
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }

// Reverse is the direction seen from the other side.
func (d Direction) Reverse() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	default:
		return d
	}
}

// directionOf makes a direction of its two halves.
func directionOf(sends, receives bool) Direction {
	switch {
	case sends && receives:
		return SendRecv
	case sends:
		return SendOnly
	case receives:
		return RecvOnly
	default:
		return Inactive
	}
}

// And is the largest direction within both.
func (d Direction) And(e Direction) Direction {
	return directionOf(d.Sends() && e.Sends(), d.Receives() && e.Receives())
}

// Slot names what a line is for, the same on both legs of a bridge: the nth
// usable line of its kind in the description of the leg that started.
type Slot struct {
	Kind string
	N    int
}

// Codec is one payload format on one leg.
type Codec struct {
	// PayloadType on this leg's wire.
	PayloadType uint8
	// Name as in rtpmap.
	Name string
	// ClockRate in Hz.
	ClockRate uint32
	// Channels; 0 where the rtpmap does not say.
	Channels uint16
	// Fmtp is what the describing side said it receives; for a Session's codec
	// what we said.
	Fmtp string
	// Key is equal for two codecs whose packets can be forwarded unchanged.
	Key string
	// Feedback are the RTCP feedback messages ("nack pli").
	Feedback []string
	// RTX is the payload type of the retransmission format (RFC 4588), 0: none.
	RTX uint8
	// PeerFmtp is what the terminal said it receives (Session only).
	PeerFmtp string
}

// Has reports whether a feedback message is in use.
func (c *Codec) Has(feedback string) bool { return slices.Contains(c.Feedback, feedback) }

// Extension is an RTP header extension (RFC 8285).
type Extension struct {
	ID  uint8
	URI string
}

// Stream is one source that a terminal declares it sends.
type Stream struct {
	SSRC uint32
	// RTX is its retransmission stream (RFC 5576 FID group), 0: none.
	RTX uint32
}

// Transport is a terminal's end of the leg's one transport.
type Transport struct {
	Ufrag, Pwd string
	// FingerprintHash is the hash ("sha-256"), Fingerprint the digest in hex
	// with colons.
	FingerprintHash, Fingerprint string
	// Setup is the DTLS role as written: "actpass", "active", "passive", or
	// empty.
	Setup string
	// Candidates as written, without "candidate:".
	Candidates []string
	// ICELite: the terminal only answers checks.
	ICELite bool
	// Origin is the session id of the o= line.
	Origin uint64
}

// Line is one media line as a terminal described it.
type Line struct {
	// Kind as written: "audio", "video", "application" or anything else.
	Kind string
	// Proto and Formats are echoed when the line is refused.
	Proto   string
	Formats []string
	MID     string
	// Usable: media that can be forwarded, over a transport we can use.
	Usable bool
	// Zero: the port is 0 and the line is not bundle-only (refused, disabled).
	Zero bool
	// Slot of a usable line.
	Slot       Slot
	Direction  Direction
	Codecs     []Codec
	Extensions []Extension
	Streams    []Stream
	// StreamID groups lines that belong together (RFC 8830 msid); may be empty.
	StreamID  string
	bundled   bool
	transport Transport
	rtcpMux   bool
	ids       []Extension // all of them, known or not
}

// Description is what a terminal said.
type Description struct {
	Lines []Line
	// Transport of the usable lines.
	Transport Transport
	// Grouped: the description has a BUNDLE group.
	Grouped bool

	perKind int
}

// Usable reports whether any line can carry media.
func (d *Description) Usable() bool {
	return slices.ContainsFunc(d.Lines, func(l Line) bool { return l.Usable })
}
