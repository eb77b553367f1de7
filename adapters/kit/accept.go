package kit

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Accept implements Host.
func (h *host) Accept(ctx context.Context, c *callv1.Command, ref Ref, ack Ack) {
	began := time.Now()
	what := commandName(c)
	var l *leg
	var reply *callv1.Reply
	var unknown bool
	var err error
	for again := false; ; again = true {
		if l, err = h.hold(c, ref); err != nil {
			h.answer(c, ack, nil, err)
			h.rec.Command(what, outcomeOf(err), time.Since(began))
			return
		}
		if reply, unknown, err = h.send(ctx, c, h.limits.AcceptRetryFor); err == nil {
			err = schema.FromProto(reply.GetError())
		}
		if again || !taken(c, reply) {
			break
		}
		h.release(l, c, outcome{reply: reply, err: err})
		c.Id, c.LegId = "", ""
	}
	h.learn(l, c, reply, err)
	var ok bool
	if err != nil {
		ok = h.answer(c, ack, nil, err)
	} else {
		ok = h.answer(c, ack, reply, nil)
	}
	h.rec.Command(what, outcomeOf(err), time.Since(began))
	h.release(l, c, outcome{reply: reply, err: err, unknown: unknown, panicked: !ok})
}

func outcomeOf(err error) string {
	if err == nil {
		return "ok"
	}
	return schema.CodeName(schema.CodeOf(err))
}

// answer calls ack, and reports whether it came back in order.
func (h *host) answer(c *callv1.Command, ack Ack, r *callv1.Reply, err error) (ok bool) {
	if ack == nil {
		return true
	}
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("adapter panicked in an ack", "call", c.GetCallId(), "leg", c.GetLegId(),
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	ack(r, err)
	return true
}

// hold completes a command and begins to hold its leg's events back.
func (h *host) hold(c *callv1.Command, ref Ref) (*leg, error) {
	if err := h.complete(c, ref); err != nil {
		return nil, err
	}
	if err := h.fillTerminal(c); err != nil {
		return nil, err
	}
	if err := schema.ValidateCommand(c, h.limits.Sizes); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admit(c); err != nil {
		return nil, err
	}
	l, made := h.legs.find(c.GetLegId())
	if made {
		l.subscriber, l.call = c.GetPrincipal(), c.GetCallId()
		h.rec.Legs(len(h.legs.live))
	}
	l.holds++
	if t := starts(c); t != nil {
		l.offers++
		h.legs.bind(l, t.GetId())
		l.ref = refOf(c)
	}
	c.CallId = l.call
	return l, nil
}

// admit refuses what must not or cannot go to an owner. h.mu is held.
func (h *host) admit(c *callv1.Command) error {
	offer := starts(c) != nil
	l := h.legs.live[c.GetLegId()]
	tomb, _ := h.legs.tombs.get(c.GetLegId())
	switch {
	case h.closed:
		return schema.Errorf(callv1.Code_CODE_RETRY, "this node has ended")
	case l != nil && l.subscriber != "" && l.subscriber != c.GetPrincipal():
		// The owner would say the same; this way nobody can hold back the events
		// of another's leg.
		return errNoSuchLeg
	case offer && h.draining:
		return schema.Errorf(callv1.Code_CODE_RETRY, "this node is about to end")
	case offer && (tomb.over || l != nil && l.over):
		return schema.Errorf(callv1.Code_CODE_ENDED, "a call of that name has ended")
	case offer && l != nil && l.terminal != starts(c).GetId() && h.attachedLocked(l.terminal):
		// Another terminal of the subscriber has a call of that name: it keeps it.
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "another terminal has a call of that name")
	case offer && l == nil && len(h.legs.live) >= h.limits.MaxLegs:
		return schema.Errorf(callv1.Code_CODE_OVERLOAD, "too many legs on this node")
	}
	return nil
}

// attachedLocked reports whether a terminal is attached here. h.mu is held.
func (h *host) attachedLocked(id string) bool {
	t := h.terminals[id]
	return t != nil && !t.detached
}

// fillTerminal completes the terminal of an offer or pull out of what was attached.
func (h *host) fillTerminal(c *callv1.Command) error {
	of := terminalOf(c)
	if of == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.terminals[(*of).GetId()]
	if t == nil || t.detached || t.info.GetSubscriber() != c.GetPrincipal() {
		return schema.Errorf(callv1.Code_CODE_GONE, "the terminal is not attached here")
	}
	refined := (*of).GetFeatures()
	*of = t.info // never changed, only replaced
	if refined != nil {
		*of = proto.CloneOf(t.info)
		(*of).Features = refined
	}
	return nil
}

var errNoSuchLeg = schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such leg")

// complete fills in what the adapter need not know: ids and time.
func (h *host) complete(c *callv1.Command, ref Ref) error {
	if c.GetPrincipal() == "" {
		return schema.Invalid("principal", "missing")
	}
	legID, made := c.GetLegId(), false
	switch b := c.GetBody().(type) {
	case *callv1.Command_Offer:
		switch {
		case b.Offer == nil:
			return schema.Invalid("offer", "missing")
		case legID != "":
			return schema.Invalid("leg_id", "an offer is named by its reference")
		case ref.ID == "":
			ref.ID = schema.NewID()
		}
		var ours bool
		if legID, ours = h.Resolve(c.GetPrincipal(), Ref{Scope: ref.Scope, ID: ref.ID}); ours {
			return errNoSuchLeg
		}
		made = true
		if b.Offer.Ref == "" {
			b.Offer.Ref = ref.ID
		}
	case *callv1.Command_Pull:
		var err error
		if legID, err = h.completePull(c, ref); err != nil {
			return err
		}
	case *callv1.Command_Ringing, *callv1.Command_Answer, *callv1.Command_HangUp,
		*callv1.Command_Reoffer, *callv1.Command_RefuseReoffer, *callv1.Command_Push:
	default:
		return schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "not a terminal's command")
	}
	if legID == "" {
		if ref.ID == "" {
			return schema.Invalid("leg_id", "neither a leg nor a reference")
		}
		legID, _ = h.Resolve(c.GetPrincipal(), ref)
		made = true
	}
	call, n, ok := schema.SplitLegID(legID)
	if !ok || n == 0 || !made && !h.ours(legID) {
		return errNoSuchLeg
	}
	if c.Id == "" {
		c.Id = schema.NewID()
	}
	c.CallId, c.LegId = call, schema.LegID(call, n)
	c.SentAt = timestamppb.Now()
	return nil
}

// ours reports whether a leg id is the cluster's, which needs no looking into for
// a leg that is live here.
func (h *host) ours(legID string) bool {
	h.mu.Lock()
	l := h.legs.live[legID]
	h.mu.Unlock()
	return l != nil || h.env.Key.Ours(legID)
}

// learn takes what a reply says of the leg, before the adapter hears of it: its
// signals may follow at once.
func (h *host) learn(l *leg, c *callv1.Command, r *callv1.Reply, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.call = c.GetCallId() // it may have been redirected
	if err != nil {
		return
	}
	l.committed = true
	if r.GetCallId() != "" {
		l.call = r.GetCallId()
	}
	if c.GetReoffer() != nil {
		l.dropOffers(r.GetNextEvent())
	}
	h.learnMedia(l, r.GetMediaNode())
	if s := r.GetLegState(); s == callv1.LegState_LEG_STATE_ANSWERED || s == callv1.LegState_LEG_STATE_ESTABLISHED {
		l.talking = true
		h.joined(l.terminal, l.call)
	}
}

// outcome is what became of an Accept.
type outcome struct {
	reply    *callv1.Reply // the owner's word, if there was one
	err      error
	unknown  bool // the command may or may not have been carried out
	panicked bool // the terminal may or may not have been told
}

// release ends an Accept's hold and draws the consequences of its outcome.
func (h *host) release(l *leg, c *callv1.Command, o outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.holds--
	isFirst, code := starts(c) != nil, schema.CodeOf(o.err)
	if isFirst {
		l.offers--
	}
	doubtful := o.unknown || c.GetHangUp() != nil && code == callv1.Code_CODE_RETRY
	undo := undoing(l, c)
	ended := o.reply.GetLegState() == callv1.LegState_LEG_STATE_ENDED
	switch {
	case doubtful && undo != nil:
		// The terminal was told to try again, and nobody knows what there is to
		// try. So there shall be nothing.
		h.log.Warn("outcome of a command unknown: giving the leg up", "call", l.call, "leg", l.id,
			"command", commandName(c), "error", o.err)
		l.over = l.over || isFirst
		h.giveUp(l, undo)
		h.tellEnded(l, callv1.Reason_REASON_INTERNAL)
	case doubtful:
		h.log.Warn("outcome of a command unknown", "call", l.call, "leg", l.id,
			"command", commandName(c), "error", o.err)
	case o.panicked && o.err == nil && !ended:
		l.over = true
		h.giveUp(l, legFailed(callv1.Reason_REASON_INTERNAL, "adapter panicked"))
	case o.err == nil && ended && !ends(c):
		// It crossed the end: the terminal learns that from the owner's event.
	case o.err == nil && ended, isFirst && ended && !l.committed:
		l.over = true
	case ended && !isFirst:
		h.tellEnded(l, o.reply.GetReason())
	case code == callv1.Code_CODE_NOT_FOUND && l.committed && !isFirst && c.GetPush() == nil && len(l.queue) == 0:
		l.givenUp = true
	}
	if t := h.terminals[l.terminal]; l.committed && !l.over && l.terminal != "" && (t == nil || t.detached) {
		// It went away in the meantime.
		h.giveUpDetached(l, t)
	}
	h.pump(l)
	h.settle(l)
}

// undoing is what a leg is given up with when nobody knows whether a command for it
// was carried out; nil if the call can go on: the terminal may ask again, and what
// was offered and not answered is withdrawn by the owner.
func undoing(l *leg, c *callv1.Command) *callv1.Command {
	switch {
	case c.GetPull() != nil:
		// If it was carried out, the call is to wait for its subscriber, who may pull
		// it again, and not to end.
		return legFailed(callv1.Reason_REASON_TERMINAL_LOST, "outcome of a pull unknown")
	case c.GetReoffer() != nil, c.GetRefuseReoffer() != nil, c.GetPush() != nil, c.GetAnswer() != nil && l.talking:
		return nil
	}
	return hangUp(c.GetHangUp().GetReason())
}

// ends reports whether a command whose leg is over thereby has told its terminal so.
func ends(c *callv1.Command) bool {
	return c.GetHangUp() != nil || c.GetAnswer() != nil || starts(c) != nil
}

// tellEnded makes an Ended event for a leg that is over without its terminal
// knowing and without its owner telling. h.mu is held.
func (h *host) tellEnded(l *leg, why callv1.Reason) {
	t := h.terminals[l.terminal]
	if l.over || t == nil || t.detached {
		return
	}
	n := l.last
	for _, d := range l.queue {
		if d.e.GetEnded() != nil {
			return
		}
		n = max(n, d.e.GetNumber())
	}
	h.enqueue(l, &delivery{own: true, came: time.Now(), e: &callv1.Event{
		CallId: l.call, LegId: l.id, Number: n + 1, Ref: l.ref, TerminalId: l.terminal,
		At: timestamppb.Now(), MediaNode: l.mediaNode, Subscriber: l.subscriber,
		Body: &callv1.Event_Ended{Ended: &callv1.Ended{Reason: why}},
	}}, nil)
}

// settle forgets a leg that nothing keeps any more. h.mu is held.
func (h *host) settle(l *leg) {
	if l.holds > 0 || l.busy || h.legs.live[l.id] != l {
		return
	}
	switch {
	case l.over:
		h.flush(l, delivered)
		h.legs.bury(l, true)
	case l.givenUp:
		h.flush(l, refusedWith(callv1.Code_CODE_GONE, "leg given up"))
		h.legs.bury(l, false)
	case len(l.queue) == 0 && (!l.committed || l.terminal == ""):
		h.legs.drop(l)
	default:
		return
	}
	h.rec.Legs(len(h.legs.live))
}
