package matrix

import (
	"time"

	"github.com/tandem-rtc/tandem/schema"
)

// callsBack reports whether a room's person is calling who calls it there: the two
// have crossed, and call state, which answers both of those who call, is about to end
// the one that would ring. To ring all the same would have a client that goes by the
// call ids take its own call back, which is answered by then.
func (t *term) callsBack(r *room, caller schema.Address) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.line(r) && r.LastCaller != caller.String() {
		return false // the call is to somebody else
	}
	for _, k := range t.calls {
		if k.Room == r.ID && k.Placed && !k.Answered {
			return true
		}
	}
	return false
}

// settleGlare decides between a call that a person places and one of ours that
// rings at the person in the same room; false if the person's is not to be placed.
//
// A client that resolves it by itself, which it does for calls it placed with an
// invitee, goes by the lesser call id, and so do we: if that is ours, the client
// takes its own back and answers ours. With any other client both would ring for
// ever: the person's call is placed, and call state, which finds the two crossed,
// answers it. So it does if ours rang there before the person placed its own, which
// is no crossing that a client looks for. Either way our invite then ends as
// "replaced".
func (t *term) settleGlare(r *room, c content) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	var rings *call
	for _, k := range t.calls {
		if k.Room == r.ID && !k.Placed && !k.Answered {
			rings = k
		}
	}
	if rings == nil {
		return true
	}
	crossed := rings.rung.IsZero() || time.Since(rings.rung) < crossing
	if c.Invitee != "" && rings.CallID < c.CallID && crossed {
		t.log.Info("calls cross: ours stands", "leg", rings.Leg, "room", r.ID, "call_id", c.CallID)
		t.hung.add(name{r.ID, c.CallID})
		return false
	}
	t.log.Info("calls cross: the person's stands", "leg", rings.Leg, "room", r.ID, "call_id", c.CallID)
	rings.yields = true
	return true
}
