package stubmedia

import (
	"slices"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// flow says which ways media goes, seen from whoever describes it.
type flow struct{ send, receive bool }

// within is what of a flow the other end, as it sees it, lets be.
func (f flow) within(other flow) flow {
	return flow{f.send && other.receive, f.receive && other.send}
}

func (f flow) String() string {
	switch f {
	case flow{true, true}:
		return "sendrecv"
	case flow{true, false}:
		return "sendonly"
	case flow{false, true}:
		return "recvonly"
	}
	return "inactive"
}

// slot is one media description of a leg (RFC 3264 section 8: once there it stays
// in its place).
type slot struct {
	kind, mid, proto, format string
	codec                    string // as in rtpmap
	refused                  bool   // port 0
	asks                     bool   // the terminal offered it, or took it when asked
	wants                    flow   // what the terminal wants, as it sees it
	told                     flow   // what the terminal was told, as we see it
}

// first gives the slot of a kind that carries media: one of each is bridged.
func first(slots []slot, kind string) *slot {
	for i := range slots {
		if slots[i].kind == kind && !slots[i].refused {
			return &slots[i]
		}
	}
	return nil
}

// usable reports whether there is audio to be had: without it there is no call.
func usable(slots []slot) bool { return first(slots, "audio") != nil }

// offered gives what a leg's terminal is offered of another leg: its slots as they
// are, each with what the other side wants now, and a new one for a kind that it
// does not have yet.
func offered(slots, from []slot, f *callv1.Features) []slot {
	out := slices.Clone(slots)
	for _, kind := range []string{"audio", "video"} {
		theirs, wants := first(from, kind), flow{}
		if theirs != nil {
			wants = theirs.wants
		}
		i := slices.IndexFunc(out, func(s slot) bool { return s.kind == kind })
		switch {
		case i < 0 && theirs != nil && (kind == "audio" || f.GetVideo()):
			out = append(out, ours(kind, len(out), wants))
		case i < 0, out[i].refused && (theirs == nil || !theirs.asks): // it wants none of it
		case out[i].refused:
			out[i].told, out[i].refused, out[i].wants = wants, false, flow{true, true}
		default:
			out[i].told = wants.within(out[i].wants)
		}
	}
	return out
}

// ours is a slot of our making. What the terminal wants that is not asked yet it is
// taken to want all the same.
func ours(kind string, at int, told flow) slot {
	s := slot{
		kind: kind, mid: string(rune('0' + at)), proto: "UDP/TLS/RTP/SAVPF", format: "111", codec: "opus/48000/2",
		wants: flow{true, true}, told: told,
	}
	if kind == "video" {
		s.format, s.codec = "96", "VP8/90000"
	}
	return s
}

// answered gives the slots of a terminal's offer with what it is answered: what the
// other side wants of it now. A kind that the other side has not, but could have,
// is inactive until it has.
func answered(offer, peer []slot, peers *callv1.Features, anew bool) []slot {
	out := slices.Clone(offer)
	for i := range out {
		s := &out[i]
		if s.refused || first(out, s.kind) != s {
			s.refused = true
			continue
		}
		theirs := first(peer, s.kind)
		switch {
		case theirs != nil:
			s.told = theirs.wants.within(s.wants)
		case anew && s.kind == "video" && peers.GetVideo():
			s.told = flow{}
		default:
			s.refused, s.told = true, flow{}
		}
	}
	return out
}

// taken gives the slots that were offered with what the terminal answers. It cannot
// answer what it was not asked, so it wants of that what it wanted before.
func taken(offer, answer []slot) []slot {
	out := slices.Clone(offer)
	for i := range out {
		s := &out[i]
		if i >= len(answer) || answer[i].refused {
			s.refused, s.asks, s.wants = true, false, flow{}
			continue
		}
		if s.told.send {
			s.wants.receive = answer[i].wants.receive
		}
		if s.told.receive {
			s.wants.send = answer[i].wants.send
		}
		s.format, s.asks = answer[i].format, s.told != flow{}
	}
	return out
}

// sameWants reports whether two states of a leg are the same to the other side.
func sameWants(a, b []slot) bool {
	for _, kind := range []string{"audio", "video"} {
		x, y := first(a, kind), first(b, kind)
		if (x == nil) != (y == nil) || x != nil && x.wants != y.wants {
			return false
		}
	}
	return true
}

// sameTold reports whether a terminal would be told nothing new.
func sameTold(a, b []slot) bool {
	return slices.EqualFunc(a, b, func(x, y slot) bool { return x.told == y.told && x.refused == y.refused })
}

// skeleton is what a leg has negotiated.
func skeleton(slots []slot) *callv1.Skeleton {
	s := &callv1.Skeleton{DtlsRole: "active"}
	for _, l := range slots {
		s.MLines = append(s.MLines, &callv1.MLine{Kind: l.kind, Mid: l.mid, Rejected: l.refused, Direction: l.told.String()})
	}
	return s
}
