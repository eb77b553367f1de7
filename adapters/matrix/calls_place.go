package matrix

import (
	"context"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// handleInvite takes a call that a person places.
func (t *term) handleInvite(ctx context.Context, r *room, in incoming, c content, known *call) error {
	if known != nil && !known.Placed {
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "matrix: an invite by the name of a call of ours")
	}
	if known == nil {
		if why := t.unfit(r, in, c); why != "" {
			t.log.Info("call not taken", "room", r.ID, "user", in.sender, "call_id", c.CallID, "reason", why)
			t.a.host.Metrics().Count("invites_ignored", 1)
			return nil
		}
		two, err := t.twoParty(ctx, r)
		switch {
		case err != nil:
			return err
		case !two:
			t.log.Info("call not taken", "room", r.ID, "user", in.sender, "call_id", c.CallID,
				"reason", "the room has not exactly two members")
			t.a.host.Metrics().Count("invites_ignored", 1)
			return nil
		case !t.settleGlare(r, c):
			return nil
		}
	}
	u, err := t.ensureUser(ctx, in.sender, t.a.bot)
	if err != nil {
		return t.refuseUnless(ctx, r, in, c, err)
	}
	if known == nil {
		switch t.admit(u, time.Now()) {
		case granted:
		case refused:
			t.a.host.Metrics().Count("invites_limited", 1)
			return t.refuseUnless(ctx, r, in, c, schema.Errorf(callv1.Code_CODE_RATE_LIMITED, "matrix: invites_per_minute"))
		default:
			t.a.host.Metrics().Count("invites_limited", 1)
			t.markHung(r.ID, c.CallID)
			return nil
		}
	}
	to, err := t.whom(r)
	if err != nil {
		return t.refuseUnless(ctx, r, in, c, err)
	}
	return t.place(ctx, r, in, c, u, to)
}

// unfit says why an invite does not ring; "" if it may.
func (t *term) unfit(r *room, in incoming, c content) string {
	age := in.age
	if age == 0 {
		age = time.Since(in.at) // Dendrite does not say an event's age
	}
	switch {
	case in.sender != r.User:
		return "it comes from somebody who is not the room's person"
	case t.isHung(r.ID, c.CallID):
		return "it has been hung up"
	case age > c.Lifetime:
		return "it is older than its lifetime"
	case c.Invitee != "" && id.UserID(c.Invitee) != r.Own:
		return "it is for somebody else"
	}
	return ""
}

// scopeOf is what a client's names of calls are unique in.
func scopeOf(in id.RoomID) string { return "matrix/" + in.String() }

// place asks the owner for the call.
func (t *term) place(ctx context.Context, r *room, in incoming, c content, u *user, to schema.Address) error {
	ref := kit.Ref{Scope: scopeOf(r.ID), ID: c.CallID}
	t.mu.Lock()
	principal := u.principal
	t.mu.Unlock()
	leg, ours := t.a.host.Resolve(principal.GetSubscriber(), ref)
	if ours { // the name of a leg never makes a call
		return t.refuseUnless(ctx, r, in, c, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "matrix: a name of ours"))
	}
	k := t.callOf(leg)
	again := k != nil
	if !again {
		k = &call{
			Leg: leg, Subscriber: principal.GetSubscriber(), Room: r.ID, User: in.sender, CallID: c.CallID,
			Party: partyOf(leg), Placed: true, Version: c.Version, Theirs: c.PartyID, Last: in.id,
			resumed: t.young(),
		}
		if err := t.keepCall(ctx, k); err != nil {
			return err
		}
	}
	command := k.command(in.id)
	command.LegId = ""
	terminal := &callv1.Terminal{Id: u.terminal}
	if c.Version == version0 {
		terminal.Features = features(c.Version)
	}
	command.Body = &callv1.Command_Offer{Offer: &callv1.Offer{
		To: to.String(), Sdp: c.SDP, Terminal: terminal, Ref: c.CallID, Caller: principal.GetParty(),
	}}
	t.a.host.Accept(ctx, command, ref, func(reply *callv1.Reply, err error) { t.placed(ctx, k, again, reply, err) })
	return nil
}

// placed tells the client what became of its call.
func (t *term) placed(ctx context.Context, k *call, again bool, reply *callv1.Reply, err error) {
	code := schema.CodeOf(err)
	switch {
	case again && code == callv1.Code_CODE_CONFLICT: // told twice; the call has gone on since
	case code == callv1.Code_CODE_ENDED: // told twice; who ended it has said so
		t.dropCall(ctx, k)
	case err != nil:
		t.log.Info("call refused", "room", k.Room, "user", k.User, "leg", k.Leg, "code", schema.CodeName(code), "error", err)
		t.end(ctx, k, reasonOfCode(code))
	case reply.GetLegState() == callv1.LegState_LEG_STATE_ENDED:
		t.end(ctx, k, reply.GetReason())
	default:
		t.log.Info("call placed", "call", reply.GetCallId(), "leg", k.Leg, "room", k.Room, "user", k.User, "version", k.Version)
	}
}

// features are what a client of a call version can do; nil for the usual.
func features(version string) *callv1.Features {
	if version != version0 {
		return nil
	}
	f := Spec().Features
	f.Renegotiates = false
	return f
}

// partyOf is our party id in a call.
func partyOf(leg string) string { return "tandem-" + schema.CompactUUID(leg) }

// refuseUnless rejects a call that cannot be placed, unless the reason may pass.
func (t *term) refuseUnless(ctx context.Context, r *room, in incoming, c content, why error) error {
	if again(why) {
		return why
	}
	if t.markHung(r.ID, c.CallID) {
		t.refuse(ctx, r, in, c, reasonOfCode(schema.CodeOf(why)))
	}
	return why
}

// refuse rejects a call of which there is no leg.
func (t *term) refuse(ctx context.Context, r *room, in incoming, c content, why callv1.Reason) {
	k := &call{
		Room: r.ID, CallID: c.CallID, Version: c.Version, Placed: true,
		Party: "tandem-" + derived("party", string(r.ID)+"\x00"+c.CallID), resumed: t.young(),
	}
	if err := t.sayEnd(ctx, k, why, derived("refuse", string(in.id))); err != nil {
		t.log.Info("a refusal was not sent", "room", r.ID, "call_id", c.CallID, "error", err)
	}
}
