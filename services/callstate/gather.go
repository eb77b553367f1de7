package callstate

import (
	"context"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// errTryAgain hides why something could not be asked; the log says it.
var errTryAgain = schema.Errorf(callv1.Code_CODE_RETRY, "not now") //nolint:gochecknoglobals // a sentinel

// gather fills in what the transition depends on besides the record: whom an
// offer calls and where that rings, who could take a lost leg up, where a push's
// phone is, and the media node's part. An error refuses the command; nothing was
// committed then.
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
	case *callv1.Command_Push:
		s.takeUpFirst(ctx, in)
		if err := s.gatherPush(ctx, in); err != nil {
			return err
		}
	default:
		s.takeUpFirst(ctx, in)
	}
	return a.gatherMedia(ctx, in)
}

// gatherMedia has the media node do its part. Revisions that it has in use for
// commands whose commit failed, or never came, are skipped.
func (a *actor) gatherMedia(ctx context.Context, in *step.Input) error {
	s := a.p.s
	for range maxSkips {
		ops := step.Plan(*in)
		if len(ops) == 0 {
			return nil
		}
		node := in.MediaNode
		if in.Call != nil {
			node = in.Call.GetMediaNode()
		}
		if step.Skips(*in) {
			if err := a.afterTold(ctx); err != nil {
				return errTryAgain
			}
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
		if !step.Skips(*in) {
			return nil
		}
		crossed := step.Crossed(ops, results)
		if len(crossed) == 0 {
			return nil
		}
		if in.Skip == nil {
			in.Skip = map[string]uint32{}
		}
		for _, legID := range crossed {
			in.Skip[legID]++
		}
	}
	return nil
}

// gatherOffer answers what an offer for a new call depends on.
func (a *actor) gatherOffer(ctx context.Context, in *step.Input) error {
	s, o := a.p.s, in.Command.GetOffer()
	if int(s.live.Load()) >= s.cfg.MaxCalls || s.full.Load() {
		return schema.Errorf(callv1.Code_CODE_OVERLOAD, "no room for another call")
	}
	if a.slot.Load() == nil {
		if err := s.callers.begin(in.Command.GetPrincipal(), s.now(), true); err != nil {
			if s.callers.tells(in.Command.GetPrincipal(), s.now()) {
				s.log.Info("offer refused", "call", a.id, "subscriber", in.Command.GetPrincipal(), "error", err)
			}
			return err
		}
		a.slot.Store(&in.Command.Principal)
	}
	callee, wakes, err := s.resolve(ctx, a.id, o.GetTo())
	if err != nil {
		return err
	}
	in.Callee, in.Wakes = callee, wakes
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
	in.Targets = s.reachableNow(ctx, callee.GetSubscriber())
	in.MediaNode = s.nodes.leastLoaded()
	return nil
}

// resolve asks the directory; nil without an error is nobody. wakes: the party has
// devices that can be woken.
func (s *Service) resolve(ctx context.Context, call, address string) (party *callv1.Party, wakes bool, err error) {
	r, err := s.env.Bus.Ask(ctx, &callv1.DirectoryRequest{
		Body: &callv1.DirectoryRequest_Resolve{Resolve: &callv1.Resolve{Address: address}},
	})
	if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND {
		err, r = nil, nil
	}
	s.troubles.went(needDirectory, s.now(), err)
	if err != nil {
		s.log.Warn("directory did not resolve", "call", call, "address", address, "error", err)
		return nil, false, errTryAgain
	}
	return r.GetParty(), r.GetWakes(), nil
}

// nobodysAddress is in a part of the numbering plan that is given to nobody.
const nobodysAddress = "tel:+999"

// askDirectory notes whether the directory answers: without it nobody can sign in,
// and no call asks for it.
func (s *Service) askDirectory(ctx context.Context) {
	ask, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	_, err := s.env.Bus.Ask(ask, &callv1.DirectoryRequest{
		Body: &callv1.DirectoryRequest_Resolve{Resolve: &callv1.Resolve{Address: nobodysAddress}},
	})
	if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND {
		err = nil
	}
	if ctx.Err() == nil {
		s.troubles.went(needDirectory, s.now(), err)
	}
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
