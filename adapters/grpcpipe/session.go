package grpcpipe

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// scope is what a terminal's own call_ids are unique in, besides its
// subscriber: a MultiPipe that comes back names its calls as before.
const scope = "grpcpipe"

// session is one stream, which is one terminal.
type session struct {
	a         *Adapter
	multi     bool
	principal *callv1.Principal
	log       *slog.Logger
	out       outbox
	bucket    bucket
	// ctx ends when the adapter stops, not with the stream: a Bye that was read
	// is carried out also when the terminal leaves right behind it.
	ctx context.Context
	// broken gets why the stream must end, once.
	broken chan error

	// terminal is set once, before the first message is read.
	terminal *callv1.Terminal

	jobs sync.WaitGroup

	mu      sync.Mutex
	calls   map[string]*call // by call_id (MultiPipe)
	current *call            // (Pipe)
	legs    map[string]*call // by leg id
	recent  []string         // legs that ended, oldest first
	closed  bool
	aged    bool // ends with its last call
}

// start makes the session ready to speak.
func (s *session) start(base context.Context, send func(*message) error) {
	s.ctx = base
	s.broken = make(chan error, 1)
	s.bucket = newBucket(s.a.cfg.Rate, s.a.cfg.Burst)
	s.out.send, s.out.limit, s.out.timeout, s.out.broken = send, s.a.cfg.SendQueue, s.a.cfg.WriteTimeout, s.end
}

// end has the stream end with err; the first call counts.
func (s *session) end(err error) {
	select {
	case s.broken <- err:
	default:
	}
}

// handle carries out one message. It may wait for the client to read what is
// said to it, and for nothing else; what call state must decide is done by the
// call's own goroutine. The reading goroutine calls it.
func (s *session) handle(ctx context.Context, m *message) error {
	if isHeartbeat(m) {
		return nil
	}
	if !s.bucket.take(time.Now()) {
		if !mustPass(m) {
			s.a.host.Metrics().Count("rate_limited", 1)
			return s.out.pushWait(ctx, wireError(m.GetCallId(), errRateLimit))
		}
		s.pace(ctx, m.GetCallId())
	}
	if answer := s.dispatch(m); answer != nil {
		return s.out.pushWait(ctx, answer)
	}
	return nil
}

// deliver puts an event on the wire and waits until it is written.
func (s *session) deliver(ctx context.Context, e *callv1.Event) error {
	w, err := s.put(e)
	if err != nil || w == nil {
		return err
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		return retry("the client reads too slowly")
	}
	if w.err != nil {
		return gone()
	}
	return nil
}

// put queues what an event says, if it says anything.
func (s *session) put(e *callv1.Event) (*written, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, gone()
	}
	c := s.legs[e.GetLegId()]
	switch {
	case c != nil && e.GetNumber() <= c.last:
		return c.writing, nil // it came again
	case c != nil:
	case s.wasHere(e.GetLegId()):
		return nil, nil // over for the terminal: nothing to tell
	case e.GetIncoming() != nil:
		if s.full() {
			return nil, busy()
		}
		c = &call{id: e.GetLegId(), leg: e.GetLegId(), known: true}
		s.add(c)
	case !s.multi:
		return nil, nil // a Pipe has the calls it knows, and no others
	default: // a call that began on an earlier stream of this subscriber
		c = &call{id: e.GetRef(), leg: e.GetLegId(), known: true}
		if c.id == "" {
			c.id = c.leg
		}
		s.add(c)
	}
	if !c.known {
		c.known = true
		s.a.claim(c.leg, s)
	}
	m := fromEvent(c.id, e)
	if e.GetEnded() != nil {
		s.finish(c)
	}
	c.last = e.GetNumber()
	if m == nil {
		return nil, nil
	}
	w, err := s.out.push(m)
	if err != nil {
		return nil, gone()
	}
	c.writing = w
	s.leaveIfAged()
	return w, nil
}

// full reports whether the terminal takes no further call. It is called with
// mu held.
func (s *session) full() bool {
	if s.multi {
		return len(s.calls) >= s.a.cfg.MaxCalls
	}
	return s.current != nil
}

// leaveWhenIdle reports whether the stream may end now; if not, it ends with
// its last call, and the next time it is asked in any case.
func (s *session) leaveWhenIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle() || s.aged {
		return true
	}
	s.aged = true
	return false
}

// leaveIfAged ends a stream that only waited for its last call to end. What that
// end says is queued before. It is called with mu held.
func (s *session) leaveIfAged() {
	if s.aged && s.idle() {
		s.end(errAged)
	}
}

// idle reports whether no call is in progress. It is called with mu held.
func (s *session) idle() bool { return s.current == nil && len(s.calls) == 0 }

// find gives the call that a message is about; if there is none, what to
// answer. A MultiPipe may name a call that began on an earlier stream of its
// subscriber: its owner knows, so it is asked. It is called with mu held.
func (s *session) find(id string) (*call, *message) {
	if !s.multi {
		if s.current == nil {
			return nil, wireError(id, errNotInCall)
		}
		return s.current, nil
	}
	if c := s.calls[id]; c != nil {
		return c, nil
	}
	if _, ok := schema.CanonicalUUID(id); !ok {
		return nil, wireError(id, errInvalidID)
	}
	leg, _ := s.resolve(id)
	switch {
	case s.legs[leg] != nil:
		return s.legs[leg], nil // the leg's id in another spelling
	case leg == "", s.wasHere(leg), s.a.elsewhere(leg, s):
		return nil, wireError(id, errInvalidID)
	case s.closed, s.full():
		return nil, wireError(id, errTryAgain)
	}
	c := &call{id: id, leg: leg}
	s.add(c)
	return c, nil
}

// resolve gives the leg that a call_id names: a leg id that this exchange made,
// in any spelling of a UUID, or the leg of a call that the terminal named.
func (s *session) resolve(id string) (leg string, ours bool) {
	sub := s.principal.GetSubscriber()
	if canonical, ok := schema.CanonicalUUID(id); ok && canonical != id {
		if leg, ours = s.a.host.Resolve(sub, kit.Ref{Scope: scope, ID: canonical}); ours {
			return leg, true
		}
	}
	// As written: what comes back to the terminal is its own text (some print
	// UUIDs in upper case).
	return s.a.host.Resolve(sub, kit.Ref{Scope: scope, ID: id})
}

// legOf gives a call's leg, which an Offer of a Pipe finds out late.
func (s *session) legOf(c *call) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.leg
}

// noCall is the protocol's word for "there is no such call".
func (s *session) noCall() errCode {
	if s.multi {
		return errInvalidID
	}
	return errNotInCall
}

// refused puts a refusal in the protocol's words.
func (s *session) refused(id string, r refusal) *message {
	switch r {
	case sayTryAgain:
		return wireError(id, errTryAgain)
	case sayRateLimit:
		return wireError(id, errRateLimit)
	case sayNoCall:
		return wireError(id, s.noCall())
	case sayUnknown:
		return wireError(id, errUnknown)
	}
	return wireBye(id)
}

// close takes the stream out of service: events find it gone, no call is made
// on it any more. What was read is still carried out; close waits for that as
// long as ctx lasts.
func (s *session) close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	for leg := range s.legs {
		s.a.release(leg, s)
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.jobs.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// say queues a message from a call's own goroutine. A stream that cannot take
// it is ended by its outbox.
func (s *session) say(m *message) {
	if _, err := s.out.push(m); err != nil && !errors.Is(err, errOutboxClosed) {
		s.log.Debug("message dropped", "error", err)
	}
}

// accept sends a command for a call and lets done see the outcome first, with
// mu held; what done returns goes on the wire before the call's next event.
func (s *session) accept(c *call, cmd *callv1.Command, ref kit.Ref, done func(*callv1.Reply, error) *message) {
	s.a.host.Accept(s.ctx, cmd, ref, func(r *callv1.Reply, err error) {
		s.mu.Lock()
		m := done(r, err)
		leg := c.leg
		s.mu.Unlock()
		if err != nil {
			s.log.Debug("command refused", "call", c.id, "leg", leg, "error", err)
		}
		if m != nil {
			s.say(m)
		}
		s.mu.Lock()
		s.leaveIfAged()
		s.mu.Unlock()
	})
}
