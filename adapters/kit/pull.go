package kit

import (
	"math/rand/v2"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// taken reports whether the leg that a Pull chose is another's.
func taken(c *callv1.Command, r *callv1.Reply) bool {
	e := r.GetError()
	return c.GetPull() != nil && e.GetCode() == callv1.Code_CODE_CONFLICT && e.GetField() == "leg_id"
}

// terminalOf gives the terminal that a command starts a leg for (Offer, Pull), nil
// for every other command.
func terminalOf(c *callv1.Command) **callv1.Terminal {
	switch b := c.GetBody().(type) {
	case *callv1.Command_Offer:
		return &b.Offer.Terminal
	case *callv1.Command_Pull:
		return &b.Pull.Terminal
	}
	return nil
}

// starts gives the terminal that a command starts a leg for (Offer, Pull), nil for
// every other command.
func starts(c *callv1.Command) *callv1.Terminal {
	if t := terminalOf(c); t != nil {
		return *t
	}
	return nil
}

// refOf is what a terminal calls the leg that its command starts.
func refOf(c *callv1.Command) string {
	if p := c.GetPull(); p != nil {
		return p.GetRef()
	}
	return c.GetOffer().GetRef()
}

// completePull names the call of a Pull, and a leg in it for the terminal.
func (h *host) completePull(c *callv1.Command, ref Ref) (legID string, err error) {
	pull := c.GetPull()
	switch {
	case pull == nil:
		return "", schema.Invalid("pull", "missing")
	case c.GetLegId() != "":
		return "", schema.Invalid("leg_id", "a pull names its call by reference")
	case ref.ID == "":
		return "", schema.Invalid("call_id", "missing")
	}
	call, _, ok := schema.SplitLegID(ref.ID)
	if !ok || !h.env.Key.Ours(ref.ID) {
		return "", errNoSuchLeg
	}
	if pull.Ref == "" {
		pull.Ref = ref.ID
	}
	return h.newLeg(call), nil
}

// newLeg gives a leg id of a call that no other terminal should have chosen. If one
// has all the same, the owner refuses the pull as a conflict.
func (h *host) newLeg(call string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		id := schema.LegID(call, schema.FirstPulled+rand.Uint32N(schema.MaxOrdinal-schema.FirstPulled+1))
		if _, was := h.legs.tombs.get(id); !was && h.legs.live[id] == nil {
			return id
		}
	}
}

// Resolve implements Host.
func (h *host) Resolve(subscriber string, ref Ref) (legID string, ours bool) {
	call, n, ok := schema.SplitLegID(ref.ID)
	ours = ok && h.env.Key.Ours(ref.ID)
	if id := h.resolveHere(subscriber, ref, call, ours && n == 0); id != "" {
		return id, ours
	}
	if ours {
		// A call's own id means, from a terminal, its calling leg.
		return schema.LegID(call, max(n, 1)), true
	}
	return schema.LegID(h.env.Key.CallID(subscriber, ref.Scope, ref.ID), 1), false
}

// resolveHere finds what a terminal may mean only because of what this host knows:
// the leg that it pulled under this name, and, by a call's own id (whole), its leg
// in that call.
func (h *host) resolveHere(subscriber string, ref Ref, call string, whole bool) (legID string) {
	if ref.Terminal == "" && !whole {
		return ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.legs.byTerminal[ref.Terminal]
	if ref.Terminal == "" {
		of = h.legs.pulled[call]
	}
	for l := range of {
		if l.over || l.subscriber != subscriber {
			continue
		}
		if pulled := l.pulls > 0; pulled && sameName(l.ref, ref.ID) || whole && l.call == call {
			// Of several the one that was pulled last would be right; the others
			// are about to end.
			if legID == "" || pulled && l.pulls > h.legs.live[legID].pulls {
				legID = l.id
			}
		}
	}
	return legID
}

// sameName reports whether two of a terminal's names for a call are one: a UUID may
// be written in two forms.
func sameName(a, b string) bool {
	if a == b {
		return true
	}
	x, ok := schema.CanonicalUUID(a)
	y, too := schema.CanonicalUUID(b)
	return ok && too && x == y
}
