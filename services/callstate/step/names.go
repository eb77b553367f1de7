package step

import (
	"strings"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// CommandName names a command's body for logs and metrics: "offer".
func CommandName(c *callv1.Command) string {
	switch kindOf(c) {
	case offer:
		return "offer"
	case ringing:
		return "ringing"
	case answer:
		return "answer"
	case hangUp:
		return "hang-up"
	case legFailed:
		return "leg-failed"
	case mediaConnected:
		return "media-connected"
	case mediaFailed:
		return "media-failed"
	case handOver:
		return "hand-over"
	case terminalAttached:
		return "terminal-attached"
	case deadlinePassed:
		return "deadline-passed"
	case pull:
		return "pull"
	case push:
		return "push"
	case reoffer:
		return "re-offer"
	case refuseReoffer:
		return "refuse-re-offer"
	}
	return "unknown"
}

// StateName names a call's state for logs: "ringing".
func StateName(c *callv1.CallRecord) string {
	return strings.ToLower(strings.TrimPrefix(c.GetState().String(), "CALL_STATE_"))
}

// ReasonName names a reason for people: "no answer". Metrics and traces have
// schema.ReasonName.
func ReasonName(r callv1.Reason) string { return reasonName(r) }
