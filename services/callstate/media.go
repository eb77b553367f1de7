package callstate

import (
	"context"
	"errors"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

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
