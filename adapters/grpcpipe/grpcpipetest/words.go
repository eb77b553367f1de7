package grpcpipetest

import (
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// ShowsAtOpening: a terminal that signs in is told of the calls that its subscriber
// is in.
const ShowsAtOpening kittest.Ability = "shows calls at opening"

// Protocol says what the wire can say.
func Protocol(multi bool) kittest.Protocol {
	return kittest.Protocol{
		Cannot:  Cannot(multi),
		Shows:   func(callv1.Reason) callv1.Reason { return callv1.Reason_REASON_UNSPECIFIED },
		Refusal: Refusal,
	}
}

// Cannot names what a Pipe or a MultiPipe cannot say, each with the reason.
func Cannot(multi bool) map[kittest.Ability]string {
	cannot := map[kittest.Ability]string{
		kittest.Acks:             "requests have no answers; the protocol's own next message follows",
		kittest.HearsEstablished: "the terminal sees its own media connect",
		kittest.SaysBusy:         "Bye has no cause",
		kittest.SignsOut:         "ending the stream is all there is, in order or not",
		kittest.Trickles:         "candidates travel inside the SDP only",
		kittest.SignalsDTMF:      "digits travel in RTP (RFC 4733)",
		kittest.EarlyMedia:       "Ringing has no description",
		kittest.HearsEarlyMedia:  "Ringing has no description",
		kittest.Headers:          "messages have no headers",
	}
	if multi {
		cannot[ShowsAtOpening] = "a MultiPipe is told nothing on opening"
		return cannot
	}
	cannot[kittest.Names] = "call_id is ignored: a message means the current call"
	cannot[kittest.ManyCalls] = "a Pipe has one call at a time"
	return cannot
}

// CodeIn is what a terminal can tell from an Error.
func CodeIn(code wgtwo.Error_Code) callv1.Code {
	switch code {
	case wgtwo.Error_TRY_AGAIN:
		return callv1.Code_CODE_RETRY
	case wgtwo.Error_RATE_LIMIT_HIT:
		return callv1.Code_CODE_RATE_LIMITED
	case wgtwo.Error_INVALID_CALL_ID, wgtwo.Error_NOT_INCALL:
		return callv1.Code_CODE_NOT_FOUND
	}
	return callv1.Code_CODE_UNSUPPORTED
}

// Refusal is what a terminal hears when a request was refused with a code.
func Refusal(op kittest.Op, code callv1.Code) kittest.Heard {
	if code == callv1.Code_CODE_RATE_LIMITED && op != kittest.OpReject && op != kittest.OpHangUp {
		return kittest.Heard{What: kittest.Refused, Code: code}
	}
	says := map[kittest.Op]map[callv1.Code]callv1.Code{
		kittest.OpCall: {
			callv1.Code_CODE_RETRY: callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD: callv1.Code_CODE_RETRY,
			callv1.Code_CODE_CONFLICT: callv1.Code_CODE_RETRY,
		},
		kittest.OpAnswer: {
			callv1.Code_CODE_NOT_FOUND: callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN: callv1.Code_CODE_NOT_FOUND,
			callv1.Code_CODE_CONFLICT: callv1.Code_CODE_UNSUPPORTED, callv1.Code_CODE_REJECTED: callv1.Code_CODE_UNSUPPORTED,
		},
		kittest.OpRing: {
			callv1.Code_CODE_NOT_FOUND: callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN: callv1.Code_CODE_NOT_FOUND,
			callv1.Code_CODE_RETRY: 0, callv1.Code_CODE_OVERLOAD: 0, callv1.Code_CODE_ENDED: 0,
		},
		kittest.OpReoffer: {
			callv1.Code_CODE_RETRY: callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD: callv1.Code_CODE_RETRY,
			callv1.Code_CODE_CONFLICT: callv1.Code_CODE_RETRY, callv1.Code_CODE_ENDED: 0,
			callv1.Code_CODE_NOT_FOUND: callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN: callv1.Code_CODE_NOT_FOUND,
		},
		kittest.OpAnswerReoffer: {
			callv1.Code_CODE_RETRY: callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD: callv1.Code_CODE_RETRY,
			callv1.Code_CODE_ENDED:     0,
			callv1.Code_CODE_NOT_FOUND: callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN: callv1.Code_CODE_NOT_FOUND,
		},
		kittest.OpPull: {
			callv1.Code_CODE_RETRY: callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD: callv1.Code_CODE_RETRY,
			callv1.Code_CODE_CONFLICT:  callv1.Code_CODE_RETRY,
			callv1.Code_CODE_NOT_FOUND: callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN: callv1.Code_CODE_NOT_FOUND,
		},
	}[op]
	said, there := says[code]
	switch op {
	case kittest.OpRing, kittest.OpReoffer, kittest.OpAnswerReoffer:
		if !there {
			said = callv1.Code_CODE_UNSUPPORTED // Error UNKNOWN: the call goes on
		}
	case kittest.OpPush: // refused at once or in the end: the wire does not tell
		if code != callv1.Code_CODE_ENDED {
			return kittest.Heard{What: kittest.PushFailed}
		}
	case kittest.OpReject, kittest.OpHangUp:
		said = callv1.Code_CODE_NOT_FOUND
	}
	if said == 0 {
		return kittest.Heard{What: kittest.Ended}
	}
	return kittest.Heard{What: kittest.Refused, Code: said}
}
