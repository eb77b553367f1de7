package step

import (
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// kind is a command's body type.
type kind int

const (
	offer kind = iota
	ringing
	answer
	hangUp
	legFailed
	mediaConnected
	mediaFailed
	handOver
	terminalAttached
	deadlinePassed
	pull
	push
	reoffer
	refuseReoffer
	unknown
)

func kindOf(c *callv1.Command) kind {
	switch c.GetBody().(type) {
	case *callv1.Command_Offer:
		return offer
	case *callv1.Command_Ringing:
		return ringing
	case *callv1.Command_Answer:
		return answer
	case *callv1.Command_HangUp:
		return hangUp
	case *callv1.Command_LegFailed:
		return legFailed
	case *callv1.Command_MediaConnected:
		return mediaConnected
	case *callv1.Command_MediaFailed:
		return mediaFailed
	case *callv1.Command_HandOver:
		return handOver
	case *callv1.Command_TerminalAttached:
		return terminalAttached
	case *callv1.Command_DeadlinePassed:
		return deadlinePassed
	case *callv1.Command_Pull:
		return pull
	case *callv1.Command_Push:
		return push
	case *callv1.Command_Reoffer:
		return reoffer
	case *callv1.Command_RefuseReoffer:
		return refuseReoffer
	}
	return unknown
}
