package media

import (
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// maxOps is the most operations of one command.
const maxOps = 64

// handle takes a media command off the bus; it does not block.
func (s *Service) handle(c *callv1.MediaCommand, respond func(*callv1.MediaReply)) {
	s.metrics.Count(MetricCommands, 1)
	refuse := func(code callv1.Code, message string) {
		respond(&callv1.MediaReply{Error: &callv1.Error{Code: code, Message: message}})
	}
	if c.GetId() == "" || c.GetCallId() == "" || len(c.GetOps()) > maxOps {
		refuse(callv1.Code_CODE_INVALID, "command without id or call, or with too many operations")
		return
	}
	if !s.jobs.do(c.GetCallId(), func() { respond(s.execute(c)) }) {
		s.metrics.Count(MetricOverload, 1)
		refuse(callv1.Code_CODE_OVERLOAD, "too many media commands wait")
	}
}

// execute carries out a command's operations in order, up to the first that
// fails.
func (s *Service) execute(c *callv1.MediaCommand) *callv1.MediaReply {
	reply := &callv1.MediaReply{}
	for _, op := range c.GetOps() {
		r, err := s.operate(c, op)
		if err != nil {
			s.metrics.Count(MetricRefused, 1)
			s.log.Debug("media operation refused", "call", c.GetCallId(), "leg", op.GetLegId(), "error", err)
			r = &callv1.MediaResult{Error: schema.ToProto(err)}
		}
		r.LegId = op.GetLegId()
		reply.Results = append(reply.Results, r)
		if err != nil {
			break
		}
	}
	return reply
}

func (s *Service) operate(c *callv1.MediaCommand, op *callv1.MediaOp) (*callv1.MediaResult, error) {
	if _, ordinal, ok := schema.SplitLegID(op.GetLegId()); !ok || ordinal == 0 {
		return nil, schema.Invalid("leg_id", "not a leg id")
	}
	switch o := op.GetOp().(type) {
	case *callv1.MediaOp_Release:
		return s.release(c, op.GetLegId())
	case *callv1.MediaOp_Keep:
		return s.keep(c, op)
	case *callv1.MediaOp_Report:
		return s.report(c, op)
	case *callv1.MediaOp_Withdraw:
		return s.withdraw(c, op)
	case *callv1.MediaOp_Bridge:
		return s.join(c, op, o.Bridge)
	case *callv1.MediaOp_TakeOffer:
		return s.exchange(c, op, takeOffer, "")
	case *callv1.MediaOp_MakeOffer:
		return s.exchange(c, op, makeOffer, o.MakeOffer.GetFromLegId())
	case *callv1.MediaOp_TakeAnswer:
		return s.exchange(c, op, takeAnswer, "")
	case *callv1.MediaOp_MakeAnswer:
		return s.exchange(c, op, makeAnswer, o.MakeAnswer.GetPeerLegId())
	default:
		return nil, schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "unknown media operation")
	}
}

// exchange carries out half of an offer/answer exchange, under the rules of
// MediaOp.revision.
func (s *Service) exchange(c *callv1.MediaCommand, op *callv1.MediaOp, st step, peerID string) (*callv1.MediaResult, error) {
	if op.GetRevision() == 0 {
		return nil, schema.Invalid("revision", "counts from 1")
	}
	var peer *instance
	if peerID != "" || st == makeOffer || st == makeAnswer {
		p := s.member(peerID)
		if p == nil || peerID == op.GetLegId() {
			return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such peer leg here")
		}
		peer = p.now.Load()
	}
	m, fresh, err := s.enter(c, op, st)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	content := contentOf(op, peer)
	key := binding{op.GetRevision(), st}
	o, err := s.bind(m, c, key, content)
	if err != nil {
		return nil, err
	}
	if o != nil {
		return o.answer(), nil
	}
	r, err := s.perform(m, op, st, peer)
	if err != nil {
		if fresh || errors.Is(err, leg.ErrBroken) {
			s.remove(m)
		}
		return nil, refusal(err, st)
	}
	if r.GetUnchanged() {
		return r, nil
	}
	m.note(key, outcome{command: c.GetId(), content: content, epoch: c.GetEpoch(), result: r})
	s.flush(m)
	s.refresh(m.id)
	return proto.CloneOf(r), nil
}

// contentOf identifies what an operation asks, with the peer's generation: the
// same words about another offer ask for something else.
func contentOf(op *callv1.MediaOp, peer *instance) string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(op)
	if err != nil {
		return ""
	}
	if peer != nil {
		return string(b) + strconv.FormatUint(peer.generation.Load(), 10)
	}
	return string(b)
}

// perform asks the leg.
func (s *Service) perform(m *member, op *callv1.MediaOp, st step, peer *instance) (*callv1.MediaResult, error) {
	i := m.now.Load()
	var out leg.Outcome
	var err error
	m.saying.Store(op.GetRevision())
	switch st {
	case takeOffer:
		o := op.GetTakeOffer()
		if out, err = i.leg.TakeOffer(o.GetSdp()); err == nil {
			i.sees(o.GetFeatures())
			m.offer, m.offering = o.GetSdp(), 0
			i.generation.Store(s.generations.Add(1))
		}
	case makeOffer:
		i.sees(op.GetMakeOffer().GetFeatures())
		if out, err = i.leg.MakeOffer(peer.bounds(), i.bounds().Video); err == nil && !out.Unchanged {
			m.offering = op.GetRevision()
		}
	case takeAnswer:
		if m.offering != op.GetRevision() {
			err = fmt.Errorf("%w: no offer of this revision is out", leg.ErrState)
		} else if out, err = i.leg.TakeAnswer(op.GetTakeAnswer().GetSdp()); err == nil {
			m.offering = 0
		}
	case makeAnswer:
		if out, err = i.leg.MakeAnswer(peer.bounds()); err == nil {
			out.Changed = stale(peer, i)
		}
	}
	if err != nil || out.Unchanged {
		m.saying.Store(m.revision.Load())
	}
	if err != nil {
		return nil, err
	}
	if st == takeAnswer || st == makeAnswer {
		m.negotiated.CompareAndSwap(0, op.GetRevision())
		if out.Changed {
			i.generation.Store(s.generations.Add(1))
		}
	}
	m.touch()
	r := &callv1.MediaResult{Sdp: out.SDP, Unchanged: out.Unchanged, NewTransport: out.NewTransport, Changed: out.Changed}
	if session := i.leg.Session(); session != nil && st != takeOffer {
		r.Skeleton = session.Skeleton()
	}
	return r, nil
}

// stale reports whether a leg would be told something new if it were offered what
// another one can do.
func stale(l, of *instance) bool {
	session := l.leg.Session()
	return session != nil && session.Complete && session.Reoffer(of.bounds(), l.bounds().Video) != nil
}

// refusal gives an error its code.
func refusal(err error, st step) error {
	field := "take_offer.sdp"
	if st == takeAnswer {
		field = "take_answer.sdp"
	}
	var known *schema.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, sdp.ErrNotAcceptable):
		return schema.Errorf(callv1.Code_CODE_NOT_ACCEPTABLE, "%w", err)
	case errors.Is(err, sdp.ErrMalformed), errors.Is(err, sdp.ErrTooLarge), errors.Is(err, sdp.ErrMismatch):
		return schema.Invalid(field, "%w", err)
	case errors.Is(err, leg.ErrState):
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "%w", err)
	case errors.Is(err, leg.ErrClosed):
		return schema.Errorf(callv1.Code_CODE_NOT_FOUND, "%w", err)
	default:
		return schema.Errorf(callv1.Code_CODE_INTERNAL, "%w", err)
	}
}
