package step

import (
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Kinds of the services that may send commands besides adapters.
const (
	// KindMedia is the media service.
	KindMedia = "media"
	// KindCallState is the call-state service.
	KindCallState = "callstate"
)

// errNoCall is what anybody gets who may not know whether a call exists: a
// call or leg of somebody else behaves exactly like one that is not there.
//
//nolint:gochecknoglobals // a sentinel
var errNoCall = schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such call")

// authorise decides whether the sender may speak for the leg it names: the
// sender is in the subject (so the bus's permissions bind it), the leg must be
// attached at that kind and node, and be the principal's.
func authorise(in Input) *schema.Error {
	k := kindOf(in.Command)
	switch in.From.GetKind() {
	case "":
		if k == terminalAttached || k == deadlinePassed || k == legFailed || k == mediaFailed || k == mediaConnected {
			return nil
		}
	case KindMedia:
		return authoriseMedia(in, k)
	case KindCallState:
		if k == handOver {
			return authoriseHandOver(in)
		}
	default:
		switch k {
		case offer:
			return authoriseOffer(in)
		case pull:
			return authorisePull(in)
		case ringing, answer, hangUp, legFailed, reoffer, push, refuseReoffer:
			return authoriseLeg(in)
		}
	}
	return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "not a command of %q", in.From.GetKind())
}

func authoriseOffer(in Input) *schema.Error {
	t := in.Command.GetOffer().GetTerminal()
	if t.GetKind() != in.From.GetKind() || t.GetNode() != in.From.GetNode() {
		return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "the terminal is not the sender's")
	}
	if t.GetSubscriber() == "" || in.Command.GetPrincipal() != t.GetSubscriber() {
		return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "the terminal is not the principal's")
	}
	if by := in.Command.GetOffer().GetCaller().GetSubscriber(); by != "" && by != in.Command.GetPrincipal() {
		return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "the caller shown is not the principal")
	}
	if in.Call == nil {
		callID, ordinal, ok := schema.SplitLegID(in.Command.GetLegId())
		if !ok || callID != in.Command.GetCallId() || ordinal != 1 {
			return schema.Invalid("leg_id", "an offer speaks from the first leg of its call")
		}
		return nil
	}
	l := leg(in.Call, in.Command.GetLegId())
	if l == nil || l.GetTerminal().GetSubscriber() != in.Command.GetPrincipal() {
		return errNoCall
	}
	if in.Call.GetState() == redirected {
		return nil // wrongState sends it on
	}
	if in.Call.GetState() == ended {
		return schema.Errorf(callv1.Code_CODE_ENDED, "the call has ended")
	}
	return schema.Errorf(callv1.Code_CODE_CONFLICT, "the call exists")
}

func authoriseLeg(in Input) *schema.Error {
	l := leg(in.Call, in.Command.GetLegId())
	t := l.GetTerminal()
	switch {
	case l == nil,
		t.GetKind() != in.From.GetKind(), t.GetNode() != in.From.GetNode(),
		in.Command.GetPrincipal() == "", t.GetSubscriber() != in.Command.GetPrincipal():
		return errNoCall
	}
	k := kindOf(in.Command)
	if (k == ringing || k == answer) && in.Call.GetState() == alerting && l.GetSide() != callv1.Side_SIDE_CALLEE {
		return schema.Errorf(callv1.Code_CODE_REJECTED, "a calling leg cannot ring or answer")
	}
	return nil
}

func authoriseMedia(in Input, k kind) *schema.Error {
	if k != mediaConnected && k != mediaFailed {
		return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "not a command of the media service")
	}
	if leg(in.Call, in.Command.GetLegId()) == nil || in.Call.GetState() != redirected &&
		in.Call.GetMediaNode() != in.From.GetNode() {
		return errNoCall
	}
	return nil
}

// authoriseHandOver requires what makes two calls a glare: the leg handed over
// is the called subscriber's own call to the caller.
func authoriseHandOver(in Input) *schema.Error {
	o := in.Command.GetHandOver().GetOffer()
	if in.Call == nil || in.Command.GetPrincipal() == "" ||
		in.Call.GetCallee().GetSubscriber() != in.Command.GetPrincipal() ||
		o.GetTerminal().GetSubscriber() != in.Command.GetPrincipal() {
		return errNoCall
	}
	return nil
}
