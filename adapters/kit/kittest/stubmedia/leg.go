package stubmedia

import (
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// leg is one terminal's session.
type leg struct {
	call     string
	epoch    uint64
	kept     bool
	expires  time.Time
	features *callv1.Features

	revision   uint32 // the highest that was bound
	done       []done // operations of this revision
	negotiated bool   // an exchange was completed
	slots      []slot // as negotiated last
	open       *open  // the exchange that is not over
	origin     uint64
	version    uint64 // of our descriptions

	peer        string
	fingerprint string // of the terminal
	transport   uint32 // the revision that made it
	connected   bool
}

// open is an offer without an answer.
type open struct {
	revision    uint32
	ours        bool
	slots       []slot
	fingerprint string // of the terminal's offer
}

// done is an operation that was carried out, with what binds its repeats.
type done struct {
	kind     opKind
	revision uint32
	command  string
	content  string
	result   *callv1.MediaResult
}

type opKind int

const (
	takeOffer opKind = iota + 1
	makeOffer
	takeAnswer
	makeAnswer
)

// present are the slots that another leg is offered of this one.
func (l *leg) present() []slot {
	if !l.negotiated && l.open != nil {
		return l.open.slots
	}
	return l.slots
}

// Serve carries a command out, as the bus would have it done.
func (e *Engine) Serve(c *callv1.MediaCommand) *callv1.MediaReply {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep()
	if e.cfg.Refuse != nil {
		if bad := e.cfg.Refuse(c); bad != nil {
			return &callv1.MediaReply{Error: bad}
		}
	}
	r := &callv1.MediaReply{Results: make([]*callv1.MediaResult, 0, len(c.GetOps()))}
	for _, op := range c.GetOps() {
		one := e.carryOut(c, op)
		one.LegId = op.GetLegId()
		r.Results = append(r.Results, one)
		if one.GetError() != nil {
			break
		}
	}
	return r
}

func refused(code callv1.Code, why string) *callv1.MediaResult {
	return &callv1.MediaResult{Error: &callv1.Error{Code: code, Message: why}}
}

func (e *Engine) carryOut(c *callv1.MediaCommand, op *callv1.MediaOp) *callv1.MediaResult {
	if e.cfg.Fail != nil {
		if bad := e.cfg.Fail(c.GetCallId(), op); bad != nil {
			return &callv1.MediaResult{Error: bad}
		}
	}
	l := e.legs[op.GetLegId()]
	if l != nil && op.GetRelease() == nil {
		switch {
		case c.GetEpoch() < l.epoch:
			return refused(callv1.Code_CODE_CONFLICT, "an earlier epoch")
		case c.GetEpoch() > l.epoch && !l.kept && creates(op):
			delete(e.legs, op.GetLegId())
			l = nil
		case c.GetEpoch() > l.epoch:
			l.epoch = c.GetEpoch()
		}
	}
	switch b := op.GetOp().(type) {
	case *callv1.MediaOp_TakeOffer:
		return e.exchange(c, op, l, takeOffer, b.TakeOffer.GetSdp())
	case *callv1.MediaOp_MakeOffer:
		return e.exchange(c, op, l, makeOffer, b.MakeOffer.GetFromLegId())
	case *callv1.MediaOp_TakeAnswer:
		return e.exchange(c, op, l, takeAnswer, b.TakeAnswer.GetSdp())
	case *callv1.MediaOp_MakeAnswer:
		return e.exchange(c, op, l, makeAnswer, b.MakeAnswer.GetPeerLegId())
	case *callv1.MediaOp_Withdraw:
		if l != nil && l.negotiated && l.open != nil && l.open.ours && l.open.revision == op.GetRevision() {
			l.open = nil
		}
		return &callv1.MediaResult{}
	case *callv1.MediaOp_Release:
		e.unbridge(l)
		delete(e.legs, op.GetLegId())
		return &callv1.MediaResult{}
	}
	if l == nil {
		return refused(callv1.Code_CODE_NOT_FOUND, "no such leg")
	}
	switch b := op.GetOp().(type) {
	case *callv1.MediaOp_Keep:
		l.kept = true
	case *callv1.MediaOp_Report:
		return &callv1.MediaResult{Connected: l.connected}
	case *callv1.MediaOp_Bridge:
		other := e.legs[b.Bridge.GetPeerLegId()]
		if other == nil {
			return refused(callv1.Code_CODE_NOT_FOUND, "no such peer leg")
		}
		e.unbridge(l)
		e.unbridge(other)
		l.peer, other.peer = b.Bridge.GetPeerLegId(), op.GetLegId()
	default:
		return refused(callv1.Code_CODE_UNSUPPORTED, "unknown operation")
	}
	return &callv1.MediaResult{}
}

func creates(op *callv1.MediaOp) bool { return op.GetTakeOffer() != nil || op.GetMakeOffer() != nil }

// unbridge takes a leg out of its bridge.
func (e *Engine) unbridge(l *leg) {
	if l == nil || l.peer == "" {
		return
	}
	if other := e.legs[l.peer]; other != nil {
		other.peer = ""
	}
	l.peer = ""
}

// sweep drops legs that nobody kept, now and then. e.mu is held.
func (e *Engine) sweep() {
	now := time.Now()
	if now.Before(e.nextSweep) {
		return
	}
	e.nextSweep = now.Add(e.cfg.Expire / 10)
	for id, l := range e.legs {
		if !l.kept && now.After(l.expires) {
			e.unbridge(l)
			delete(e.legs, id)
		}
	}
}
