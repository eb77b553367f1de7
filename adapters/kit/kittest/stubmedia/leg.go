package stubmedia

import (
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// leg is one terminal's session.
type leg struct {
	call      string
	epoch     uint64
	kept      bool
	expires   time.Time
	revision  uint32
	done      []done // operations of this revision
	remote    string // the terminal's description
	local     string // ours
	offered   bool   // by us
	peer      string
	connected bool
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
	case *callv1.MediaOp_Release:
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
		l.peer, other.peer = b.Bridge.GetPeerLegId(), op.GetLegId()
	default:
		return refused(callv1.Code_CODE_UNSUPPORTED, "unknown operation")
	}
	return &callv1.MediaResult{}
}

func creates(op *callv1.MediaOp) bool { return op.GetTakeOffer() != nil || op.GetMakeOffer() != nil }

// exchange carries out one of the four operations of an offer/answer exchange.
func (e *Engine) exchange(c *callv1.MediaCommand, op *callv1.MediaOp, l *leg, kind opKind, content string) *callv1.MediaResult {
	if op.GetRevision() == 0 {
		return refused(callv1.Code_CODE_INVALID, "no revision")
	}
	if l == nil {
		if !creates(op) {
			return refused(callv1.Code_CODE_NOT_FOUND, "no such leg")
		}
		l = &leg{call: c.GetCallId(), epoch: c.GetEpoch(), expires: time.Now().Add(e.cfg.Expire)}
	}
	for _, d := range l.done {
		if d.kind == kind && d.revision == op.GetRevision() {
			if d.content != content {
				return refused(callv1.Code_CODE_CONFLICT, "the revision is bound to command "+d.command)
			}
			return d.result
		}
	}
	if bad := l.outOfOrder(kind, op.GetRevision()); bad != "" {
		return refused(callv1.Code_CODE_CONFLICT, bad)
	}
	result := &callv1.MediaResult{}
	switch kind {
	case takeOffer, takeAnswer:
		if !usable(content) {
			return refused(callv1.Code_CODE_NOT_ACCEPTABLE, "no usable m-line")
		}
		l.remote = content
	case makeOffer:
		from := e.legs[content]
		if from == nil || from.remote == "" {
			return refused(callv1.Code_CODE_NOT_FOUND, "no such leg to offer from")
		}
		e.origin++
		l.local = offer(e.origin)
	case makeAnswer:
		if e.legs[content] == nil {
			return refused(callv1.Code_CODE_NOT_FOUND, "no such peer leg")
		}
		e.origin++
		l.local = answer(e.origin, l.remote)
	}
	if kind == makeOffer || kind == makeAnswer {
		result.Sdp = l.local
	}
	result.Skeleton = skeleton
	if op.GetRevision() > l.revision {
		l.done = l.done[:0]
	}
	l.call, l.revision, l.offered = c.GetCallId(), op.GetRevision(), kind == makeOffer || kind == takeAnswer
	l.done = append(l.done, done{kind, op.GetRevision(), c.GetId(), content, result})
	e.legs[op.GetLegId()] = l
	if kind == takeAnswer || kind == makeAnswer {
		e.reportConnected(op.GetLegId())
	}
	return result
}

// outOfOrder says what is wrong with an operation at this point of the leg's
// offer/answer exchange (RFC 3264); "" is nothing.
func (l *leg) outOfOrder(kind opKind, revision uint32) string {
	switch {
	case kind == takeOffer || kind == makeOffer:
		if revision <= l.revision { // a leg that was handed over does not begin at 1
			return "not above the present revision"
		}
		if l.revision > 0 && !l.settled() {
			return "the last exchange is not over"
		}
	case revision != l.revision:
		return "not the present revision"
	case kind == takeAnswer && !l.offered:
		return "no offer was made"
	case kind == makeAnswer && l.offered:
		return "no offer was taken"
	}
	return ""
}

// settled reports whether the present exchange has its answer.
func (l *leg) settled() bool {
	for _, d := range l.done {
		if d.kind == takeAnswer || d.kind == makeAnswer {
			return true
		}
	}
	return false
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
			delete(e.legs, id)
		}
	}
}

var skeleton = &callv1.Skeleton{
	DtlsRole: "active",
	MLines: []*callv1.MLine{{
		Kind: "audio", Mid: "0", Direction: "sendrecv",
		Codecs: []*callv1.Codec{{PayloadType: 111, Name: "opus", ClockRate: 48000, Channels: 2}},
	}},
}
