package grpcpipe

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// TestSemantics names each row of what the protocol's description says besides
// messages and fields, with the test that shows it.
func TestSemantics(t *testing.T) {
	for _, row := range []struct {
		says  string
		shown func(*testing.T)
	}{
		// Identity and authentication.
		{"every stream carries a bearer token and, with product tokens, wg2-msisdn without a plus sign", TestCredentials},
		{"no token: UNAUTHENTICATED", TestAuthentication},
		{"a token without the scope, or an msisdn that it does not cover: PERMISSION_DENIED", testDenied},
		{"the msisdn is the caller id of outgoing calls", TestOutgoingCall},
		{"the port speaks TLS", TestTLS},
		{"server reflection is on", TestReflection},
		{"keep-alive pings once a minute, without a call too, are allowed", testPingsAllowed},
		{"streams end after about 60 minutes, in order, and clients connect again", testAge},

		// Pipe and MultiPipe.
		{"calls at once: one on a Pipe", TestTryAgain},
		{"calls at once: many on a MultiPipe", TestManyCalls},
		{"call_id: ignored on a Pipe, and echoed if given", TestPipeIgnoresCallID},
		{"call_id: mandatory on a MultiPipe, a UUID made by whoever starts the call", TestUpperCaseUUID},
		{"call_id missing or unknown: INVALID_CALL_ID with it, and the stream stays open", TestNoCall},
		{"call_id unknown to its owner: INVALID_CALL_ID", TestUnknownCallID},
		{"on opening: InCall on a Pipe whose subscriber is in a call, nothing on a MultiPipe", TestOpeningInCall},
		{"on opening: Idle on a Pipe otherwise, nothing on a MultiPipe", TestOpening},
		{"status: InCall and Idle at each change, with the call's id on a MultiPipe", TestStatusAtChange},

		// Calls.
		{"outgoing: Offer, Ringing, Answer, Bye", TestOutgoingCall},
		{"outgoing: Bye instead of an Answer", TestOfferEndedAtOnce},
		{"Bye before the Answer cancels", TestByeOvertakesOffer},
		{"calls that cross are one", TestGlareOnPipe},
		{"incoming: Offer with the caller's msisdn, Ringing, Answer or Bye", TestIncomingCall},
		{"pull: an Offer with the id of an InCall, then Answer", TestPull},
		{"pull: Bye, and the call stays", TestPullRefused},
		{"pull: the leg that the call left is released", TestTransferredUnasked},
		{"push: ToPhone, then InCall by the same call_id and no Bye, later Idle", TestPush},
		{"push failed: TRY_AGAIN, and the call is kept", TestPushFails},
		{"renegotiation: the core offers on an established call_id, the terminal answers", TestCoreOffersAnew},
		{"renegotiation: a terminal's Offer in its own call", TestTerminalOffersAnew},
		{"ICE: descriptions come and go complete, without a=rtcp", TestFromEvent},
		{"a message with nothing in it is a heartbeat, ignored and not counted", TestHeartbeat},
		{"half-close is not hang-up", TestHalfClose},
		{"cancel and a lost transport leave the calls to the grace period", TestLoss},
		{"a new Pipe gets InCall and pulls the call by an Offer", testBackOnPipe},
		{"a new MultiPipe goes on with its calls", TestMultiPipeComesBack},
		{"several terminals ring; the others get Bye with the call_id, then InCall", TestForkIsShown},

		// Errors keep the stream open.
		{"NOT_INCALL: Answer, Bye or Action without a call", TestNoCall},
		{"TRY_AGAIN: what may pass", TestOfferRefused},
		{"TRY_AGAIN: a second Offer on a busy Pipe", TestTryAgain},
		{"TRY_AGAIN: ToPhone failed", TestPushRefused},
		{"INVALID_CALL_ID: another terminal's call", TestForeignCallID},
		{"RATE_LIMIT_HIT: too many messages", TestRateLimitKeepsCalls},
		{"UNKNOWN: what makes no sense", TestSenselessMessages},
	} {
		t.Run(row.says, row.shown)
	}
}

func testDenied(t *testing.T) {
	both(t, func(t *testing.T, multi bool) {
		h := newFakeHost()
		h.denied = schema.Errorf(callv1.Code_CODE_FORBIDDEN, "not covered")
		p := serve(t, h).open(t, multi, "authorization", "Bearer bad", "wg2-msisdn", bob)
		if got := p.ends(); got.Code() != codes.PermissionDenied {
			t.Errorf("the stream ended with %v", got)
		}
	})
}

func testPingsAllowed(t *testing.T) {
	if c := Defaults(); c.PingMin >= 30*time.Second {
		t.Errorf("pings may come every %v only", c.PingMin)
	}
	TestPings(t)
}

func testAge(t *testing.T) {
	if c := Defaults(); c.MaxAge != time.Hour {
		t.Errorf("streams last %v", c.MaxAge)
	}
	for range 100 {
		timer := ageTimer(time.Hour)
		if !timer.Stop() {
			t.Error("a stream of an hour ends at once")
		}
	}
	TestMaxAge(t)
}

// testBackOnPipe: the terminal that comes back is another to call state; the call is
// shown to it and goes on there by a pull.
func testBackOnPipe(t *testing.T) {
	h := newFakeHost()
	s := serve(t, h)
	p := s.signIn(t, false, alice)
	leg := s.talk(t, p)
	call, _, _ := schema.SplitLegID(leg)
	p.cancel()
	receive(t, h.detached, "the detach")

	h.calls = func(string) []*callv1.Event { return []*callv1.Event{inCall(call, 5, carol)} }
	p = s.open(t, false, "authorization", "Bearer demo", "wg2-msisdn", alice)
	p.hears("in_call " + carol + " id=" + call)
	p.terminal = receive(t, h.attached, "the attach")
	p.send(wireOffer("", "v=0 p", ""))
	pulled(t, s, p, call, "v=0 p")
	p.hears("answer v=0 to v=0 p id=")
}
