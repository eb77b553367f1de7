package media

import (
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/bridge"
)

// joint is a bridge and the legs it joins.
type joint struct {
	*bridge.Bridge
	a, b string
}

// join bridges a leg with another, both ways, in place of what either was
// bridged with.
func (s *Service) join(c *callv1.MediaCommand, op *callv1.MediaOp, o *callv1.Bridge) (*callv1.MediaResult, error) {
	m, err := s.holder(c, op.GetLegId())
	if err != nil {
		return nil, err
	}
	peer := s.member(o.GetPeerLegId())
	if peer == nil || peer == m {
		return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such peer leg here")
	}
	a, b := m.now.Load().end, peer.now.Load().end
	if x, y := a.Leg().Session(), b.Leg().Session(); x != nil && y != nil && x.Complete && y.Complete && !bridge.Fits(x, y) {
		return nil, schema.Errorf(callv1.Code_CODE_NOT_ACCEPTABLE, "the two legs have no codec in common")
	}
	s.joinMu.Lock()
	defer s.joinMu.Unlock()
	if j := s.joints[m.id]; j != nil && j.Has(a, b) {
		j.Refresh()
		return &callv1.MediaResult{}, nil
	}
	s.partLocked(m.id)
	s.partLocked(peer.id)
	j := &joint{bridge.Join(a, b), m.id, peer.id}
	s.joints[m.id], s.joints[peer.id] = j, j
	return &callv1.MediaResult{}, nil
}

// part ends a leg's bridge.
func (s *Service) part(id string) {
	s.joinMu.Lock()
	defer s.joinMu.Unlock()
	s.partLocked(id)
}

func (s *Service) partLocked(id string) {
	j := s.joints[id]
	if j == nil {
		return
	}
	j.Close()
	delete(s.joints, j.a)
	delete(s.joints, j.b)
}

// refresh tells a leg's bridge that the leg has changed.
func (s *Service) refresh(id string) {
	if j := s.jointOf(id); j != nil {
		j.Refresh()
	}
}

func (s *Service) jointOf(id string) *joint {
	s.joinMu.Lock()
	defer s.joinMu.Unlock()
	return s.joints[id]
}
