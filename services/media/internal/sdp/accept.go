package sdp

import (
	"fmt"
	"slices"
	"strings"
)

// Accept takes a terminal's answer to our offer and gives the completed session.
// Errors: ErrMismatch, ErrNotAcceptable.
func (s *Session) Accept(answer *Description) (*Session, error) {
	if len(answer.Lines) != len(s.Lines) {
		return nil, fmt.Errorf("%w: %d media lines for %d", ErrMismatch, len(answer.Lines), len(s.Lines))
	}
	running := s.Remote.complete() && answer.Usable() && answer.Continues(s)
	if running && answer.Transport.Restarts(s.Remote) {
		// RFC 8839 section 4.4.1.1.1: only an offer restarts ICE.
		return nil, fmt.Errorf("%w: new ICE credentials in an answer", ErrMismatch)
	}
	n := s.Clone()
	n.Complete, n.Remote = true, answer.Transport
	if !running {
		n.Setup = Active
		if answer.Transport.Setup == Active { // as browsers choose
			n.Setup = Passive
		}
	}
	for i := range n.Lines {
		l, a := &n.Lines[i], &answer.Lines[i]
		if a.Kind != l.Kind {
			return nil, fmt.Errorf("%w: line %d is of another kind", ErrMismatch, i)
		}
		if a.MID != "" && a.MID != l.MID {
			return nil, fmt.Errorf("%w: line %d has another mid", ErrMismatch, i)
		}
		l.accept(a)
	}
	if !n.usable() {
		return nil, fmt.Errorf("%w: the answer refuses every line", ErrNotAcceptable)
	}
	n.remember()
	n.used.learn(answer)
	return n, nil
}

// accept takes one line's answer.
func (l *SessionLine) accept(a *Line) {
	if l.Rejected {
		return
	}
	codecs := acceptedCodecs(l.Codecs, a.Codecs)
	if !a.Usable || !hasPrimary(codecs) {
		l.Rejected, l.Direction, l.Codecs, l.Extensions = true, Inactive, nil, nil
		l.Streams, l.SSRC, l.RTX, l.Wish = nil, 0, 0, ""
		l.Refused = l.Asked
		return
	}
	l.Refused = 0
	l.Codecs = codecs
	l.asks(l.answered(a.Direction))
	l.Direction = l.Direction.And(a.Direction.Reverse())
	l.Extensions = slices.DeleteFunc(slices.Clone(l.Extensions), func(e Extension) bool { return !slices.Contains(a.Extensions, e) })
	l.Streams, l.PeerStreamID = a.Streams, a.StreamID
}

// answered gives what an answer says about the terminal's wish: nothing about
// what it was not asked to do, which it may do as before.
func (l *SessionLine) answered(a Direction) Direction {
	before := l.Wish
	if before == "" {
		before = SendRecv
	}
	sends, receives := before.Sends(), before.Receives()
	if l.Direction.Receives() {
		sends = a.Sends()
	}
	if l.Direction.Sends() {
		receives = a.Receives()
	}
	return directionOf(sends, receives)
}

// acceptedCodecs keeps the answer's order. A format counts under the number we
// offered it with.
func acceptedCodecs(offered, answered []Codec) []Codec {
	var list []Codec
	for _, a := range answered {
		i := slices.IndexFunc(offered, func(o Codec) bool {
			return o.PayloadType == a.PayloadType && strings.EqualFold(o.Name, a.Name) && o.ClockRate == a.ClockRate
		})
		if i < 0 {
			continue
		}
		c := offered[i]
		c.PeerFmtp = a.Fmtp
		if a.Fmtp == "" && c.Key != a.Key {
			// The answer leaves out what identifies the format: it means ours.
			c.PeerFmtp = c.Fmtp
		}
		c.Feedback = slices.DeleteFunc(slices.Clone(c.Feedback), func(f string) bool { return !a.Has(f) })
		if a.RTX != c.RTX {
			c.RTX = 0
		}
		list = append(list, c)
	}
	return list
}
