package sdp

import (
	"strconv"
	"strings"
)

// DefaultCodecs are the codec names that are forwarded, lower case. Others are
// left out of every description.
func DefaultCodecs() []string {
	return []string{"opus", "g722", "pcmu", "pcma", "telephone-event", "vp8", "vp9", "h264", "av1"}
}

// registered gives a codec's name as it is registered. Names mean the same in any
// case (RFC 4855 section 3), but not every terminal knows that.
func registered(name string) string {
	switch lower := strings.ToLower(name); lower {
	case "opus", TelephoneEvent:
		return lower
	case "g722", "pcmu", "pcma", "vp8", "vp9", "h264", "av1":
		return strings.ToUpper(name)
	}
	return name
}

// TelephoneEvent is the encoding name of RFC 4733 events.
const TelephoneEvent = "telephone-event"

// Feedback messages by name.
const (
	FeedbackNack        = "nack"
	FeedbackPLI         = "nack pli"
	FeedbackFIR         = "ccm fir"
	FeedbackREMB        = "goog-remb"
	FeedbackTransportCC = "transport-cc"
)

// feedbackFor is what we can do ourselves on a leg, whatever the other does:
// retransmit, ask for a key frame, report bandwidth.
func feedbackFor(kind string) []string {
	if kind == Video {
		return []string{FeedbackREMB, FeedbackTransportCC, FeedbackFIR, FeedbackNack, FeedbackPLI}
	}
	return nil
}

// Header extensions by URI.
const (
	ExtensionMID          = "urn:ietf:params:rtp-hdrext:sdes:mid"
	ExtensionAbsSendTime  = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
	ExtensionTransportCC  = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	extensionAudioLevel   = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
	extensionCaptureTime  = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
	extensionOrientation  = "urn:3gpp:video-orientation"
	extensionPlayoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
	extensionContentType  = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"
)

// knownExtension is one we understand. Its id in offers we make is fixed, so
// that it stays the same over a leg's life and from node to node: an answerer
// treats a changed id as an error.
type knownExtension struct {
	uri          string
	id           uint8
	audio, video bool
	// hop extensions are made new on each leg; the others are forwarded, and
	// so only used where both terminals know them.
	hop bool
}

func knownExtensions() []knownExtension {
	return []knownExtension{
		{ExtensionMID, 1, true, true, true},
		{ExtensionAbsSendTime, 2, false, true, true},
		{ExtensionTransportCC, 3, false, true, true},
		{extensionAudioLevel, 4, true, false, false},
		{extensionCaptureTime, 5, true, true, false},
		{extensionOrientation, 6, false, true, false},
		{extensionPlayoutDelay, 7, false, true, false},
		{extensionContentType, 8, false, true, false},
	}
}

func extensionFor(uri, kind string) (knownExtension, bool) {
	for _, k := range knownExtensions() {
		if k.uri == uri && (kind == Audio && k.audio || kind == Video && k.video) {
			return k, true
		}
	}
	return knownExtension{}, false
}

// IsHop reports whether an extension is made new on each leg rather than
// forwarded.
func IsHop(uri string) bool {
	for _, k := range knownExtensions() {
		if k.uri == uri {
			return k.hop
		}
	}
	return true
}

// keyOf makes the identity of a codec: what must be equal for one terminal's
// packets to be decodable by another that described it so too.
func keyOf(name string, clock uint32, channels uint16, fmtp string) string {
	name = strings.ToLower(name)
	if channels == 0 {
		channels = 1
	}
	key := name + "/" + strconv.FormatUint(uint64(clock), 10) + "/" + strconv.FormatUint(uint64(channels), 10)
	switch name {
	case "h264":
		// RFC 6184 section 8.2.2: packetization mode and profile must be symmetric.
		return key + "/" + orDefault(parameter(fmtp, "packetization-mode"), "0") + "/" +
			h264Profile(orDefault(parameter(fmtp, "profile-level-id"), "42000a"))
	case "vp9": // RFC 9628 section 7
		return key + "/" + orDefault(parameter(fmtp, "profile-id"), "0")
	case "av1": // RTP payload format for AV1, section 7.2
		return key + "/" + orDefault(parameter(fmtp, "profile"), "0")
	case "h265": // RFC 7798 section 7.1
		return key + "/" + orDefault(parameter(fmtp, "profile-id"), "1") + "/" +
			orDefault(parameter(fmtp, "tier-flag"), "0") + "/" + orDefault(parameter(fmtp, "tx-mode"), "SRST")
	default:
		return key
	}
}

// h264Profile gives a profile without its level; the several ways to write
// Constrained Baseline are one (RFC 6184 section 8.1, table 5).
func h264Profile(profileLevelID string) string {
	v, err := strconv.ParseUint(profileLevelID, 16, 32)
	if err != nil || len(profileLevelID) != 6 {
		return "?" + profileLevelID
	}
	idc, iop := v>>16, v>>8&0xff
	switch {
	case idc == 0x42 && iop&0x40 != 0, idc == 0x4d && iop&0x80 != 0, idc == 0x58 && iop&0xc0 == 0xc0:
		return "constrained-baseline"
	case idc == 0x42, idc == 0x58 && iop&0xc0 == 0x80:
		return "baseline"
	default:
		return strconv.FormatUint(v>>8, 16)
	}
}

// parameter gives one parameter of a format's fmtp.
func parameter(fmtp, name string) string {
	for p := range strings.SplitSeq(fmtp, ";") {
		k, v, ok := strings.Cut(strings.TrimSpace(p), "=")
		if ok && strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// staticCodec gives the formats that need no rtpmap (RFC 3551 table 4).
func staticCodec(pt uint8) (name string, clock uint32, ok bool) {
	switch pt {
	case 0:
		return "PCMU", 8000, true
	case 8:
		return "PCMA", 8000, true
	case 9:
		return "G722", 8000, true
	default:
		return "", 0, false
	}
}
