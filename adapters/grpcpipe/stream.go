package grpcpipe

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// stream is either method's, seen from the server.
type stream = grpc.BidiStreamingServer[message, message]

// service implements the generated interface.
type service struct {
	wgtwo.UnimplementedWebTerminalServiceServer
	a *Adapter
	// base ends when what is under way is no longer waited for.
	base context.Context
	// drain is closed when the adapter stops.
	drain <-chan struct{}
}

// Pipe serves a terminal with one call at a time.
func (s service) Pipe(st stream) error { return s.serve(st, false) }

// MultiPipe serves a terminal with many calls.
func (s service) MultiPipe(st stream) error { return s.serve(st, true) }

// settle is how long what was read from a stream that ended may take before its
// terminal is given up.
const settle = 2 * time.Second

// Why a stream ends without the client's doing. UNAVAILABLE is what gRPC
// clients take as "connect again".
var (
	errDraining = status.Error(codes.Unavailable, "the server is stopping; connect again")
	errAged     = status.Error(codes.Unavailable, "the stream is old; connect again")
	errSlow     = status.Error(codes.ResourceExhausted, "the client does not read what it is sent")
)

// serve is a stream from its opening to its end. Nothing but the transport's
// loss or the client's cancelling is taken for leaving: half-close is not.
func (s service) serve(st stream, multi bool) error {
	ctx := st.Context()
	principal, err := s.authenticate(ctx)
	if err != nil {
		return err
	}
	x, err := s.a.enter(principal, multi)
	if err != nil {
		return streamStatus(err)
	}
	x.start(s.base, st.Send)
	detach, err := s.attach(ctx, st, x)
	if err != nil {
		x.out.stop()
		s.a.leave(x)
		return streamStatus(err)
	}
	opened := time.Now()
	x.log.Debug("stream opened", "addresses", principal.GetParty().GetAddresses())

	err = s.run(st, x)

	settling, cancel := context.WithTimeout(s.base, settle)
	x.close(settling)
	cancel()
	x.out.stop()
	s.a.leave(x)
	detach(kit.Lost)
	x.log.Debug("stream ended", "why", status.Convert(err).Message(), "after", time.Since(opened).Round(time.Millisecond))
	return err
}

// authenticate has the directory say whose stream it is.
func (s service) authenticate(ctx context.Context) (*callv1.Principal, error) {
	creds, err := bearer(ctx)
	if err == nil {
		var p *callv1.Principal
		if err = s.a.strangers.signIn(ctx, func() error {
			p, err = s.a.host.Authenticate(ctx, creds)
			return err
		}); err == nil {
			return p, nil
		}
		s.a.host.Log().Debug("authentication failed", "error", err)
		err = streamStatus(err)
	}
	s.a.host.Metrics().Count("unauthenticated", 1)
	return nil, err
}

// attach makes the stream reachable. The first thing that a Pipe hears is whether
// its subscriber is in a call; a MultiPipe hears nothing, but headers tell it that
// it is there.
func (s service) attach(ctx context.Context, st stream, x *session) (func(kit.DetachReason), error) {
	terminal, detach, err := s.a.host.Attach(ctx, &callv1.Terminal{
		Id: x.id, Subscriber: x.principal.GetSubscriber(), Features: features(x.multi), Rings: true,
	})
	if err != nil {
		s.a.opened(x, nil)
		return nil, err
	}
	calls, err := s.a.host.Calls(ctx, x.id)
	if err != nil {
		// Who owns calls is away. What there is to show is shown when it is back.
		s.a.host.Metrics().Count("opened_blind", 1)
		x.log.Debug("a stream opens without its subscriber's calls", "terminal", x.id, "error", err)
	}
	x.open(calls)
	s.a.opened(x, terminal)
	if x.multi {
		_ = st.SendHeader(metadata.MD{}) // fails if a message was first, or the stream is gone: then reading tells
	}
	return detach, nil
}

// run lasts as long as the stream. The reading goroutine outlives it by a
// moment when it is not the client that ends the stream, since only the
// handler's return interrupts reading.
func (s service) run(st stream, x *session) error {
	ctx := st.Context()
	read := make(chan error, 1)
	s.a.running.Go(func() { read <- rescue(x.log, func() error { return x.read(ctx, st) }) })
	old := ageTimer(s.a.cfg.MaxAge)
	defer old.Stop()
	for {
		select {
		case err := <-read:
			if err != nil {
				return err
			}
			read = nil // half-closed: the terminal still hears
		case <-ctx.Done():
			if read != nil {
				<-read // it ends with ctx; what it has read is carried out
			}
			return status.FromContextError(ctx.Err()).Err()
		case err := <-x.broken:
			return s.leaving(ctx, x, err)
		case <-s.drain:
			return s.leaving(ctx, x, errDraining)
		case <-old.C:
			if x.leaveWhenIdle() {
				return s.leaving(ctx, x, errAged)
			}
			old.Reset(s.a.cfg.MaxAgeGrace)
		}
	}
}

// leaving writes what is still to be said before the stream ends with err.
func (s service) leaving(ctx context.Context, x *session, err error) error {
	if errors.Is(err, errAged) || errors.Is(err, errDraining) {
		ctx, cancel := context.WithTimeout(ctx, settle)
		defer cancel()
		x.out.flush(ctx)
		return err
	}
	if errors.Is(err, errDefect) {
		return err
	}
	s.a.host.Metrics().Count("slow_streams", 1)
	return errSlow
}

// ageTimer fires once after d, 10 % either way; never if d is 0.
func ageTimer(d time.Duration) *time.Timer {
	if d == 0 {
		t := time.NewTimer(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTimer(time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))) //nolint:gosec // spreads load
}

// read carries out what the client sends until it stops (nil) or the stream
// ends. Bytes that are no message, and a message that is too large, end the
// stream in gRPC's own terms; the connection and its other streams go on.
func (s *session) read(ctx context.Context, st stream) error {
	for {
		m, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		switch {
		case err == nil:
			err = s.handle(ctx, m)
		case status.Code(err) == codes.ResourceExhausted: // grpc-go has ended the stream already
			s.a.host.Metrics().Count("messages_too_long", 1)
		case ctx.Err() == nil:
			s.a.host.Metrics().Count("bad_messages", 1)
		}
		if err != nil {
			return err
		}
	}
}
