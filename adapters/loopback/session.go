package loopback

import (
	"context"
	"errors"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// session is one connection: what it does is done in the order of its frames.
type session struct {
	a        *adapter
	conn     *Client
	who      *callv1.Principal // nil until signed in
	terminal *callv1.Terminal
	detach   func(kit.DetachReason)
}

// run serves the connection until it ends or ctx does.
func (s *session) run(ctx context.Context) {
	defer s.conn.Close()
	live, end := context.WithCancel(ctx)
	defer end()
	stop := s.watch(end)
	defer stop()
	for {
		f, err := s.conn.read(live, s.conn.up)
		if err != nil {
			break
		}
		s.serve(live, f)
	}
	if ctx.Err() != nil { // drain: say so before closing
		s.say(context.WithoutCancel(ctx), Frame{Op: Goodbye})
	}
	s.leave(kit.Lost)
}

// watch ends the session's context when the connection ends, also while a
// command is under way.
func (s *session) watch(end func()) (stop func()) {
	quit := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-s.conn.closed:
			end()
		case <-quit:
		}
	}()
	return func() { close(quit); <-done }
}

// serve carries out one frame and answers it.
func (s *session) serve(ctx context.Context, f Frame) {
	var err error
	switch {
	case f.Op == SignIn:
		err = s.signIn(ctx, f)
	case s.who == nil:
		err = schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "sign in first")
	case f.Op == SignOut:
		s.leave(kit.SignedOut)
	case f.Op == Trickle || f.Op == Digit:
		leg, _ := s.a.host.Resolve(s.who.GetSubscriber(), ref(f, s.terminal))
		err = s.a.host.Signal(ctx, signal(f, s.who, leg))
	default:
		s.command(ctx, f)
		return
	}
	s.answer(ctx, f, nil, err)
}

// command has a frame about a call carried out. The ack is written before any
// event that follows from it: the host sees to that.
func (s *session) command(ctx context.Context, f Frame) {
	c, err := command(f, s.who, s.terminal)
	if err != nil {
		s.answer(ctx, f, nil, err)
		return
	}
	s.a.host.Accept(ctx, c, ref(f, s.terminal), func(r *callv1.Reply, err error) { s.answer(ctx, f, r, err) })
}

func (s *session) answer(ctx context.Context, f Frame, r *callv1.Reply, err error) {
	if err != nil {
		s.say(ctx, refusal(f, err))
		return
	}
	s.say(ctx, Frame{Op: Accepted, Of: f.Op, Call: f.Call, SDP: r.GetSdp()})
}

// say writes a frame of the session's own. A peer that does not read loses its
// connection rather than hold the session up for long.
func (s *session) say(ctx context.Context, f Frame) {
	ctx, cancel := context.WithTimeout(ctx, s.a.cfg.WriteTimeout)
	defer cancel()
	if err := s.conn.write(ctx, s.conn.down, f); err != nil {
		s.conn.Close()
	}
}

func (s *session) signIn(ctx context.Context, f Frame) error {
	if s.who != nil {
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "signed in already")
	}
	who, err := s.a.host.Authenticate(ctx, &callv1.Credentials{Proof: &callv1.Credentials_Ha1{
		Ha1: &callv1.HA1{Account: f.Account, Ha1: f.Password},
	}})
	if err != nil {
		return err
	}
	t := &callv1.Terminal{Id: schema.NewID(), Subscriber: who.GetSubscriber(), Rings: true}
	s.a.add(t, s) // first: events may come before Attach returns
	attached, detach, err := s.a.host.Attach(ctx, t)
	if err != nil {
		s.a.remove(t)
		return err
	}
	s.who, s.terminal, s.detach = who, attached, detach
	return nil
}

func (s *session) leave(why kit.DetachReason) {
	if s.detach == nil {
		return
	}
	s.detach(why)
	s.a.remove(s.terminal)
	s.who, s.terminal, s.detach = nil, nil, nil
}

// deliver writes an event's frame.
func (s *session) deliver(ctx context.Context, f Frame) error {
	err := s.conn.write(ctx, s.conn.down, f)
	if errors.Is(err, errClosed) {
		return schema.Errorf(callv1.Code_CODE_GONE, "%w", err)
	}
	return err // the context's: the host tries again
}
