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
	hasty     bool // messages over the rate were told of
	// ctx ends when the adapter stops, not with the stream: a Bye that was read
	// is carried out also when the terminal leaves right behind it.
	ctx context.Context
	// broken gets why the stream must end, once.
	broken chan error

	// id is the terminal's. terminal is set once, before the first message is read,
	// with the adapter's mutex held.
	id       string
	terminal *callv1.Terminal

	jobs sync.WaitGroup

	mu      sync.Mutex
	calls   map[string]*call // by call_id (MultiPipe)
	current *call            // (Pipe)
	waiting *call            // (Pipe) that was hidden behind one that failed
	legs    map[string]*call // by leg id
	recent  []string         // legs that ended, oldest first
	board   board
	opened  bool // the first thing is said
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
			if !s.hasty {
				s.hasty = true
				s.log.Info("too many messages")
			}
			return s.out.pushWait(ctx, wireError(m.GetCallId(), errRateLimit))
		}
		s.pace(ctx, m.GetCallId())
	}
	if answer := s.dispatch(m); answer != nil {
		if err := s.out.pushWait(ctx, answer); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return nil
}

// full reports whether the terminal takes no further call. It is called with
// mu held.
func (s *session) full() bool {
	if !s.multi {
		return s.current != nil
	}
	if len(s.calls) < s.a.cfg.MaxCalls {
		return false
	}
	s.a.host.Metrics().Count("calls_refused", 1)
	return true
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
	if c := s.live(id); c != nil {
		return c, nil
	}
	if _, ok := schema.CanonicalUUID(id); !s.multi || !ok {
		return nil, wireError(id, s.noCall())
	}
	leg, _ := s.resolve(id)
	switch {
	case leg == "", s.wasHere(leg), s.a.elsewhere(leg, s), s.board.named(id) != nil:
		return nil, wireError(id, errInvalidID)
	case s.closed, s.full():
		return nil, wireError(id, errTryAgain)
	}
	c := &call{id: id, leg: leg}
	s.add(c)
	return c, nil
}

// live gives the call that a call_id names on this stream, nil if there is none. It
// is called with mu held.
func (s *session) live(id string) *call {
	if !s.multi {
		return s.current
	}
	if c := s.calls[id]; c != nil {
		return c
	}
	if _, ok := schema.CanonicalUUID(id); !ok {
		return nil
	}
	leg, _ := s.resolve(id) // the leg's id, in whatever spelling
	return s.legs[leg]
}

// resolve gives the leg that a call_id names: a leg id that this exchange made,
// in any spelling of a UUID, or the leg of a call that the terminal named.
func (s *session) resolve(id string) (leg string, ours bool) {
	sub := s.principal.GetSubscriber()
	if canonical, ok := schema.CanonicalUUID(id); ok && canonical != id {
		if leg, ours = s.a.host.Resolve(sub, s.ref(canonical)); ours {
			return leg, true
		}
	}
	// As written: what comes back to the terminal is its own text (some print
	// UUIDs in upper case).
	return s.a.host.Resolve(sub, s.ref(id))
}

// ref is a call as this terminal names it.
func (s *session) ref(id string) kit.Ref {
	return kit.Ref{Scope: scope, ID: id, Terminal: s.id}
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
		s.settle()
		s.leaveIfAged()
		s.mu.Unlock()
	})
}
