package matrix

import (
	"context"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// end tells a client that its call is over, and forgets the call.
func (t *term) end(ctx context.Context, k *call, why callv1.Reason) {
	if err := t.sayEnd(ctx, k, why, endOf(k.Leg)); err != nil {
		t.log.Info("the end of a call was not told", "leg", k.Leg, "room", k.Room, "error", err)
	}
	t.dropCall(ctx, k)
}

// endOf is the transaction that says a leg's end: one, whoever comes to know of it.
func endOf(leg string) string { return schema.CompactUUID(leg) + ".end" }

// sayEnd says it: a call that a client of version 1 places, and nobody has
// answered, is rejected; everything else is hung up.
func (t *term) sayEnd(ctx context.Context, k *call, why callv1.Reason, txn string) error {
	t.mu.Lock()
	kind, reason := typeHangup, hangupReason(why)
	if k.Placed && !k.Answered && k.Version != version0 {
		kind = typeReject
	}
	if k.yields {
		reason = reasonReplaced
	}
	content := wireEnd{wireBase: k.base(), Reason: reason}
	t.mu.Unlock()
	return t.say(ctx, k, kind, content, txn, true)
}

// handleReject takes that a person does not want a call. One that was answered
// before stands.
func (t *term) handleReject(ctx context.Context, k *call, in incoming, c content) error {
	t.mu.Lock()
	beside := k.Placed || k.Answered
	t.mu.Unlock()
	if beside {
		return nil
	}
	t.hangUp(ctx, k, in, endReason(c.Reason, false, true))
	return nil
}

// handleHangup takes that a person ends a call.
func (t *term) handleHangup(ctx context.Context, k *call, in incoming, c content) error {
	t.mu.Lock()
	strange, answered := k.strange(c.PartyID), k.Answered
	t.mu.Unlock()
	if strange {
		return nil // a device that has no part in it
	}
	t.hangUp(ctx, k, in, endReason(c.Reason, answered, !k.Placed))
	return nil
}

func (t *term) hangUp(ctx context.Context, k *call, in incoming, why callv1.Reason) {
	command := k.command(in.id)
	command.Body = &callv1.Command_HangUp{HangUp: &callv1.HangUp{Reason: why}}
	t.accept(ctx, command, func(reply *callv1.Reply, err error) { t.hungUp(ctx, k, err) })
}

// hungUp forgets a call that its person has ended. The person need not be told.
func (t *term) hungUp(ctx context.Context, k *call, err error) {
	if err != nil && schema.CodeOf(err) == callv1.Code_CODE_RETRY {
		t.log.Warn("a hang-up is not confirmed yet", "leg", k.Leg, "error", err) // the host goes on trying
	}
	t.log.Info("call hung up", "leg", k.Leg, "room", k.Room, "user", k.User)
	t.dropCall(ctx, k)
}

// hangUpAll ends all calls of a room on behalf of its person, who is gone.
func (t *term) hangUpAll(ctx context.Context, r *room, why callv1.Reason) {
	t.mu.Lock()
	var all []*call
	for _, k := range t.calls {
		if k.Room == r.ID {
			all = append(all, k)
		}
	}
	t.mu.Unlock()
	for _, k := range all {
		command := k.command("")
		command.Body = &callv1.Command_HangUp{HangUp: &callv1.HangUp{Reason: why}}
		t.accept(ctx, command, func(_ *callv1.Reply, err error) { t.hungUp(ctx, k, err) })
	}
}
