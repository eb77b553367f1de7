package step_test

import (
	"fmt"
	"strings"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// mediaModel is a media node as the schema describes it: what it refuses as a
// conflict, an owner must not ask.
type mediaModel struct {
	legs map[string]*mediaLeg
	// refuse decides whether an operation is refused as not acceptable.
	refuse func() bool
}

type mediaLeg struct {
	epoch      uint64
	kept       bool
	revision   uint32
	done       []mediaDone
	open       bool // an exchange of this revision is under way
	ours       bool // and we began it
	negotiated bool
	remote     string // what the terminal described last, once that is in force
	offered    string // and what it describes in the exchange that is open
	told       string // what it was told of the other leg
	telling    string
	transport  uint32
	print      string
	connected  bool
	peer       string
}

type mediaDone struct {
	op       string
	revision uint32
	command  string
	content  string
	result   *callv1.MediaResult
}

func refusedAs(code callv1.Code, why string) *callv1.MediaResult {
	return &callv1.MediaResult{Error: &callv1.Error{Code: code, Message: why}}
}

// serve carries operations out in order, up to the first that fails; offers that
// cannot be made keep nothing from the others, as an owner has it.
func (m *mediaModel) serve(id string, epoch uint64, ops []*callv1.MediaOp) []*callv1.MediaResult {
	var out []*callv1.MediaResult
	for _, op := range ops {
		r := m.one(id, epoch, op)
		r.LegId = op.GetLegId()
		out = append(out, r)
		if r.GetError() != nil && op.GetMakeOffer() == nil {
			break
		}
	}
	return out
}

func (m *mediaModel) one(id string, epoch uint64, op *callv1.MediaOp) *callv1.MediaResult {
	l := m.legs[op.GetLegId()]
	creates := op.GetTakeOffer() != nil || op.GetMakeOffer() != nil
	if l != nil && op.GetRelease() == nil {
		switch {
		case epoch < l.epoch:
			return refusedAs(callv1.Code_CODE_CONFLICT, "an earlier epoch")
		case epoch > l.epoch && !l.kept && creates:
			m.release(op.GetLegId())
			l = nil
		default:
			l.epoch = epoch
		}
	}
	if l == nil && creates {
		l = &mediaLeg{epoch: epoch}
	}
	if op.GetRelease() != nil {
		m.release(op.GetLegId())
		return &callv1.MediaResult{}
	}
	if w := op.GetWithdraw(); w != nil {
		if l != nil && l.negotiated && l.open && l.ours && l.revision == op.GetRevision() {
			l.open = false
		}
		return &callv1.MediaResult{}
	}
	if l == nil {
		return refusedAs(callv1.Code_CODE_NOT_FOUND, "no such leg")
	}
	switch {
	case op.GetKeep() != nil:
		l.kept = true
		return &callv1.MediaResult{}
	case op.GetBridge() != nil:
		return m.bridge(op.GetLegId(), op.GetBridge().GetPeerLegId())
	}
	return m.exchange(id, l, op)
}

func (m *mediaModel) release(id string) {
	if l := m.legs[id]; l != nil {
		m.part(id)
		delete(m.legs, id)
	}
}

func (m *mediaModel) part(id string) {
	if l := m.legs[id]; l != nil && l.peer != "" {
		if p := m.legs[l.peer]; p != nil {
			p.peer = ""
		}
		l.peer = ""
	}
}

func (m *mediaModel) bridge(a, b string) *callv1.MediaResult {
	if m.legs[a] == nil || m.legs[b] == nil {
		return refusedAs(callv1.Code_CODE_NOT_FOUND, "no such peer")
	}
	m.part(a)
	m.part(b)
	m.legs[a].peer, m.legs[b].peer = b, a
	return &callv1.MediaResult{}
}

// exchange is half of an offer/answer exchange.
func (m *mediaModel) exchange(id string, l *mediaLeg, op *callv1.MediaOp) *callv1.MediaResult {
	name, content := strings.TrimPrefix(fmt.Sprintf("%T", op.GetOp()), "*callv1.MediaOp_"), ""
	switch b := op.GetOp().(type) {
	case *callv1.MediaOp_TakeOffer:
		content = b.TakeOffer.GetSdp()
	case *callv1.MediaOp_TakeAnswer:
		content = b.TakeAnswer.GetSdp()
	case *callv1.MediaOp_MakeOffer:
		content = b.MakeOffer.GetFromLegId()
	case *callv1.MediaOp_MakeAnswer:
		content = b.MakeAnswer.GetPeerLegId()
	}
	for _, d := range l.done {
		if d.op == name && d.revision == op.GetRevision() {
			if d.command == id || d.content == content && op.GetMakeOffer() == nil {
				return d.result
			}
			return refusedAs(callv1.Code_CODE_CONFLICT, "bound to another command")
		}
	}
	begins := op.GetTakeOffer() != nil || op.GetMakeOffer() != nil
	switch {
	case begins && op.GetRevision() <= l.revision:
		return refusedAs(callv1.Code_CODE_CONFLICT, "not above the present revision")
	case begins && l.open && (!l.negotiated || op.GetMakeOffer() != nil && l.ours):
		return refusedAs(callv1.Code_CODE_CONFLICT, "the last exchange is not over")
	case !begins && (op.GetRevision() != l.revision || !l.open || l.ours != (op.GetTakeAnswer() != nil)):
		return refusedAs(callv1.Code_CODE_CONFLICT, "no such exchange")
	}
	if m.refuse() {
		return refusedAs(callv1.Code_CODE_NOT_ACCEPTABLE, "as it happens")
	}
	peer := m.legs[content]
	if peer == nil && (op.GetMakeOffer() != nil || op.GetMakeAnswer() != nil) {
		return refusedAs(callv1.Code_CODE_NOT_FOUND, "no such peer leg")
	}
	r := &callv1.MediaResult{Skeleton: &callv1.Skeleton{}}
	switch {
	case op.GetTakeOffer() != nil:
		l.open, l.ours, l.offered = true, false, content
	case op.GetMakeOffer() != nil:
		if l.negotiated && l.told == peer.remote {
			r.Unchanged = true
			return r
		}
		l.open, l.ours, l.telling = true, true, peer.remote
		r.Sdp = "offer " + peer.remote
	case op.GetTakeAnswer() != nil:
		l.offered = content
		m.settle(l, op.GetRevision(), r)
		l.told = l.telling
	case op.GetMakeAnswer() != nil:
		m.settle(l, op.GetRevision(), r)
		l.told = peer.remote
		r.Sdp = "answer " + peer.remote
	}
	if op.GetRevision() > l.revision {
		l.revision, l.done = op.GetRevision(), nil
	}
	l.done = append(l.done, mediaDone{name, op.GetRevision(), id, content, r})
	m.legs[op.GetLegId()] = l
	return r
}

// settle completes an exchange; another fingerprint makes a new transport.
func (m *mediaModel) settle(l *mediaLeg, revision uint32, r *callv1.MediaResult) {
	print := l.offered[:min(1, len(l.offered))]
	r.NewTransport = !l.negotiated || print != l.print
	if r.NewTransport {
		l.transport, l.connected = revision, false
	}
	l.negotiated, l.open, l.remote, l.print = true, false, l.offered, print
}
