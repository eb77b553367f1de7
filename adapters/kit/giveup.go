package kit

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func hangUp(why callv1.Reason) *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{Reason: why}}}
}

func legFailed(why callv1.Reason, detail string) *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_LegFailed{LegFailed: &callv1.LegFailed{
		Reason: why, Detail: schema.CleanText(detail, 200),
	}}}
}

// giveUp tells a leg's owner that the leg is over, until that is confirmed. Of
// several reasons the first counts. h.mu is held.
func (h *host) giveUp(l *leg, c *callv1.Command) {
	if l.givingUp != nil {
		return
	}
	done := make(chan struct{})
	c.CallId, c.LegId, c.Principal = l.call, l.id, l.subscriber
	if f := c.GetLegFailed(); f != nil {
		f.TerminalId = l.terminal
	}
	// An offer whose outcome is unknown may be under way behind us.
	doubt := !l.committed
	started := h.startGiveUp(c, doubt, func(ended bool) {
		defer close(done)
		h.mu.Lock()
		defer h.mu.Unlock()
		l.givenUp = true
		l.over = l.over || ended && c.GetHangUp() != nil && len(l.queue) == 0
		h.settle(l)
	})
	if !started {
		l.givenUp = true
		return
	}
	l.givingUp = done
}

// giveUpUnknown gives up a leg that there is no room for. h.mu is held.
func (h *host) giveUpUnknown(e *callv1.Event) {
	c := legFailed(callv1.Reason_REASON_OVERLOAD, "too many legs on the adapter's node")
	c.CallId, c.LegId, c.Principal = e.GetCallId(), e.GetLegId(), e.GetSubscriber()
	h.startGiveUp(c, false, func(bool) {})
}

// startGiveUp runs a give-up on a goroutine of its own. h.mu is held; then is
// called without it.
func (h *host) startGiveUp(c *callv1.Command, doubt bool, then func(ended bool)) bool {
	if h.giveUps >= h.limits.MaxGiveUps {
		h.rec.GiveUp("refused")
		h.log.Error("too many legs to give up", "call", c.GetCallId(), "leg", c.GetLegId())
		return false
	}
	started := h.goLocked(func() {
		ended := h.giveUpUntilConfirmed(c, doubt)
		then(ended)
		h.mu.Lock()
		h.giveUps--
		h.mu.Unlock()
	})
	if started {
		h.giveUps++
		h.rec.GiveUp("started")
	}
	return started
}

// giveUpUntilConfirmed sends c until its owner has carried it out or says that
// there is nothing to end. With doubt, "no such call" has to be said twice, some
// time apart.
func (h *host) giveUpUntilConfirmed(c *callv1.Command, doubt bool) (ended bool) {
	c.Id = schema.NewID()
	ctx, cancel := context.WithTimeout(h.work, h.limits.GiveUpFor)
	defer cancel()
	log := h.log.With("call", c.GetCallId(), "leg", c.GetLegId(), "command", commandName(c))
	for {
		c.SentAt = timestamppb.Now()
		r, _, err := h.send(ctx, c, h.limits.GiveUpFor)
		code := r.GetError().GetCode()
		switch {
		case err != nil:
			log.Error("leg not given up", "error", err)
			h.rec.GiveUp("abandoned")
			return false
		case code == callv1.Code_CODE_UNSPECIFIED:
			h.rec.GiveUp("confirmed")
			return r.GetLegState() == callv1.LegState_LEG_STATE_ENDED
		case code == callv1.Code_CODE_NOT_FOUND && doubt:
			doubt = false
		case code == callv1.Code_CODE_RATE_LIMITED, code == callv1.Code_CODE_OVERLOAD,
			code == callv1.Code_CODE_INTERNAL:
			log.Warn("leg not given up yet", "code", schema.CodeName(code))
		case code == callv1.Code_CODE_NOT_FOUND, code == callv1.Code_CODE_ENDED:
			h.rec.GiveUp("confirmed")
			return true
		default: // there is nothing that could still change
			log.Warn("owner refuses to end a leg", "code", schema.CodeName(code))
			h.rec.GiveUp("confirmed")
			return false
		}
		pause(ctx, h.limits.TryTimeout)
	}
}

// giveUpDetached gives up a leg whose terminal went away. h.mu is held.
func (h *host) giveUpDetached(l *leg, t *terminal) {
	if t != nil && t.why == SignedOut {
		h.giveUp(l, hangUp(callv1.Reason_REASON_UNSPECIFIED))
		return
	}
	h.giveUp(l, legFailed(callv1.Reason_REASON_TERMINAL_LOST, ""))
}

// flush answers the events of a leg that wait and are not on their way. h.mu is
// held; respond does not block.
func (h *host) flush(l *leg, ack *callv1.EventAck) {
	keep := l.queue[:0:0]
	for _, d := range l.queue {
		if d == l.current {
			keep = append(keep, d)
			continue
		}
		d.answer(ack)
	}
	l.queue = keep
}
