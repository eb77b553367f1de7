package kit

import callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"

// ReasonFor is why a leg ended whose terminal refused an event, or whose
// command was refused, with a code.
func ReasonFor(c callv1.Code) callv1.Reason {
	switch c {
	case callv1.Code_CODE_REJECTED:
		return callv1.Reason_REASON_DECLINED
	case callv1.Code_CODE_NOT_FOUND:
		return callv1.Reason_REASON_NOT_FOUND
	case callv1.Code_CODE_UNAUTHENTICATED, callv1.Code_CODE_FORBIDDEN:
		return callv1.Reason_REASON_FORBIDDEN
	case callv1.Code_CODE_UNSUPPORTED, callv1.Code_CODE_NOT_ACCEPTABLE:
		return callv1.Reason_REASON_NOT_ACCEPTABLE
	case callv1.Code_CODE_BUSY:
		return callv1.Reason_REASON_BUSY
	case callv1.Code_CODE_RATE_LIMITED, callv1.Code_CODE_OVERLOAD, callv1.Code_CODE_RETRY:
		return callv1.Reason_REASON_OVERLOAD
	case callv1.Code_CODE_GONE:
		return callv1.Reason_REASON_UNREACHABLE
	}
	return callv1.Reason_REASON_INTERNAL
}

// commandName is what a command asks, as a label.
func commandName(c *callv1.Command) string {
	switch c.GetBody().(type) {
	case *callv1.Command_Offer:
		return "offer"
	case *callv1.Command_Ringing:
		return "ringing"
	case *callv1.Command_Answer:
		return "answer"
	case *callv1.Command_HangUp:
		return "hang-up"
	case *callv1.Command_LegFailed:
		return "leg-failed"
	case *callv1.Command_Pull:
		return "pull"
	case *callv1.Command_Reoffer:
		return "reoffer"
	case *callv1.Command_Push:
		return "push"
	case *callv1.Command_RefuseReoffer:
		return "refuse-reoffer"
	}
	return "other"
}

// eventName is what an event says, as a label.
func eventName(e *callv1.Event) string {
	switch e.GetBody().(type) {
	case *callv1.Event_Incoming:
		return "incoming"
	case *callv1.Event_Alerting:
		return "alerting"
	case *callv1.Event_Answered:
		return "answered"
	case *callv1.Event_Established:
		return "established"
	case *callv1.Event_Ended:
		return "ended"
	case *callv1.Event_Probe:
		return "probe"
	case *callv1.Event_Reoffer:
		return "reoffer"
	case *callv1.Event_PushFailed:
		return "push-failed"
	case *callv1.Event_InCall:
		return "in-call"
	case *callv1.Event_Idle:
		return "idle"
	}
	return "other"
}
