package matrix

import (
	"cmp"
	"context"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// crossing is Config.Crossing where nothing is said.
const crossing = 5 * time.Second

// handleNegotiate takes an offer inside a call, or the answer to ours.
func (t *term) handleNegotiate(ctx context.Context, k *call, in incoming, c content) error {
	t.mu.Lock()
	strange := k.strange(c.PartyID)
	crossed := !k.Placed && !k.offered.IsZero() && time.Since(k.offered) < cmp.Or(t.cfg.Crossing, crossing)
	t.mu.Unlock()
	switch {
	case strange:
		return nil
	case c.SDPType == "answer":
		t.changeCall(ctx, k, func() { k.offered, k.Last = time.Time{}, in.id })
		command := k.command(in.id)
		command.Body = &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: c.SDP}}
		t.accept(ctx, command, func(_ *callv1.Reply, err error) {
			if err != nil {
				t.log.Info("the answer to an offer was not taken", "leg", k.Leg, "error", err)
			}
		})
		return nil
	case crossed:
		// Who is called is the polite side: it takes its own offer back for ours, and
		// offers again (Matrix specification, "Negotiation").
		t.log.Info("an offer crossed ours, which stands", "leg", k.Leg)
		return nil
	}
	command := k.command(in.id)
	command.Body = &callv1.Command_Reoffer{Reoffer: &callv1.Reoffer{Sdp: c.SDP}}
	t.accept(ctx, command, func(reply *callv1.Reply, err error) { t.reoffered(ctx, k, in, reply, err) })
	return nil
}

// reoffered answers a client's offer. Matrix has no word for refusing one; the call
// goes on as it was.
func (t *term) reoffered(ctx context.Context, k *call, in incoming, reply *callv1.Reply, err error) {
	if err != nil || reply.GetSdp() == "" {
		t.log.Info("an offer inside a call was refused", "leg", k.Leg, "room", k.Room,
			"code", schema.CodeName(schema.CodeOf(err)), "error", err)
		return
	}
	t.changeCall(ctx, k, func() { k.offered, k.Last = time.Time{}, in.id }) // ours is withdrawn
	t.mu.Lock()
	content := k.negotiate("answer", reply.GetSdp(), t.cfg.InviteLifetime)
	t.mu.Unlock()
	if err := t.say(ctx, k, typeNegotiate, content, derived("negotiated", string(in.id)), true); err != nil {
		t.log.Info("the answer to an offer was not told", "leg", k.Leg, "error", err)
		return
	}
	t.log.Info("call changed", "call", reply.GetCallId(), "leg", k.Leg, "room", k.Room, "user", k.User)
}

// refuseOffer keeps a call as it is whose client knows no offers inside calls.
func (t *term) refuseOffer(ctx context.Context, k *call) {
	command := k.command("")
	command.Body = &callv1.Command_RefuseReoffer{RefuseReoffer: &callv1.RefuseReoffer{}}
	t.accept(ctx, command, func(_ *callv1.Reply, err error) {
		if err != nil {
			t.log.Info("an offer was not refused", "leg", k.Leg, "error", err)
		}
	})
}
