package grpcpipe

import (
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Messages that need a call, and there is none.
func TestNoCall(t *testing.T) {
	s := serve(t, newFakeHost())
	p := s.signIn(t, false, alice)
	m := s.signIn(t, true, alice)
	for _, make := range []func(string) *message{
		func(id string) *message { return wireAnswer(id, "v=0") }, wireBye, wireRinging, toPhone,
		func(id string) *message { return wireOffer(id, "v=0", "") }, // no number: a pull
		func(id string) *message { return wireAnswer(id, "") },
	} {
		for _, id := range []string{"", uuid1, "nonsense"} {
			p.send(make(id))
			p.hears("error NOT_INCALL id=" + id)
		}
		for _, id := range []string{"", "nonsense", "{" + uuid1 + "}"} {
			m.send(make(id))
			m.hears("error INVALID_CALL_ID id=" + id)
		}
	}
	m.send(wireOffer("", "v=0", "+"+bob))
	m.hears("error INVALID_CALL_ID id=")
	m.send(&message{CallId: uuid1, Message: &wgtwo.WebTerminalMessage_Action{Action: &wgtwo.Action{}}})
	m.hears("error INVALID_CALL_ID id=" + uuid1)
	select {
	case c := <-s.host.commands:
		t.Fatalf("a command: %v", c)
	default:
	}
	s.ring(t, m) // the streams are open
	s.ring(t, p)
}

// A UUID that names no call is for the owner to know.
func TestUnknownCallID(t *testing.T) {
	h := newFakeHost()
	h.owner = func(*callv1.Command) (*callv1.Reply, error) {
		return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such call")
	}
	s := serve(t, h)
	p := s.signIn(t, true, alice)
	for _, m := range []*message{
		wireRinging(uuid1), wireAnswer(uuid1, "v=0"), wireBye(uuid1), wireBye(h.incomingLeg()), toPhone(uuid1),
		toPhone(h.incomingLeg()), wireOffer(h.incomingLeg(), "v=0", ""), wireOffer(uuid1, "v=0", ""),
	} {
		p.send(m)
		p.hears("error INVALID_CALL_ID id=" + m.GetCallId())
		if c := h.command(t); c.GetPrincipal() != "s"+alice {
			t.Errorf("asked for %q", c.GetPrincipal())
		}
	}
	h.command(t) // an Offer without a number could also be a pull
}

// A call of another terminal behaves as unknown, be it another account's or the
// same subscriber's, and goes on undisturbed. Only an Offer asks for it.
func TestForeignCallID(t *testing.T) {
	h := newFakeHost()
	h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
		if c.GetPull() != nil {
			return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "not yours")
		}
		return nil, nil
	}
	s := serve(t, h)
	mine, same, other := s.signIn(t, true, alice), s.signIn(t, true, alice), s.signIn(t, true, bob)
	leg := s.ring(t, mine)
	placed := place(t, s, mine, uuid1).GetLegId()
	s.host.release(placed)
	for _, p := range []*pipe{same, other} {
		for _, m := range []*message{
			wireRinging(leg), wireAnswer(leg, "v=0"), wireBye(leg), toPhone(leg), wireOffer(leg, "v=0", "+"+bob),
			wireBye(placed), wireOffer(placed, "v=0", "+"+bob),
		} {
			p.send(m)
			p.hears("error INVALID_CALL_ID id=" + m.GetCallId())
		}
	}
	same.send(wireBye(uuid1))
	same.hears("error INVALID_CALL_ID id=" + uuid1)
	// Bob's own call may have the same UUID: it is another call.
	if c := place(t, s, other, uuid1); c.GetLegId() == placed {
		t.Error("two subscribers share a call")
	}
	s.deliver(t, mine, leg, 2, endedEvent(callv1.Reason_REASON_CANCELLED))
	mine.hears("bye id=" + leg)
	s.deliver(t, mine, placed, 1, alerting())
	mine.hears("ringing id=" + uuid1)
}

// A second Offer and a move to the phone get TRY_AGAIN before the call is answered;
// the call is kept.
func TestTryAgain(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		leg := place(t, s, p, uuid1).GetLegId()
		p.send(wireOffer(uuid1, "v=0 again", "+"+bob))
		p.hears("error TRY_AGAIN id=" + uuid1)
		p.send(wireOffer(uuid1, "v=0 again", ""))
		p.hears("error TRY_AGAIN id=" + uuid1)
		p.send(toPhone(uuid1))
		p.hears("error TRY_AGAIN id=" + uuid1)
		p.send(&message{CallId: uuid1, Message: &wgtwo.WebTerminalMessage_Action{Action: &wgtwo.Action{}}})
		p.hears("error UNKNOWN id=" + uuid1)
		s.deliver(t, p, leg, 1, alerting()) // also: the Offer's outcome is known
		p.hears("ringing id=" + uuid1)
		if !multi {
			p.send(wireOffer(uuid2, "v=0", "+"+bob))
			p.hears("error TRY_AGAIN id=" + uuid2)
			err := s.a.Deliver(t.Context(), event(p.terminal, s.host.incomingLeg(), 1, incoming("v=0", "+"+bob)))
			if schema.CodeOf(err) != callv1.Code_CODE_BUSY {
				t.Errorf("a call for a busy Pipe: %v", err)
			}
		}
	})
	t.Run("received", func(t *testing.T) {
		s := serve(t, newFakeHost(), func(c *Config) { c.MaxCalls = 1 })
		p := s.signIn(t, true, alice)
		leg := s.ring(t, p)
		p.send(wireOffer(leg, "v=0 again", ""))
		p.hears("error TRY_AGAIN id=" + leg)
		p.send(toPhone(leg))
		p.hears("error TRY_AGAIN id=" + leg)
		p.send(wireOffer(uuid1, "v=0", "+"+bob)) // one call too many
		p.hears("error TRY_AGAIN id=" + uuid1)
		p.send(wireOffer(s.host.incomingLeg(), "v=0", "")) // the same by a pull
		if m, err := p.stream.Recv(); err != nil || m.GetError().GetErr() != errTryAgain {
			t.Errorf("heard %v, %v", m, err)
		}
		err := s.a.Deliver(t.Context(), event(p.terminal, s.host.incomingLeg(), 1, incoming("v=0", "+"+bob)))
		if schema.CodeOf(err) != callv1.Code_CODE_BUSY {
			t.Errorf("one call too many: %v", err)
		}
	})
}

// An Offer that can be no call is refused as one.
func TestImpossibleOffer(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost(), func(c *Config) { c.MaxSDP = 100 })
		p := s.signIn(t, multi, alice)
		for _, m := range []*message{
			wireOffer(uuid1, "v=0", "bob"), wireOffer(uuid1, "v=0", "+1"), wireOffer(uuid1, "v=0", "+"+strings.Repeat("1", 1000)),
			wireOffer(uuid1, "", "+"+bob), wireOffer(uuid1, strings.Repeat("x", 101), "+"+bob),
		} {
			p.send(m)
			p.hears("bye id=" + uuid1)
		}
		leg := s.ring(t, p)
		for _, sdp := range []string{"", strings.Repeat("x", 101)} {
			p.send(wireAnswer(leg, sdp))
			p.hears("error UNKNOWN id=" + leg)
		}
		p.send(wireAnswer(leg, "v=0"))
		if c := s.host.command(t); c.GetAnswer() == nil {
			t.Fatalf("command %v", c)
		}
	})
}

// A message without content and call_id is a heartbeat, ten a second and more:
// not answered, not counted.
func TestHeartbeat(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost(), func(c *Config) { c.Rate, c.Burst = 0.001, 1 })
		p := s.signIn(t, multi, alice)
		for range 500 {
			p.send(&message{})
		}
		leg := place(t, s, p, uuid1).GetLegId()
		s.deliver(t, p, leg, 1, alerting())
		p.hears("ringing id=" + uuid1)
		p.send(wireRinging(uuid1))
		p.hears("error RATE_LIMIT_HIT id=" + uuid1)
		p.send(&message{})
		s.deliver(t, p, leg, 2, answered("v=0 a")) // the call goes on
		p.hears("answer v=0 a id=" + uuid1)
	})
}

// lines is a log that a test reads line by line.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// Over the rate an Answer and a Bye are carried out all the same. The log says once
// who it is.
func TestRateLimitKeepsCalls(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		log := make(lines, 64)
		h := newFakeHost()
		h.log = slog.New(slog.NewTextHandler(log, nil))
		s := serve(t, h, func(c *Config) { c.Rate, c.Burst = 0.001, 1 })
		p := s.signIn(t, multi, alice)
		leg := s.ring(t, p)
		p.send(wireRinging(leg))
		if c := s.host.command(t); c.GetRinging() == nil {
			t.Fatalf("command %v", c)
		}
		for range 2 {
			p.send(wireRinging(leg))
			p.hears("error RATE_LIMIT_HIT id=" + leg)
		}
		told := 0
		for len(log) > 0 {
			if strings.Contains(<-log, "too many messages") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("told %d times", told)
		}
		p.send(wireAnswer(leg, "v=0"))
		if c := s.host.command(t); c.GetAnswer() == nil {
			t.Fatalf("command %v", c)
		}
		p.send(wireBye(leg))
		if c := s.host.command(t); c.GetHangUp() == nil {
			t.Fatalf("command %v", c)
		}
		// A call that this stream does not know waits for its turn.
		p.send(wireBye(leg))
		if want := "error NOT_INCALL id=" + leg; multi {
			p.hears("error INVALID_CALL_ID id=" + leg)
		} else {
			p.hears(want)
		}
	})
}

// What only the core says, what nobody says any more, and Error.
func TestSenselessMessages(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		p.send(wireError(uuid1, errTryAgain)) // never answered
		p.send(wireIdle(uuid1))
		p.hears("error UNKNOWN id=" + uuid1)
		p.send(&message{CallId: uuid1, Message: &wgtwo.WebTerminalMessage_InCall{InCall: &wgtwo.InCall{}}})
		p.hears("error UNKNOWN id=" + uuid1)
		p.send(&message{CallId: uuid1})
		p.hears("error UNKNOWN id=" + uuid1)
		removed := &message{} // the ICE message that field 8 was
		removed.ProtoReflect().SetUnknown([]byte{8<<3 | 2, 0})
		p.send(removed) // to this version a heartbeat
		s.ring(t, p)
	})
}

// Bytes that are no message, and a message that is too large, cost their stream
// and nothing else.
func TestBadBytes(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		s := serve(t, newFakeHost())
		p := s.signIn(t, multi, alice)
		method := wgtwo.WebTerminalService_Pipe_FullMethodName
		if multi {
			method = wgtwo.WebTerminalService_MultiPipe_FullMethodName
		}
		for _, row := range []struct {
			bytes []byte
			want  codes.Code
		}{
			{[]byte{0xff}, codes.Internal},
			{[]byte{1<<3 | 2, 200}, codes.Internal},
			{[]byte("GET / HTTP/1.1"), codes.Internal},
			{[]byte{10<<3 | 2, 1, 0xff}, codes.Internal}, // a call_id that is not UTF-8
			{make([]byte, 300<<10), codes.ResourceExhausted},
		} {
			st, err := p.conn.NewStream(p.stream.Context(), &wgtwo.WebTerminalService_ServiceDesc.Streams[0], method,
				grpc.ForceCodecV2(grpcpipetest.RawCodec()))
			if err != nil {
				t.Fatal(err)
			}
			q := &pipe{t: t, stream: &grpc.GenericClientStream[message, message]{ClientStream: st}}
			if !multi {
				q.hears("idle id=")
			}
			q.terminal = receive(t, s.host.attached, "the attach")
			if err := st.SendMsg(row.bytes); err != nil {
				t.Fatal(err)
			}
			if got := q.ends(); got.Code() != row.want {
				t.Errorf("the stream ended with %v, want %v", got, row.want)
			}
			receive(t, s.host.detached, "the detach")
		}
		s.ring(t, p)
	})
}
