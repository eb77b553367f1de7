package media

import (
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/bridge"
)

// member gives a leg of this node, nil if there is none.
func (s *Service) member(id string) *member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.legs[id]
}

// enter gives the leg that an exchange is about, made new if the operation may
// make one; fresh tells that.
func (s *Service) enter(c *callv1.MediaCommand, op *callv1.MediaOp, st step) (m *member, fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m = s.legs[op.GetLegId()]
	if m == nil {
		if st != takeOffer && st != makeOffer {
			return nil, false, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such leg here")
		}
		if len(s.legs) >= s.cfg.MaxLegs {
			return nil, false, schema.Errorf(callv1.Code_CODE_OVERLOAD, "the node has all the legs it takes")
		}
		if s.draining {
			return nil, false, schema.Errorf(callv1.Code_CODE_OVERLOAD, "the node is draining")
		}
		return s.create(c, op.GetLegId()), true, nil
	}
	// A leg moves to another call only by a new description: after a glare the
	// winner takes the loser's offer with the next revision.
	if m.call != c.GetCallId() {
		if st != takeOffer || m.negotiated.Load() != 0 || m.committed && op.GetRevision() <= m.revision.Load() {
			return nil, false, schema.Errorf(callv1.Code_CODE_CONFLICT, "the leg belongs to another call")
		}
		m.call, m.epoch = c.GetCallId(), c.GetEpoch()
	}
	if c.GetEpoch() < m.epoch {
		return nil, false, schema.Errorf(callv1.Code_CODE_CONFLICT, "epoch %d is over", c.GetEpoch())
	}
	m.epoch = c.GetEpoch()
	return m, false, nil
}

// create makes a leg. The caller holds mu.
func (s *Service) create(c *callv1.MediaCommand, id string) *member {
	m := &member{
		id: id, s: s, call: c.GetCallId(), epoch: c.GetEpoch(), bound: map[binding]outcome{},
	}
	m.facts = newFacts(m)
	m.now.Store(s.instance(m))
	m.expiry = time.AfterFunc(s.cfg.Uncommitted, func() { s.expire(m) })
	s.legs[id] = m
	s.metrics.Gauge(MetricLegs, len(s.legs))
	return m
}

// instance makes the leg of a member.
func (s *Service) instance(m *member) *instance {
	i := &instance{m: m}
	i.generation.Store(s.generations.Add(1))
	i.leg = s.engine.New(i)
	i.end = bridge.NewEnd(i.leg)
	return i
}

// renew replaces the leg of a member; the caller holds the member's mu.
func (s *Service) renew(m *member) *instance {
	old := m.now.Load()
	old.replaced.Store(true)
	s.part(m.id)
	i := s.instance(m)
	m.now.Store(i)
	m.negotiated.Store(0)
	m.offering = 0
	old.end.Close()
	s.wg.Go(old.leg.Close)
	return i
}

// touch starts the clock of an uncommitted leg anew.
func (m *member) touch() {
	m.described.Store(time.Now().UnixNano())
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if !m.committed && m.s.legs[m.id] == m {
		m.expiry.Reset(m.s.cfg.Uncommitted)
	}
}

// holder gives a leg if the command's call holds it and its epoch is not over.
func (s *Service) holder(c *callv1.MediaCommand, id string) (*member, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.legs[id]
	switch {
	case m == nil:
		return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such leg here")
	case m.call != c.GetCallId():
		return nil, schema.Errorf(callv1.Code_CODE_CONFLICT, "the leg belongs to another call")
	case c.GetEpoch() < m.epoch:
		return nil, schema.Errorf(callv1.Code_CODE_CONFLICT, "epoch %d is over", c.GetEpoch())
	}
	m.epoch = c.GetEpoch()
	return m, nil
}

// keep commits to a leg. Every owner keeps the legs that it finds in the call's
// record, where an answer or a re-offer that another command made may be missing:
// that is committed only by the command that made it, or what follows from it (an
// id that goes on after a slash).
func (s *Service) keep(c *callv1.MediaCommand, op *callv1.MediaOp) (*callv1.MediaResult, error) {
	m, err := s.holder(c, op.GetLegId())
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, o := range m.bound {
		follows := c.GetId() == o.command || strings.HasPrefix(c.GetId(), o.command+"/")
		o.kept = o.kept || follows || !m.later(key.revision) && (key.step == takeOffer || key.step == makeOffer)
		m.bound[key] = o
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.committed = true
	m.expiry.Stop()
	return &callv1.MediaResult{}, nil
}

// report tells how a leg is.
func (s *Service) report(c *callv1.MediaCommand, op *callv1.MediaOp) (*callv1.MediaResult, error) {
	m, err := s.holder(c, op.GetLegId())
	if err != nil {
		return nil, err
	}
	l := m.now.Load().leg
	r := &callv1.MediaResult{Connected: l.Connected()}
	if session := l.Session(); session != nil {
		r.Skeleton = session.Skeleton()
	}
	return r, nil
}

// release ends a leg that a call holds. A call that has handed it over, or never
// had it, releases nothing; an owner whose epoch is over may not.
func (s *Service) release(c *callv1.MediaCommand, id string) (*callv1.MediaResult, error) {
	s.mu.Lock()
	m := s.legs[id]
	switch {
	case m == nil || m.call != c.GetCallId():
		s.waiting.drop(id)
		s.mu.Unlock()
		return &callv1.MediaResult{}, nil
	case c.GetEpoch() < m.epoch:
		s.mu.Unlock()
		return nil, schema.Errorf(callv1.Code_CODE_CONFLICT, "epoch %d is over", c.GetEpoch())
	}
	s.mu.Unlock()
	s.remove(m)
	return &callv1.MediaResult{}, nil
}

// expire ends a leg that nobody committed to.
func (s *Service) expire(m *member) {
	s.mu.Lock()
	stale := !m.committed && s.legs[m.id] == m
	s.mu.Unlock()
	if stale {
		s.metrics.Count(MetricExpired, 1)
		s.log.Info("leg expired, nobody committed to it", "call", s.callOf(m), "leg", m.id)
		s.remove(m)
	}
}

// remove takes a leg out and ends it in the background.
func (s *Service) remove(m *member) {
	s.mu.Lock()
	if s.legs[m.id] != m {
		s.mu.Unlock()
		return
	}
	delete(s.legs, m.id)
	s.waiting.drop(m.id)
	s.metrics.Gauge(MetricLegs, len(s.legs))
	s.dispose(m)
	s.mu.Unlock()
}

// dispose ends a leg that is in no table any more; the caller holds mu, so that
// Close does not miss it.
func (s *Service) dispose(m *member) {
	m.expiry.Stop()
	m.facts.end()
	i := m.now.Load()
	s.wg.Go(func() {
		s.part(m.id)
		i.end.Close()
		i.leg.Close()
		i.count()
	})
}
