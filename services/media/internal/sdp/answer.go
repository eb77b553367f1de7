package sdp

import (
	"fmt"
	"slices"
	"strings"
)

// Answer makes the answer to a terminal's offer within what the other terminal
// can do: only codecs of both, in the other terminal's order of preference,
// directions that both allow. What cannot be is refused with port 0 and keeps
// its slot. prior is the leg's last session, or nil. Error: ErrNotAcceptable.
func Answer(offer *Description, peer Bounds, prior *Session, originID uint64) (*Session, error) {
	s := &Session{
		OriginID: originID, OriginVersion: 1, Complete: true, Setup: Active,
		Grouped: offer.Grouped, Remote: offer.Transport,
	}
	if prior != nil {
		s.OriginID, s.OriginVersion = prior.OriginID, prior.OriginVersion+1
	}
	if offer.Transport.Setup == Active { // RFC 5763 section 5: then we must be passive
		s.Setup = Passive
	}
	groups := groupsOf(peer)
	for i := range offer.Lines {
		o := &offer.Lines[i]
		l := SessionLine{
			Kind: o.Kind, Proto: o.Proto, Formats: o.Formats, MID: o.MID, Slot: o.Slot,
			Direction: Inactive, Rejected: true,
		}
		if b := peer.of(o.Slot); o.Usable && b != nil {
			l.Codecs = commonCodecs(o.Codecs, b.Codecs)
			if l.Rejected = !hasPrimary(l.Codecs); !l.Rejected {
				l.Direction = o.Direction.Reverse().And(b.Direction)
				l.Extensions = commonExtensions(o.Extensions, b.Extensions)
				l.Streams, l.PeerStreamID = o.Streams, o.StreamID
				l.Group = groups[b.StreamID]
			} else {
				l.Codecs = nil
			}
		}
		s.Lines = append(s.Lines, l)
	}
	if !s.usable() {
		return nil, fmt.Errorf("%w: the two terminals have none in common", ErrNotAcceptable)
	}
	return s, nil
}

// commonCodecs keeps the offer's numbers and the other terminal's order. What we
// say we receive is what the other terminal receives.
func commonCodecs(offered, peer []Codec) []Codec {
	var list []Codec
	for _, p := range peer {
		i := slices.IndexFunc(offered, func(o Codec) bool { return o.Key == p.Key })
		if i < 0 || slices.ContainsFunc(list, func(c Codec) bool { return c.Key == p.Key }) {
			continue
		}
		c := offered[i]
		c.PeerFmtp, c.Fmtp = c.Fmtp, p.Fmtp
		list = append(list, c)
	}
	return list
}

func commonExtensions(offered []Extension, peer []string) []Extension {
	var list []Extension
	for _, e := range offered {
		if IsHop(e.URI) || slices.Contains(peer, e.URI) {
			list = append(list, e)
		}
	}
	return list
}

// Accept takes a terminal's answer to our offer and gives the completed session.
// Errors: ErrMismatch, ErrNotAcceptable.
func (s *Session) Accept(answer *Description) (*Session, error) {
	if len(answer.Lines) != len(s.Lines) {
		return nil, fmt.Errorf("%w: %d media lines for %d", ErrMismatch, len(answer.Lines), len(s.Lines))
	}
	n := s.Clone()
	n.Complete, n.Remote, n.Setup = true, answer.Transport, Active
	if answer.Transport.Setup == Active {
		// We offered active, so this is wrong, but such a peer then waits for nobody.
		n.Setup = Passive
	}
	for i := range n.Lines {
		l, a := &n.Lines[i], &answer.Lines[i]
		if a.Kind != l.Kind {
			return nil, fmt.Errorf("%w: line %d is of another kind", ErrMismatch, i)
		}
		if a.MID != "" && a.MID != l.MID {
			return nil, fmt.Errorf("%w: line %d has another mid", ErrMismatch, i)
		}
		codecs := acceptedCodecs(l.Codecs, a.Codecs)
		if l.Rejected || !a.Usable || !hasPrimary(codecs) {
			l.Rejected, l.Direction, l.Codecs, l.Extensions = true, Inactive, nil, nil
			continue
		}
		l.Codecs = codecs
		l.Direction = l.Direction.And(a.Direction.Reverse())
		l.Extensions = slices.DeleteFunc(slices.Clone(l.Extensions), func(e Extension) bool { return !slices.Contains(a.Extensions, e) })
		l.Streams, l.PeerStreamID = a.Streams, a.StreamID
	}
	if !n.usable() {
		return nil, fmt.Errorf("%w: the answer refuses every line", ErrNotAcceptable)
	}
	return n, nil
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
