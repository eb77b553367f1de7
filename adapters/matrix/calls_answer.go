package matrix

import (
	"context"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// handleAnswer takes that a device of a person answers a call. The first one wins.
func (t *term) handleAnswer(ctx context.Context, k *call, in incoming, c content) error {
	t.mu.Lock()
	late := k.Answered && (k.Theirs != c.PartyID || k.Version != c.Version)
	t.mu.Unlock()
	switch {
	case k.Placed:
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "matrix: an answer to its own call")
	case late:
		t.log.Info("another device answered before", "leg", k.Leg, "room", k.Room)
		return nil // select_answer has told it, or will
	}
	command := k.command(in.id)
	command.Body = &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: c.SDP, Features: features(c.Version)}}
	t.accept(ctx, command, func(reply *callv1.Reply, err error) { t.answered(ctx, k, in, c, reply, err) })
	return nil
}

// answered tells the devices which of them has the call.
func (t *term) answered(ctx context.Context, k *call, in incoming, c content, reply *callv1.Reply, err error) {
	if err != nil || reply.GetLegState() == callv1.LegState_LEG_STATE_ENDED {
		// Somebody else was faster, or it has no usable media: an end follows, or has
		// been told.
		t.log.Info("answer not taken", "leg", k.Leg, "room", k.Room, "code", schema.CodeName(schema.CodeOf(err)), "error", err)
		return
	}
	t.changeCall(ctx, k, func() { k.Answered, k.Theirs, k.Version, k.Last = true, c.PartyID, c.Version, in.id })
	t.log.Info("call answered", "call", reply.GetCallId(), "leg", k.Leg, "room", k.Room, "user", k.User, "version", c.Version)
	if c.Version == version0 {
		return
	}
	t.mu.Lock()
	selected := wireSelect{wireBase: k.base(), Selected: k.Theirs}
	t.mu.Unlock()
	if err := t.say(ctx, k, typeSelect, selected, derived("select", k.Leg), true); err != nil {
		t.log.Info("the selected answer was not told", "leg", k.Leg, "error", err)
	}
}

// handleSelect takes which answer a person who calls has chosen. Only ours can be
// there, in a room of two: another choice leaves us without a call.
func (t *term) handleSelect(ctx context.Context, k *call, in incoming, c content) error {
	t.mu.Lock()
	strange := k.strange(c.PartyID)
	t.mu.Unlock()
	if !k.Placed || strange || c.SelectedPartyID == k.Party {
		return nil
	}
	t.hangUp(ctx, k, in, callv1.Reason_REASON_UNSPECIFIED)
	return nil
}

// handleCandidates passes candidates on.
func (t *term) handleCandidates(ctx context.Context, k *call, c content) error {
	t.mu.Lock()
	strange := k.strange(c.PartyID)
	t.mu.Unlock()
	if strange || len(c.Candidates) == 0 && !c.End {
		return nil
	}
	return t.a.host.Signal(ctx, &callv1.Signal{ //nolint:wrapcheck // has a code
		LegId: k.Leg, Principal: k.Subscriber, Body: &callv1.Signal_Candidates{Candidates: canonicalCandidates(c)},
	})
}
