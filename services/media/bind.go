package media

import (
	"errors"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// later reports whether a revision is of an exchange after the leg's first.
func (m *member) later(revision uint32) bool {
	first := m.negotiated.Load()
	return first != 0 && revision > first
}

// note binds half an exchange. Who goes on to another revision knows how the ones
// before it came out; of those only the last is kept, for late repeats.
func (m *member) note(key binding, o outcome) {
	m.bound[key] = o
	if last := m.revision.Load(); last != key.revision {
		for k := range m.bound {
			if k.revision < last {
				delete(m.bound, k)
			}
		}
	}
	m.revision.Store(key.revision)
}

// bind decides what a command may do with a half of an exchange: nothing because
// it is done (the outcome is returned), or carry it out (nil, nil), perhaps after
// what an owner of a lower epoch did, and never committed, has been undone.
func (s *Service) bind(m *member, c *callv1.MediaCommand, key binding, content string) (*outcome, error) {
	o, ok := m.bound[key]
	if ok && (o.command == c.GetId() || content != "" && o.content == content) {
		o.command = c.GetId() // if any commits to it, it is this one
		m.bound[key] = o
		return &o, nil
	}
	conflict := schema.Errorf(callv1.Code_CODE_CONFLICT, "revision %d is bound to another command", key.revision)
	if key.revision < m.revision.Load() {
		return nil, conflict
	}
	begins := key.step == takeOffer || key.step == makeOffer
	if begins && !ok {
		// An offer in the other direction may have this revision already.
		for _, st := range []step{takeOffer, makeOffer} {
			if other, there := m.bound[binding{key.revision, st}]; there {
				o, ok = other, true
			}
		}
	}
	if !ok {
		return nil, nil //nolint:nilnil // documented
	}
	if !s.replaceable(m, c, key, o) || !begins && key.step != makeAnswer {
		return nil, conflict
	}
	if m.later(key.revision) {
		return nil, s.undo(m, key, conflict)
	}
	if begins {
		s.renew(m)
		clear(m.bound)
		return nil, nil //nolint:nilnil // documented
	}
	// The answer was never committed, so the terminal has not seen it: it is made
	// again, on a new transport, from the offer.
	if m.offer == "" {
		return nil, conflict
	}
	i := s.renew(m)
	if _, err := i.leg.TakeOffer(m.offer); err != nil {
		return nil, refusal(err, takeOffer)
	}
	delete(m.bound, key)
	return nil, nil //nolint:nilnil // documented
}

// replaceable reports whether a command of a higher epoch may undo what another
// command did: only what was never committed. Of a first exchange that is the leg
// as a whole, or its answer; a terminal that is connected has its answer, so that
// was committed. Of a later one the record would have kept the next owner from
// using its revision again.
func (s *Service) replaceable(m *member, c *callv1.MediaCommand, key binding, o outcome) bool {
	if c.GetEpoch() <= o.epoch || o.kept {
		return false
	}
	if m.later(key.revision) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return (key.step == makeAnswer || !m.committed) && !m.now.Load().leg.Connected()
}

// undo takes a later exchange back, as far as a half of it is to be done again.
func (s *Service) undo(m *member, key binding, conflict error) error {
	at := func(st step) binding { return binding{key.revision, st} }
	l := m.now.Load().leg
	if _, answered := m.bound[at(takeAnswer)]; answered {
		return conflict // the terminal has spoken: that stands
	}
	if _, made := m.bound[at(makeAnswer)]; made {
		if err := l.Undo(); errors.Is(err, leg.ErrBroken) {
			s.remove(m)
			return refusal(err, key.step)
		} else if err != nil {
			return conflict
		}
		s.refresh(m.id)
	}
	delete(m.bound, at(makeAnswer))
	if key.step == makeAnswer {
		return nil
	}
	l.Withdraw()
	m.offering = 0
	delete(m.bound, at(takeOffer))
	delete(m.bound, at(makeOffer))
	return nil
}

// withdraw takes back our offer of a revision, if it is out.
func (s *Service) withdraw(c *callv1.MediaCommand, op *callv1.MediaOp) (*callv1.MediaResult, error) {
	m, err := s.holder(c, op.GetLegId())
	switch {
	case schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND:
		return &callv1.MediaResult{}, nil
	case err != nil:
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.now.Load().leg
	if m.offering == op.GetRevision() && m.later(m.offering) {
		l.Withdraw()
		m.offering = 0
	}
	r := &callv1.MediaResult{}
	if session := l.Session(); session != nil {
		r.Skeleton = session.Skeleton()
	}
	return r, nil
}
