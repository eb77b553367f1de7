package step

import (
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Call states, short for the table.
const (
	none        = callv1.CallState_CALL_STATE_UNSPECIFIED
	alerting    = callv1.CallState_CALL_STATE_RINGING
	answered    = callv1.CallState_CALL_STATE_ANSWERED
	established = callv1.CallState_CALL_STATE_ESTABLISHED
	ended       = callv1.CallState_CALL_STATE_ENDED
	redirected  = callv1.CallState_CALL_STATE_REDIRECTED
)

// row is one transition: what a command does to a call in a state.
type row struct {
	command kind
	state   callv1.CallState
	// plan lists the media node's part; nil if it has none.
	plan func(Input) []*callv1.MediaOp
	do   func(*txn)
}

// table lists every transition there is. A command in a state without a row is
// refused by wrongState.
//
//nolint:gochecknoglobals // data: the state machine itself
var table = [...]row{
	{offer, none, planOffer, placeCall},

	{ringing, alerting, planRinging, alert},
	{ringing, answered, planCandidateRings, candidateRings},
	{ringing, established, planCandidateRings, candidateRings},
	{ringing, ended, nil, nothing},

	{answer, alerting, planAnswer, answerCall},
	{answer, answered, planAnswerWithin, answerWithin},
	{answer, established, planAnswerWithin, answerWithin},

	{hangUp, alerting, nil, hangUpUnanswered},
	{hangUp, answered, nil, hangUpAnswered},
	{hangUp, established, nil, hangUpAnswered},
	{hangUp, ended, nil, nothing},

	{legFailed, alerting, nil, failUnanswered},
	{legFailed, answered, nil, failAnswered},
	{legFailed, established, nil, failAnswered},
	{legFailed, ended, nil, nothing},

	{mediaConnected, alerting, nil, connectLeg},
	{mediaConnected, answered, nil, connectLeg},
	{mediaConnected, established, nil, connectLeg},
	{mediaConnected, ended, nil, nothing},

	{mediaFailed, alerting, nil, failMedia},
	{mediaFailed, answered, nil, failMedia},
	{mediaFailed, established, nil, failMedia},
	{mediaFailed, ended, nil, nothing},

	{handOver, alerting, planHandOver, takeOver},

	{pull, answered, planPull, pullCall},
	{pull, established, planPull, pullCall},

	{push, answered, planPush, pushCall},
	{push, established, planPush, pushCall},

	{reoffer, answered, planReoffer, reofferCall},
	{reoffer, established, planReoffer, reofferCall},

	{refuseReoffer, answered, nil, refuseOffer},
	{refuseReoffer, established, nil, refuseOffer},
	{refuseReoffer, ended, nil, nothing},

	{terminalAttached, alerting, planAttachRinging, attachRinging},
	{terminalAttached, answered, planAttachAnswered, attachAnswered},
	{terminalAttached, established, planAttachAnswered, attachAnswered},
	{terminalAttached, ended, nil, nothing},
	{terminalAttached, redirected, nil, nothing},

	{deadlinePassed, alerting, nil, passDeadline},
	{deadlinePassed, answered, planDeadline, passDeadline},
	{deadlinePassed, established, planDeadline, passDeadline},
	{deadlinePassed, ended, nil, nothing},
	{deadlinePassed, redirected, nil, nothing},
}

func lookup(in Input) *row {
	k, s := kindOf(in.Command), in.Call.GetState()
	for i := range table {
		if table[i].command == k && table[i].state == s {
			return &table[i]
		}
	}
	return nil
}

// wrongState names the refusal of a command that has no row.
func wrongState(in Input) *schema.Error {
	k, s := kindOf(in.Command), in.Call.GetState()
	switch {
	case k == unknown:
		return schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "unknown command")
	case s == none:
		return errNoCall
	case s == redirected:
		return schema.Errorf(callv1.Code_CODE_REDIRECTED, "the leg belongs to another call")
	case s == ended:
		return schema.Errorf(callv1.Code_CODE_ENDED, "the call has ended")
	}
	return schema.Errorf(callv1.Code_CODE_CONFLICT, "not in this state of the call")
}

// nothing is a command that comes too late to matter and is no error: its
// sender gets the leg's present state.
func nothing(*txn) {}
