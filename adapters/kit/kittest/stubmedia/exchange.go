package stubmedia

import (
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// exchange carries out one of the four operations of an offer/answer exchange.
func (e *Engine) exchange(c *callv1.MediaCommand, op *callv1.MediaOp, l *leg, kind opKind, content string) *callv1.MediaResult {
	if op.GetRevision() == 0 {
		return refused(callv1.Code_CODE_INVALID, "no revision")
	}
	if l == nil {
		if !creates(op) {
			return refused(callv1.Code_CODE_NOT_FOUND, "no such leg")
		}
		e.origin++
		l = &leg{call: c.GetCallId(), epoch: c.GetEpoch(), expires: time.Now().Add(e.cfg.Expire), origin: e.origin}
	}
	for _, d := range l.done {
		if d.kind != kind || d.revision != op.GetRevision() {
			continue
		}
		if d.content != content || d.command != c.GetId() && kind == makeOffer && e.outdated(l, op) {
			return refused(callv1.Code_CODE_CONFLICT, "the revision is bound to command "+d.command)
		}
		return d.result
	}
	if bad := l.outOfOrder(kind, op.GetRevision()); bad != "" {
		return refused(callv1.Code_CODE_CONFLICT, bad)
	}
	result := e.carryOn(l, op)
	if result.GetError() != nil || result.GetUnchanged() {
		return result
	}
	if op.GetRevision() > l.revision {
		l.done = l.done[:0]
	}
	l.call, l.revision = c.GetCallId(), op.GetRevision()
	l.done = append(l.done, done{kind, op.GetRevision(), c.GetId(), content, result})
	e.legs[op.GetLegId()] = l
	if result.GetNewTransport() {
		e.reportConnected(op.GetLegId())
	}
	return result
}

// outOfOrder says what is wrong with an operation at this point of the leg's
// offer/answer exchanges (RFC 3264); "" is nothing.
func (l *leg) outOfOrder(kind opKind, revision uint32) string {
	switch {
	case kind == takeOffer || kind == makeOffer:
		if revision <= l.revision { // a leg that was handed over does not begin at 1
			return "not above the present revision"
		}
		// On a negotiated leg a terminal's offer takes ours back, and replaces one of
		// its own that was refused.
		if l.open != nil && (!l.negotiated || kind == makeOffer && l.open.ours) {
			return "the last exchange is not over"
		}
	case revision != l.revision:
		return "not the present revision"
	case kind == takeAnswer && (l.open == nil || !l.open.ours):
		return "no offer was made"
	case kind == makeAnswer && (l.open == nil || l.open.ours):
		return "no offer was taken"
	}
	return ""
}

// carryOn takes a leg's exchange one step further.
func (e *Engine) carryOn(l *leg, op *callv1.MediaOp) *callv1.MediaResult {
	switch b := op.GetOp().(type) {
	case *callv1.MediaOp_TakeOffer:
		return l.takeOffer(op.GetRevision(), b.TakeOffer)
	case *callv1.MediaOp_MakeOffer:
		return e.makeOffer(l, op.GetRevision(), b.MakeOffer)
	case *callv1.MediaOp_TakeAnswer:
		return l.takeAnswer(b.TakeAnswer)
	case *callv1.MediaOp_MakeAnswer:
		return e.makeAnswer(l, b.MakeAnswer)
	}
	return refused(callv1.Code_CODE_UNSUPPORTED, "unknown operation")
}

func (l *leg) takeOffer(revision uint32, o *callv1.TakeOffer) *callv1.MediaResult {
	slots := parse(o.GetSdp())
	if !usable(slots) {
		return refused(callv1.Code_CODE_NOT_ACCEPTABLE, "no usable m-line")
	}
	if !keepsItsSlots(l.slots, slots) {
		return refused(callv1.Code_CODE_NOT_ACCEPTABLE, "the m-lines are others than before")
	}
	l.features = o.GetFeatures()
	l.open = &open{revision: revision, slots: slots, fingerprint: attribute(o.GetSdp(), "a=fingerprint:", "")}
	return &callv1.MediaResult{
		Skeleton: skeleton(l.slots), Changed: l.negotiated && !sameWants(l.slots, slots),
	}
}

// keepsItsSlots reports whether a new description has the old one's media
// descriptions in their places (RFC 3264 section 8).
func keepsItsSlots(before, now []slot) bool {
	if len(now) < len(before) {
		return false
	}
	for i, s := range before {
		if now[i].kind != s.kind {
			return false
		}
	}
	return true
}

func (e *Engine) makeAnswer(l *leg, a *callv1.MakeAnswer) *callv1.MediaResult {
	peer := e.legs[a.GetPeerLegId()]
	if peer == nil {
		return refused(callv1.Code_CODE_NOT_FOUND, "no such peer leg")
	}
	slots := answered(l.open.slots, peer.present(), peer.features, peer.negotiated && l.negotiated)
	if !usable(slots) {
		return refused(callv1.Code_CODE_NOT_ACCEPTABLE, "no usable m-line")
	}
	return l.settle(slots, l.open.fingerprint, true)
}

func (e *Engine) makeOffer(l *leg, revision uint32, o *callv1.MakeOffer) *callv1.MediaResult {
	from := e.legs[o.GetFromLegId()]
	if from == nil || from.present() == nil {
		return refused(callv1.Code_CODE_NOT_FOUND, "no such leg to offer from")
	}
	slots := offered(l.slots, from.present(), o.GetFeatures())
	l.features = o.GetFeatures()
	if l.negotiated && sameTold(slots, l.slots) {
		return &callv1.MediaResult{Skeleton: skeleton(l.slots), Unchanged: true}
	}
	l.open = &open{revision: revision, ours: true, slots: slots}
	l.version++
	return &callv1.MediaResult{Sdp: describe(l.origin, l.version, slots), Skeleton: skeleton(slots)}
}

// outdated reports whether an offer would be another by now.
func (e *Engine) outdated(l *leg, op *callv1.MediaOp) bool {
	from := e.legs[op.GetMakeOffer().GetFromLegId()]
	return l.open == nil || from == nil ||
		!sameTold(l.open.slots, offered(l.slots, from.present(), op.GetMakeOffer().GetFeatures()))
}

func (l *leg) takeAnswer(a *callv1.TakeAnswer) *callv1.MediaResult {
	slots := taken(l.open.slots, parse(a.GetSdp()))
	if !usable(slots) {
		return refused(callv1.Code_CODE_NOT_ACCEPTABLE, "no usable m-line")
	}
	return l.settle(slots, attribute(a.GetSdp(), "a=fingerprint:", ""), false)
}

// settle completes an exchange. A terminal with another fingerprint has a new
// transport (RFC 8842 section 5).
func (l *leg) settle(slots []slot, fingerprint string, describes bool) *callv1.MediaResult {
	r := &callv1.MediaResult{
		Skeleton: skeleton(slots), Changed: l.negotiated && !sameWants(l.slots, slots),
		NewTransport: !l.negotiated || fingerprint != l.fingerprint,
	}
	if describes {
		l.version++
		r.Sdp = describe(l.origin, l.version, slots)
	}
	if r.NewTransport {
		l.transport, l.connected = l.open.revision, false
	}
	l.slots, l.open, l.negotiated, l.fingerprint = slots, nil, true, fingerprint
	return r
}
