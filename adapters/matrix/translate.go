package matrix

import (
	"strings"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Everything in this file is pure.

// Reasons of m.call.hangup. The last two are not in the specification's list;
// clients know them: without the one a call that somebody else of the household
// took is shown as missed, the other is what settles calls that cross.
const (
	reasonICEFailed     = "ice_failed"
	reasonInviteTimeout = "invite_timeout"
	reasonUserHangup    = "user_hangup"
	reasonMediaFailed   = "user_media_failed"
	reasonUserBusy      = "user_busy"
	reasonUnknown       = "unknown_error"
	reasonElsewhere     = "answered_elsewhere"
	reasonReplaced      = "replaced"
)

// hangupReason says why a call ended, in Matrix's words.
func hangupReason(r callv1.Reason) string {
	switch r {
	case callv1.Reason_REASON_BUSY:
		return reasonUserBusy
	case callv1.Reason_REASON_NO_ANSWER:
		return reasonInviteTimeout
	case callv1.Reason_REASON_ANSWERED_ELSEWHERE:
		return reasonElsewhere
	case callv1.Reason_REASON_MEDIA_FAILED:
		return reasonICEFailed
	case callv1.Reason_REASON_NOT_ACCEPTABLE:
		return reasonMediaFailed
	case callv1.Reason_REASON_NOT_FOUND, callv1.Reason_REASON_UNREACHABLE, callv1.Reason_REASON_FORBIDDEN,
		callv1.Reason_REASON_OVERLOAD, callv1.Reason_REASON_TERMINAL_LOST, callv1.Reason_REASON_INTERNAL:
		return reasonUnknown
	case callv1.Reason_REASON_UNSPECIFIED, callv1.Reason_REASON_NORMAL, callv1.Reason_REASON_DECLINED,
		callv1.Reason_REASON_CANCELLED, callv1.Reason_REASON_EXPIRED, callv1.Reason_REASON_TRANSFERRED:
	}
	return reasonUserHangup
}

// endReason reads why a client ended its call. answered and called say where the
// call stands: only who is called can be busy or decline.
func endReason(text string, answered, called bool) callv1.Reason {
	switch text {
	case reasonICEFailed, "ice_timeout", reasonMediaFailed:
		return callv1.Reason_REASON_MEDIA_FAILED
	}
	switch {
	case answered || !called:
		return callv1.Reason_REASON_UNSPECIFIED // the state decides
	case text == reasonUserBusy:
		return callv1.Reason_REASON_BUSY
	}
	return callv1.Reason_REASON_DECLINED
}

// reasonOfCode is why a call that was refused with a code did not come about.
func reasonOfCode(c callv1.Code) callv1.Reason {
	switch c {
	case callv1.Code_CODE_BUSY:
		return callv1.Reason_REASON_BUSY
	case callv1.Code_CODE_REJECTED:
		return callv1.Reason_REASON_DECLINED
	case callv1.Code_CODE_NOT_FOUND:
		return callv1.Reason_REASON_NOT_FOUND
	case callv1.Code_CODE_GONE:
		return callv1.Reason_REASON_UNREACHABLE
	case callv1.Code_CODE_NOT_ACCEPTABLE, callv1.Code_CODE_UNSUPPORTED:
		return callv1.Reason_REASON_NOT_ACCEPTABLE
	case callv1.Code_CODE_UNAUTHENTICATED, callv1.Code_CODE_FORBIDDEN:
		return callv1.Reason_REASON_FORBIDDEN
	case callv1.Code_CODE_RETRY, callv1.Code_CODE_RATE_LIMITED, callv1.Code_CODE_OVERLOAD:
		return callv1.Reason_REASON_OVERLOAD
	}
	return callv1.Reason_REASON_INTERNAL
}

// canonicalCandidates turns an m.call.candidates.
func canonicalCandidates(c content) *callv1.Candidates {
	out := &callv1.Candidates{End: c.End}
	for _, w := range c.Candidates {
		out.Candidates = append(out.Candidates, &callv1.Candidate{
			Candidate: w.candidate, Mid: w.mid, MLine: w.mLine, Ufrag: ufragOf(w.candidate),
		})
	}
	return out
}

// ufragOf finds the ufrag extension of a candidate (RFC 8839 section 5.1: pairs of
// names and values follow the candidate's type).
func ufragOf(s string) string {
	words := strings.Fields(s)
	for i := 8; i+1 < len(words); i += 2 {
		if words[i] == "ufrag" {
			return words[i+1]
		}
	}
	return ""
}

// metadataOf describes the streams of a description of ours: a client that has
// been told of any ignores streams that it was not told of (MSC3077). A kind that
// a stream does not send at present is muted. A further stream with video is a screen
// that is shared, which clients show in place of the camera's picture.
func metadataOf(sdp string) map[string]streamMetadata {
	type sends struct{ audio, video, screen bool }
	streams := map[string]sends{}
	var kind, direction, camera string
	var ids []string
	flush := func() {
		on := direction != "recvonly" && direction != "inactive"
		for _, id := range ids {
			s := streams[id]
			s.audio = s.audio || on && kind == "audio"
			s.video = s.video || on && kind == "video"
			if kind == "video" && camera == "" {
				camera = id
			}
			s.screen = s.screen || kind == "video" && id != camera
			streams[id] = s
		}
		ids, direction = nil, ""
	}
	for line := range strings.Lines(sdp) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "m="):
			flush()
			kind, _, _ = strings.Cut(line[2:], " ")
		case line == "a=sendrecv", line == "a=sendonly", line == "a=recvonly", line == "a=inactive":
			direction = line[2:]
		case strings.HasPrefix(line, "a=msid:"):
			id, _, _ := strings.Cut(line[len("a=msid:"):], " ")
			ids = addID(ids, id)
		case strings.HasPrefix(line, "a=ssrc:"):
			if _, msid, ok := strings.Cut(line, " msid:"); ok {
				id, _, _ := strings.Cut(msid, " ")
				ids = addID(ids, id)
			}
		}
	}
	flush()
	if len(streams) == 0 {
		return nil
	}
	out := make(map[string]streamMetadata, len(streams))
	for id, s := range streams {
		purpose := "m.usermedia"
		if s.screen {
			purpose = "m.screenshare"
		}
		out[id] = streamMetadata{Purpose: purpose, AudioMuted: !s.audio, VideoMuted: !s.video}
	}
	return out
}

func addID(ids []string, id string) []string {
	if id == "" || id == "-" {
		return ids
	}
	for _, known := range ids {
		if known == id {
			return ids
		}
	}
	return append(ids, id)
}

// capabilitiesOf says what a description of ours can do: digits travel in RTP.
func capabilitiesOf(sdp string) wireCapabilities {
	return wireCapabilities{DTMF: strings.Contains(sdp, "telephone-event")}
}

// shownAddress is the address by which a Matrix user knows a party: its first one
// that is not a Matrix user itself, since that is whom a ghost stands for.
func shownAddress(p *callv1.Party) (schema.Address, bool) {
	for _, a := range shownAddresses(p) {
		return a, true
	}
	return schema.Address{}, false
}

// shownAddresses are all that a ghost could stand for, the preferred one first.
func shownAddresses(p *callv1.Party) (out []schema.Address) {
	for _, s := range p.GetAddresses() {
		if a, err := schema.ParseAddress(s); err == nil && !a.IsMatrix() {
			out = append(out, a)
		}
	}
	return out
}

// shownName is what a Matrix user sees as a party's name.
func shownName(p *callv1.Party) string {
	if p.GetDisplayName() != "" {
		return p.GetDisplayName()
	}
	a, ok := shownAddress(p)
	switch {
	case !ok:
		return "Unknown caller"
	case a.IsTel():
		return a.E164()
	}
	return a.AOR()
}
