package callstate

import (
	"context"
	"errors"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// errTryAgain hides why something could not be asked; the log says it.
var errTryAgain = schema.Errorf(callv1.Code_CODE_RETRY, "not now") //nolint:gochecknoglobals // a sentinel

// gather fills in what the transition depends on besides the record: whom an
// offer calls and where that rings, who could take a lost leg up, and the media
// node's part. An error refuses the command; nothing was committed then.
func (a *actor) gather(ctx context.Context, in *step.Input) error {
	s := a.p.s
	switch in.Command.GetBody().(type) {
	case *callv1.Command_Offer:
		if in.Call == nil {
			if err := a.gatherOffer(ctx, in); err != nil {
				return err
			}
		}
	case *callv1.Command_LegFailed:
		in.Targets = s.reachable(legSubscriber(in.Call, in.Command.GetLegId()))
	default:
		s.takeUpFirst(ctx, in)
	}
	ops := step.Plan(*in)
	if len(ops) == 0 {
		return nil
	}
	node := in.MediaNode
	if in.Call != nil {
		node = in.Call.GetMediaNode()
	}
	if in.Call == nil {
		a.offered, a.offeredAt = append(a.offered[:0], ops...), node
	}
	results, err := s.media(ctx, node, a.id, in.Command.GetId()+a.era, in.Epoch, ops)
	if err != nil {
		s.log.Warn("media node did not answer", "call", a.id, "leg", in.Command.GetLegId(), "media", node, "error", err)
		return errTryAgain
	}
	in.Media = results
	return nil
}

// gatherOffer answers what an offer for a new call depends on.
func (a *actor) gatherOffer(ctx context.Context, in *step.Input) error {
	s, o := a.p.s, in.Command.GetOffer()
	if int(s.live.Load()) >= s.cfg.MaxCalls || s.full.Load() {
		return schema.Errorf(callv1.Code_CODE_OVERLOAD, "no room for another call")
	}
	callee, err := s.resolve(ctx, o.GetTo())
	if err != nil {
		return err
	}
	in.Callee = callee
	if callee == nil {
		return nil
	}
	if a.redirect == nil {
		if a.redirect, err = a.settleGlare(ctx, in); err != nil {
			return err
		}
	}
	if in.RedirectTo = a.redirect; in.RedirectTo != nil {
		return nil
	}
	in.Targets = s.reachable(callee.GetSubscriber())
	if len(in.Targets) == 0 {
		// Somebody may have signed in a moment ago.
		if err := s.env.Terminals.Sync(ctx); err != nil {
			s.log.Warn("table of terminals not current", "call", a.id, "error", err)
		}
		in.Targets = s.reachable(callee.GetSubscriber())
	}
	in.MediaNode = s.nodes.leastLoaded()
	return nil
}

// resolve asks the directory; nil without an error is nobody.
func (s *Service) resolve(ctx context.Context, address string) (*callv1.Party, error) {
	r, err := s.env.Bus.Ask(ctx, &callv1.DirectoryRequest{
		Body: &callv1.DirectoryRequest_Resolve{Resolve: &callv1.Resolve{Address: address}},
	})
	if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND {
		return nil, nil //nolint:nilnil // nobody has the address
	}
	if err != nil {
		s.log.Warn("directory did not resolve", "address", address, "error", err)
		return nil, errTryAgain
	}
	return r.GetParty(), nil
}

// settleGlare looks for an unanswered call that the called subscriber has
// placed to the caller, and hands the offer's leg to it: both offers are
// answered there. nil if there is none, or if it moved on meanwhile.
func (a *actor) settleGlare(ctx context.Context, in *step.Input) (*callv1.Reply, error) {
	s, o := a.p.s, in.Command.GetOffer()
	a.pair, _ = s.pairs.get(schema.PairSubject(in.Command.GetPrincipal(), in.Callee.GetSubscriber()))
	winners := a.pair.opposite(in.Command.GetPrincipal(), in.Callee.GetSubscriber())
	if len(winners) > 0 {
		a.dropOffered(in)
	}
	for _, winner := range winners {
		r, err := s.env.Bus.Command(ctx, &callv1.Command{
			Id: in.Command.GetId() + "/handover", CallId: winner, LegId: in.Command.GetLegId(),
			Principal: in.Command.GetPrincipal(), SentAt: in.Command.GetSentAt(),
			Body: &callv1.Command_HandOver{HandOver: &callv1.HandOver{
				FromCallId: a.id, Offer: o, NextEvent: 1, MediaRevision: handOverRevision,
			}},
		})
		switch {
		case err == nil && r.GetError() == nil:
			s.log.Info("glare settled", "call", a.id, "leg", in.Command.GetLegId(), "winner", winner)
			return r, nil
		case err == nil && r.GetError().GetCode() == callv1.Code_CODE_RETRY, err != nil:
			s.log.Warn("glare: the other call's owner did not answer", "call", a.id, "winner", winner, "error", err)
			return nil, errTryAgain
		}
		a.pair = a.pair.without(winner) // answered, over, or never made
	}
	return nil, nil //nolint:nilnil // no glare
}

// dropOffered releases the media legs of an earlier attempt at this offer that
// lost the pair claim at its commit. Should the offer be tried once more, its
// media commands are new ones.
func (a *actor) dropOffered(in *step.Input) {
	if len(a.offered) == 0 {
		return
	}
	ops := make([]*callv1.MediaOp, 0, len(a.offered))
	for _, op := range a.offered {
		ops = append(ops, step.Release(op.GetLegId()))
	}
	a.p.s.mediaAfter(a.offeredAt, a.id, in.Command.GetId(), in.Epoch, ops)
	a.offered = a.offered[:0]
	a.era += "'"
}

// handOverRevision is the media revision of a leg that is handed over: the
// losing call may have used the first one for its own uncommitted leg.
const handOverRevision = 2

// takeUpFirst lets a terminal that is back speak for its leg at once: its
// command may be faster than the table of terminals.
func (s *Service) takeUpFirst(ctx context.Context, in *step.Input) {
	kind, node := in.From.GetKind(), in.From.GetNode()
	switch in.Command.GetBody().(type) {
	case *callv1.Command_HangUp, *callv1.Command_Answer, *callv1.Command_Ringing:
	default:
		return
	}
	l := legOf(in.Call, in.Command.GetLegId())
	t := l.GetTerminal()
	if l == nil || kind == "" || t.GetKind() != kind || t.GetSubscriber() != in.Command.GetPrincipal() ||
		!t.GetFeatures().GetResumes() || s.terminals.has(t) && t.GetNode() == node {
		return
	}
	if err := s.env.Terminals.Sync(ctx); err != nil {
		return
	}
	for _, back := range s.reachable(t.GetSubscriber()) {
		if back.GetKind() != kind || back.GetNode() != node {
			continue
		}
		lost := *in
		lost.From = &callv1.Identity{}
		lost.Targets = []*callv1.Terminal{back}
		lost.Command = &callv1.Command{
			CallId: in.Command.GetCallId(), LegId: in.Command.GetLegId(),
			Body: &callv1.Command_LegFailed{LegFailed: &callv1.LegFailed{Reason: callv1.Reason_REASON_TERMINAL_LOST}},
		}
		if out := step.Step(lost); out.Commit && step.Live(out.Call) {
			in.Call = out.Call // committed together with what the command does
			return
		}
	}
}

func legOf(c *callv1.CallRecord, id string) *callv1.Leg {
	for _, l := range c.GetLegs() {
		if l.GetId() == id {
			return l
		}
	}
	return nil
}

func legSubscriber(c *callv1.CallRecord, legID string) string {
	return legOf(c, legID).GetTerminal().GetSubscriber()
}

// media sends operations to a media node. An offer for one terminal that fails
// does not keep the others from getting theirs.
func (s *Service) media(ctx context.Context, node, callID, commandID string, epoch uint64, ops []*callv1.MediaOp) ([]*callv1.MediaResult, error) {
	var results []*callv1.MediaResult
	for len(ops) > 0 {
		try, cancel := bus.WithTimeout(ctx, mediaTimeout)
		r, err := s.env.Bus.Media(try, node, &callv1.MediaCommand{Id: commandID, CallId: callID, Epoch: epoch, Ops: ops})
		cancel()
		if err != nil {
			return nil, err
		}
		if r.GetError() != nil {
			// The whole command was refused: that is each operation's result.
			return append(results, &callv1.MediaResult{LegId: ops[0].GetLegId(), Error: r.GetError()}), nil
		}
		n := len(r.GetResults())
		if n == 0 || n > len(ops) {
			return nil, errors.New("media reply does not fit its command")
		}
		results = append(results, r.GetResults()...)
		if r.GetResults()[n-1].GetError() != nil && ops[n-1].GetMakeOffer() == nil {
			return results, nil
		}
		ops = ops[n:]
	}
	return results, nil
}

// mediaAfter tells a media node what a commit made of its legs. It is repeated
// a few times; a leg that nobody keeps or releases ends by itself. A leg that
// the node does not know keeps nothing from the others.
func (s *Service) mediaAfter(node, callID, commandID string, epoch uint64, ops []*callv1.MediaOp) {
	for try := 0; node != "" && len(ops) > 0 && try < 5; {
		ctx, cancel := bus.WithTimeout(s.ctx, mediaTimeout)
		r, err := s.env.Bus.Media(ctx, node, &callv1.MediaCommand{Id: commandID + "/after", CallId: callID, Epoch: epoch, Ops: ops})
		cancel()
		switch {
		case err == nil && r.GetError() == nil && len(r.GetResults()) > 0:
			ops = ops[min(len(r.GetResults()), len(ops)):]
		case s.ctx.Err() != nil, errors.Is(err, bus.ErrNoResponders) && !s.nodes.alive(step.KindMedia, node):
			return
		default:
			try++
			s.log.Warn("media node not told", "call", callID, "media", node, "try", try, "error", err, "code", r.GetError().GetCode())
		}
	}
}
