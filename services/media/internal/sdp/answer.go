package sdp

import (
	"fmt"
	"slices"
)

// Answer makes the answer to a terminal's offer within what the other terminal
// can do: only codecs of both, in the other terminal's order of preference,
// directions that both allow. What cannot be is refused with port 0 and keeps
// its slot. What the other terminal does not have, and could be offered, is
// answered inactive, so that the terminal keeps the line and can be offered it
// later. prior is the leg's running session, which the offer was aligned with, or
// nil. Error: ErrNotAcceptable.
func Answer(offer *Description, peer Bounds, prior *Session, originID uint64) (*Session, error) {
	s := &Session{
		OriginID: originID, OriginVersion: 1, Complete: true, Setup: Active,
		Grouped: offer.Grouped, Remote: offer.Transport,
	}
	if offer.Transport.Setup == Active { // RFC 5763 section 5: then we must be passive
		s.Setup = Passive
	}
	if prior != nil {
		s.OriginID, s.OriginVersion, s.used = prior.OriginID, prior.OriginVersion+1, prior.used
		if offer.Continues(prior) {
			s.Setup = prior.Setup
		}
	}
	groups := groupsOf(peer)
	usable := false
	for i := range offer.Lines {
		o := &offer.Lines[i]
		l, live := answerLine(o, prior.before(i, o), prior.asked(o.Slot), peer, prior != nil)
		if b := peer.of(l.Slot); b != nil {
			l.Group = groups[b.StreamID]
		}
		usable = usable || live || prior != nil && !l.Rejected
		s.Lines = append(s.Lines, l)
	}
	if !usable {
		return nil, fmt.Errorf("%w: the two terminals have none in common", ErrNotAcceptable)
	}
	s.remember()
	s.used.learn(offer)
	return s, nil
}

// answerLine decides about one line, which may have been there before, in a slot
// with an Ask so far; live tells that the terminals have a codec in common.
func answerLine(o *Line, before *SessionLine, ask uint32, peer Bounds, running bool) (l SessionLine, live bool) {
	l = SessionLine{
		Kind: o.Kind, Proto: o.Proto, Formats: o.Formats, MID: o.MID, Slot: o.Slot,
		Direction: Inactive, Rejected: true, Ask: ask,
	}
	if before != nil {
		l.Asked, l.Refused = before.Asked, before.Refused
		if l.Slot.Kind == "" {
			l.Slot = before.Slot
		}
	}
	b := peer.of(l.Slot)
	if !o.Usable {
		if b != nil && before != nil && !before.Rejected {
			l.Refused = b.Ask // taken out by the terminal itself
		}
		return l, false
	}
	l.Refused = 0
	if before != nil && !before.Rejected {
		l.SSRC, l.RTX, l.Wish = before.SSRC, before.RTX, before.Wish
	}
	l.asks(o.Direction)
	l.Streams, l.PeerStreamID = o.Streams, o.StreamID
	if b != nil {
		l.Codecs = commonCodecs(o.Codecs, b.Codecs)
		live = hasPrimary(l.Codecs)
	}
	switch {
	case live:
		l.Rejected = false
		l.Direction = o.Direction.Reverse().And(b.Direction)
		l.Extensions = commonExtensions(o.Extensions, b.Extensions)
	case peer.could(l.Slot, running):
		l.Rejected = false
		l.Codecs = commonCodecs(o.Codecs, o.Codecs)
		l.Extensions = commonExtensions(o.Extensions, nil)
	default:
		return SessionLine{
			Kind: l.Kind, Proto: l.Proto, Formats: l.Formats, MID: l.MID, Slot: l.Slot,
			Direction: Inactive, Rejected: true, Ask: l.Ask,
		}, false
	}
	return l, live
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
