package media

import (
	"errors"
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
	m.bound[key] = outcome{command: c.GetId(), content: content, epoch: c.GetEpoch(), result: r}
	m.revision.Store(op.GetRevision())
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

// bind decides what a command may do with a half of an exchange: nothing because
// it is done (the outcome is returned), or carry it out (nil, nil), perhaps on a
// leg made new because a higher epoch replaces an uncommitted one.
func (s *Service) bind(m *member, c *callv1.MediaCommand, key binding, content string) (*outcome, error) {
	o, ok := m.bound[key]
	if ok && (o.command == c.GetId() || content != "" && o.content == content) {
		o.command = c.GetId() // if any commits to it, it is this one
		m.bound[key] = o
		return &o, nil
	}
	conflict := schema.Errorf(callv1.Code_CODE_CONFLICT, "revision %d is bound to another command", key.revision)
	if !ok {
		if key.revision < m.revision.Load() {
			return nil, conflict
		}
		return nil, nil //nolint:nilnil // documented
	}
	if !s.replaceable(m, c, key.step, o) {
		return nil, conflict
	}
	switch key.step {
	case takeOffer, makeOffer:
		s.renew(m)
		clear(m.bound)
	case makeAnswer:
		// The answer was never committed, so the terminal has not seen it: it is
		// made again, on a new transport, from the offer.
		if m.offer == "" {
			return nil, conflict
		}
		i := s.renew(m)
		if err := i.leg.TakeOffer(m.offer); err != nil {
			return nil, refusal(err, takeOffer)
		}
		delete(m.bound, key)
	default:
		return nil, conflict
	}
	return nil, nil //nolint:nilnil // documented
}

// perform asks the leg.
func (s *Service) perform(m *member, op *callv1.MediaOp, st step, peer *instance) (*callv1.MediaResult, error) {
	l := m.now.Load().leg
	r := &callv1.MediaResult{}
	var err error
	switch st {
	case takeOffer:
		text := op.GetTakeOffer().GetSdp()
		if err = l.TakeOffer(text); err == nil {
			m.offer = text
			m.now.Load().generation.Store(s.generations.Add(1))
		}
	case makeOffer:
		f := op.GetMakeOffer().GetFeatures()
		r.Sdp, err = l.MakeOffer(peer.leg.Bounds(), f == nil || f.GetVideo())
	case takeAnswer:
		err = l.TakeAnswer(op.GetTakeAnswer().GetSdp())
	case makeAnswer:
		r.Sdp, err = l.MakeAnswer(peer.leg.Bounds())
	}
	if err != nil {
		return nil, err
	}
	m.touch()
	if session := l.Session(); session != nil && st != takeOffer {
		r.Skeleton = session.Skeleton()
	}
	return r, nil
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
		if st == takeOffer || st == makeOffer {
			return schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "the leg is negotiated: %w", err)
		}
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "%w", err)
	case errors.Is(err, leg.ErrClosed):
		return schema.Errorf(callv1.Code_CODE_NOT_FOUND, "%w", err)
	default:
		return schema.Errorf(callv1.Code_CODE_INTERNAL, "%w", err)
	}
}
