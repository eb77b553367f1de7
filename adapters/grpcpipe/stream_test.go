package grpcpipe

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestAuthentication(t *testing.T) {
	rows := []struct {
		name   string
		md     []string
		denied callv1.Code
		want   codes.Code
	}{
		{"no token", nil, 0, codes.Unauthenticated},
		{"number only", []string{"wg2-msisdn", alice}, 0, codes.Unauthenticated},
		{"another scheme", []string{"authorization", "Basic ZGVtbw=="}, 0, codes.Unauthenticated},
		{"empty token", []string{"authorization", "Bearer "}, 0, codes.Unauthenticated},
		{"two tokens", []string{"authorization", "Bearer a", "authorization", "Bearer b"}, 0, codes.Unauthenticated},
		{"endless token", []string{"authorization", "Bearer " + strings.Repeat("x", maxToken+1)}, 0, codes.Unauthenticated},
		{"wrong token", []string{"authorization", "Bearer bad"}, callv1.Code_CODE_UNAUTHENTICATED, codes.Unauthenticated},
		{"number not covered", []string{"authorization", "Bearer bad", "wg2-msisdn", bob}, callv1.Code_CODE_FORBIDDEN, codes.PermissionDenied},
		{"number nobody has", []string{"authorization", "Bearer bad", "wg2-msisdn", bob}, callv1.Code_CODE_NOT_FOUND, codes.PermissionDenied},
		{"directory away", []string{"authorization", "Bearer bad"}, callv1.Code_CODE_RETRY, codes.Unavailable},
		{"too many tries", []string{"authorization", "Bearer bad"}, callv1.Code_CODE_RATE_LIMITED, codes.ResourceExhausted},
		{"no number", []string{"authorization", "Bearer demo", "wg2-msisdn", "alice"}, 0, codes.InvalidArgument},
		{"two numbers", []string{"authorization", "Bearer demo", "wg2-msisdn", alice, "wg2-msisdn", bob}, 0, codes.InvalidArgument},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			both(t, func(t *testing.T, multi bool) {
				h := newFakeHost()
				h.denied = schema.Errorf(row.denied, "no")
				s := serve(t, h)
				if got := s.open(t, multi, row.md...).ends(); got.Code() != row.want {
					t.Errorf("the stream ended with %v, want %v", got, row.want)
				}
			})
		})
	}
}

// The number comes without a plus sign in metadata; with one it is the same.
func TestCredentials(t *testing.T) {
	for _, md := range [][]string{
		{"authorization", "Bearer demo", "wg2-msisdn", alice},
		{"authorization", "bearer demo", "wg2-msisdn", "+" + alice},
		{"Authorization", "BEARER  demo ", "Wg2-Msisdn", " " + alice},
	} {
		s := serve(t, newFakeHost())
		p := s.open(t, false, md...)
		p.hears("idle id=")
		if got := s.host.asked; got.GetToken() != "demo" || got.GetMsisdn() != "+"+alice {
			t.Errorf("%q became %v", md, got)
		}
	}
	for _, none := range [][]string{nil, {"wg2-msisdn", ""}, {"wg2-msisdn", "  "}, {"wg2-msisdn", "", "wg2-msisdn", " "}} {
		s := serve(t, newFakeHost())
		s.open(t, false, append([]string{"authorization", "Bearer alice"}, none...)...).hears("idle id=")
		if got := s.host.asked; got.GetToken() != "alice" || got.GetMsisdn() != "" {
			t.Errorf("the number %q became %v", none, got)
		}
	}
}

// What a Pipe hears at opening is Idle, before any call; a MultiPipe hears
// nothing. Both ring.
func TestOpening(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		if !p.terminal.GetRings() || p.terminal.GetFeatures().GetRemembersCalls() != multi || p.terminal.GetSubscriber() != "s"+alice {
			t.Errorf("attached as %v", p.terminal)
		}
		s.ring(t, p)
	})
}

func TestAttachFails(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		h := newFakeHost()
		h.attachErr = schema.Errorf(callv1.Code_CODE_RETRY, "away")
		p := serve(t, h).open(t, multi, "authorization", "Bearer demo")
		if got := p.ends(); got.Code() != codes.Unavailable {
			t.Errorf("the stream ended with %v", got)
		}
	})
}

// An event may be faster than the Attach that it is for.
func TestDeliverBeforeAttachReturns(t *testing.T) {
	h := newFakeHost()
	s := serve(t, h)
	x, err := s.a.enter(&callv1.Principal{Subscriber: "s1"}, true)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan *message, 1)
	x.start(t.Context(), func(m *message) error { sent <- m; return nil })
	terminal := &callv1.Terminal{Id: x.id, Subscriber: "s1"}
	leg := h.incomingLeg()
	done := make(chan error, 1)
	go func() { done <- s.a.Deliver(t.Context(), event(terminal, leg, 1, incoming("v=0", "+12025550102"))) }()
	x.open(nil)
	s.a.opened(x, terminal)
	if err := receive(t, done, "the delivery"); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, sent, "the Offer"); m.GetOffer() == nil {
		t.Errorf("sent %v", m)
	}
	s.a.leave(x)
	if err := s.a.Deliver(t.Context(), event(terminal, leg, 2, alerting())); schema.CodeOf(err) != callv1.Code_CODE_GONE {
		t.Errorf("Deliver to a stream that has left: %v", err)
	}
}

// Half-close is not hang-up: the terminal still hears.
func TestHalfClose(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := place(t, s, p, uuid1).GetLegId()
		if err := p.stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		s.deliver(t, p, leg, 1, alerting())
		p.hears("ringing id=" + uuid1)
		s.deliver(t, p, leg, 2, answered("v=0 a"))
		p.hears("answer v=0 a id=" + uuid1)
		select {
		case id := <-s.host.detached:
			t.Fatalf("%s detached", id)
		default:
		}
		p.cancel()
		receive(t, s.host.detached, "the detach")
	})
}

// Cancelling the stream and losing the connection are both loss, and neither is
// hang-up.
func TestLoss(t *testing.T) {
	for name, lose := range map[string]func(*pipe){
		"cancel":     func(p *pipe) { p.cancel() },
		"connection": func(p *pipe) { _ = p.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, multi bool) {
				s := serve(t, newFakeHost())
				p := s.signIn(t, multi, alice)
				leg := place(t, s, p, uuid1).GetLegId()
				lose(p)
				if got := receive(t, s.host.detached, "the detach"); got != p.terminal.GetId() {
					t.Errorf("detached %q", got)
				}
				err := s.a.Deliver(t.Context(), event(p.terminal, leg, 1, alerting()))
				if schema.CodeOf(err) != callv1.Code_CODE_GONE {
					t.Errorf("Deliver afterwards: %v", err)
				}
				select {
				case c := <-s.host.commands:
					t.Errorf("a command: %v", c)
				default:
				}
			})
		})
	}
}

// A MultiPipe that comes back speaks of its calls as before, and hears of them
// under the ids that it knows.
func TestMultiPipeComesBack(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, true, alice)
	placed := place(t, s, p, uuid1).GetLegId()
	called := s.ring(t, p)
	p.cancel()
	receive(t, s.host.detached, "the detach")

	p = s.signIn(t, true, alice)
	back := event(p.terminal, placed, 4, answered("v=0 a"))
	back.Ref = uuid1
	if err := s.a.Deliver(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	p.hears("answer v=0 a id=" + uuid1)
	p.send(wireBye(uuid1))
	if c := s.host.command(t); c.GetHangUp() == nil || c.GetLegId() != placed {
		t.Fatalf("bye became %v", c)
	}
	p.send(wireAnswer(called, "v=0 a"))
	if c := s.host.command(t); c.GetAnswer() == nil || c.GetLegId() != called {
		t.Fatalf("answer became %v", c)
	}
	s.deliver(t, p, called, 5, endedEvent(callv1.Reason_REASON_NORMAL))
	p.hears("bye id=" + called)
}

// A terminal that came back and does not know whether its Offer arrived repeats
// it: the call that is there goes on, and nobody has answered it yet.
func TestOfferRepeatedAfterLoss(t *testing.T) {
	h := newFakeHost()
	placed := false
	h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
		if (c.GetOffer() != nil || c.GetReoffer() != nil) && placed {
			return nil, schema.Errorf(callv1.Code_CODE_CONFLICT, "the call exists")
		}
		placed = true
		return nil, nil
	}
	s := serve(t, h)
	p := s.signIn(t, true, alice)
	leg := place(t, s, p, uuid1).GetLegId()
	p.cancel()
	receive(t, h.detached, "the detach")

	p = s.signIn(t, true, alice)
	place(t, s, p, uuid1)
	if c := h.command(t); c.GetReoffer() == nil || c.GetLegId() != leg {
		t.Errorf("then asked %v", c)
	}
	p.hears("error TRY_AGAIN id=" + uuid1)
	back := event(p.terminal, leg, 2, answered("v=0 a"))
	back.Ref = uuid1
	if err := s.a.Deliver(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	p.hears("answer v=0 a id=" + uuid1)
	q := s.signIn(t, true, alice)
	q.send(wireOffer(uuid1, "v=0", "+"+bob)) // another terminal of hers
	q.hears("error INVALID_CALL_ID id=" + uuid1)
	p.send(wireBye(uuid1))
	if c := h.command(t); c.GetHangUp() == nil || c.GetLegId() != leg {
		t.Fatalf("bye became %v", c)
	}
}

// What a client lets pile up costs it its stream, and nobody else anything.
func TestSlowReader(t *testing.T) {
	s := serve(t, newFakeHost(), func(c *Config) { c.WriteTimeout = 50 * time.Millisecond })
	slow, other := s.signIn(t, true, alice), s.signIn(t, true, bob)
	big := "v=0 " + strings.Repeat("x", 60<<10)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for n := uint64(1); ; n++ { // until flow control stops the writer
		err := s.a.Deliver(ctx, event(slow.terminal, s.host.incomingLeg(), 1, incoming(big, "+12025550102")))
		if schema.CodeOf(err) == callv1.Code_CODE_GONE {
			break
		}
		if err != nil {
			t.Fatalf("Deliver %d: %v", n, err)
		}
	}
	s.ring(t, other)
	if got := receive(t, s.host.detached, "the slow terminal's detach"); got != slow.terminal.GetId() {
		t.Errorf("detached %q", got)
	}
	s.host.counted(t, "slow_streams")
}

// With the defaults one MultiPipe carries as many calls as a load driver puts on
// it: none is refused, and the end of all at once is no slow reader.
func TestManyCallsOnOneStream(t *testing.T) {
	h := newFakeHost()
	h.commands = make(chan *callv1.Command, 4096)
	s := serve(t, h)
	p := s.signIn(t, true, alice)
	const calls = 1000
	var legs []string
	for n := range calls {
		p.send(wireOffer(fmt.Sprintf("%s%04x", uuid1[:32], n), "v=0", "+12025550102"))
	}
	for range calls {
		legs = append(legs, s.host.command(t).GetLegId())
	}
	var wg sync.WaitGroup
	for _, leg := range legs {
		s.host.release(leg)
		wg.Go(func() {
			if err := s.a.Deliver(t.Context(), event(p.terminal, leg, 1, endedEvent(callv1.Reason_REASON_NORMAL))); err != nil {
				t.Errorf("Deliver: %v", err)
			}
		})
	}
	for range calls {
		m, err := p.stream.Recv()
		if err != nil || m.GetBye() == nil {
			t.Fatalf("heard %v, %v", m, err)
		}
	}
	wg.Wait()
}

// What waits for a stream is bounded in bytes too.
func TestOutboxBytes(t *testing.T) {
	stop := make(chan struct{})
	o := outbox{limit: 1 << 20, timeout: time.Hour, broken: func(error) {}}
	o.send = func(*message) error { <-stop; return nil }
	defer close(stop)
	big := wireOffer("x", strings.Repeat("x", 64<<10), "")
	for n := 0; ; n++ {
		if _, err := o.push(big); err != nil {
			if most := maxUnsent/(64<<10) + 1; n > most {
				t.Errorf("%d messages of 64 KiB wait", n)
			}
			return
		}
	}
}

// Old streams end so that clients spread again; one with a call waits for it.
func TestMaxAge(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost(), func(c *Config) { c.MaxAge, c.MaxAgeGrace = 50*time.Millisecond, time.Hour })
		p := s.signIn(t, multi, alice)
		if got := p.ends(); got.Code() != codes.Unavailable {
			t.Errorf("the stream ended with %v", got)
		}
		receive(t, s.host.detached, "the detach")

		s = serve(t, newFakeHost(), func(c *Config) { c.MaxAge, c.MaxAgeGrace = 300*time.Millisecond, time.Hour })
		p = s.signIn(t, multi, alice)
		leg := s.ring(t, p)
		select {
		case id := <-s.host.detached:
			t.Fatalf("%s detached with a call", id)
		case <-time.After(500 * time.Millisecond): // well past its age
		}
		s.deliver(t, p, leg, 2, endedEvent(callv1.Reason_REASON_NORMAL))
		p.hears("bye id=" + leg)
		if got := p.ends(); got.Code() != codes.Unavailable {
			t.Errorf("the stream ended with %v", got)
		}
	})
}

// Draining ends streams in a way that makes clients connect again, carries out
// what was read, and takes no new stream.
func TestDrain(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		s.ring(t, p)
		s.stop()
		if got := p.ends(); got.Code() != codes.Unavailable {
			t.Errorf("the stream ended with %v", got)
		}
		if got := receive(t, s.host.detached, "the detach"); got != p.terminal.GetId() {
			t.Errorf("detached %q", got)
		}
		err := receive(t, s.done, "Run's end")
		if err != nil {
			t.Errorf("Run: %v", err)
		}
		s.done <- err // for the cleanup
	})
}

// Streams are limited for each subscriber, and the connection stays usable.
func TestTooManyStreams(t *testing.T) {
	s := serve(t, newFakeHost(), func(c *Config) { c.PerSubscriber = 1 })
	p := s.signIn(t, true, alice)
	if got := s.open(t, true, "authorization", "Bearer demo", "wg2-msisdn", alice).ends(); got.Code() != codes.ResourceExhausted {
		t.Errorf("the second stream ended with %v", got)
	}
	s.host.counted(t, "streams_refused")
	s.signIn(t, true, bob)
	p.cancel()
	receive(t, s.host.detached, "the detach")
	s.signIn(t, false, alice)

	s = serve(t, newFakeHost(), func(c *Config) { c.MaxStreams = 1 })
	s.signIn(t, true, alice)
	if got := s.open(t, true, "authorization", "Bearer demo", "wg2-msisdn", bob).ends(); got.Code() != codes.ResourceExhausted {
		t.Errorf("the second stream of the node ended with %v", got)
	}
	s.host.counted(t, "streams_refused")
}

// Several streams on one connection are several terminals.
func TestStreamsShareAConnection(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, true, alice)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer demo", "wg2-msisdn", bob)
	st, err := wgtwo.NewWebTerminalServiceClient(p.conn).Pipe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	q := &pipe{t: t, stream: st}
	q.hears("idle id=")
	q.terminal = receive(t, s.host.attached, "the second attach")
	s.ring(t, q)
	s.ring(t, p)
}
