package sylkrtctest

import (
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Cannot names what a version of the protocol cannot say, each with the reason.
func Cannot(version string) map[kittest.Ability]string {
	cannot := map[kittest.Ability]string{
		kittest.SaysBusy:        "session-terminate before the answer is a refusal, and gives no reason",
		kittest.ShowsCalls:      "no event tells of calls at other devices of the account",
		kittest.Pulls:           "no request takes over a call of another device",
		kittest.Pushes:          "no request gives a call to another device",
		kittest.RefusesReoffers: "an update that came can only be answered",
		kittest.EarlyMedia:      "a called client gives its description with its answer",
	}
	if version == V1 {
		cannot[kittest.HearsAlerting] = "sylkRTC-1 has no ringing"
		cannot[kittest.SignalsDTMF] = "sylkRTC-1 has no session-dtmf-info"
		cannot[kittest.Reoffers] = "sylkRTC-1 has no session-update"
		cannot[kittest.TakesReoffers] = "sylkRTC-1 has no session-update"
		cannot[kittest.HearsEarlyMedia] = "sylkRTC-1 has no early-media"
		cannot[kittest.Headers] = "sylkRTC-1 has no headers"
	}
	return cannot
}

// ReasonIn is what a client can tell from the reason of a session's end: applications
// look at the code in front, and some at these phrases.
func ReasonIn(text string) callv1.Reason {
	switch text {
	case "500 Media Failed":
		return callv1.Reason_REASON_MEDIA_FAILED
	case "200 Call Transferred":
		return callv1.Reason_REASON_TRANSFERRED
	}
	return map[string]callv1.Reason{
		"200": callv1.Reason_REASON_NORMAL, "403": callv1.Reason_REASON_FORBIDDEN, "404": callv1.Reason_REASON_NOT_FOUND,
		// The caller hears 408 of what the called hears as 487.
		"408": callv1.Reason_REASON_CANCELLED, "487": callv1.Reason_REASON_CANCELLED,
		"429": callv1.Reason_REASON_OVERLOAD, "503": callv1.Reason_REASON_OVERLOAD,
		"480": callv1.Reason_REASON_UNREACHABLE, "486": callv1.Reason_REASON_BUSY, "488": callv1.Reason_REASON_NOT_ACCEPTABLE,
		"500": callv1.Reason_REASON_INTERNAL, "904": callv1.Reason_REASON_FORBIDDEN,
	}[text[:min(3, len(text))]]
}

// CodeIn is what a client can tell from the text of an error reply, or from the
// reason of an update that failed.
func CodeIn(text string) callv1.Code {
	for prefix, code := range map[string]callv1.Code{
		"403 ": callv1.Code_CODE_FORBIDDEN, "429 ": callv1.Code_CODE_RATE_LIMITED, "488 ": callv1.Code_CODE_NOT_ACCEPTABLE,
		"491 ": callv1.Code_CODE_CONFLICT, "500 ": callv1.Code_CODE_INTERNAL, "501 ": callv1.Code_CODE_UNSUPPORTED,
		"503 ": callv1.Code_CODE_RETRY, "904 ": callv1.Code_CODE_UNAUTHENTICATED,
		"Internal": callv1.Code_CODE_INTERNAL, "Session ID": callv1.Code_CODE_CONFLICT, "Session ": callv1.Code_CODE_ENDED,
		"Invalid value": callv1.Code_CODE_INVALID, "Invalid state": callv1.Code_CODE_CONFLICT,
		"Unknown session": callv1.Code_CODE_NOT_FOUND, "Too many": callv1.Code_CODE_RATE_LIMITED,
		"Cannot answer": callv1.Code_CODE_REJECTED,
	} {
		if strings.HasPrefix(text, prefix) && (prefix != "Session " || !strings.HasPrefix(text, "Session ID")) {
			return code
		}
	}
	return callv1.Code_CODE_UNSPECIFIED
}
