package callstate_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

var unmarshal = proto.Unmarshal

func TestACallFromOfferToHangUp(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	if placed.GetMediaNode() != "m1" || placed.GetLegState() != callv1.LegState_LEG_STATE_OFFERED {
		t.Fatalf("reply %v", placed)
	}
	in := a.event(bob, "incoming", isIncoming)
	if in.GetIncoming().GetSdp() == "" || in.GetIncoming().GetCaller().GetSubscriber() != "alice" {
		t.Errorf("incoming %v", in)
	}
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Ringing{}))
	a.event(alice, "alerting", isAlerting)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
	if e := a.event(alice, "answered", isAnswered); e.GetRef() != "1" || e.GetAnswered().GetSdp() == "" {
		t.Errorf("answered %v", e)
	}
	r.connected(in.GetCallId(), placed.GetLegId(), 1)
	r.connected(in.GetCallId(), in.GetLegId(), 1)
	a.event(alice, "established", isEstablished)
	a.event(bob, "established", isEstablished)
	a.must(command(alice, in.GetCallId(), placed.GetLegId(), &callv1.HangUp{}))
	if e := a.event(bob, "ended", isEnded); e.GetEnded().GetReason() != callv1.Reason_REASON_NORMAL {
		t.Errorf("ended %v", e)
	}
	c := record(t, a.b, in.GetCallId())
	if c.GetState() != callv1.CallState_CALL_STATE_ENDED || c.GetVersion() > 5 {
		t.Errorf("record after %d commits: %v", c.GetVersion(), c.GetState())
	}
}

// TestThePairsRecordNamesUnansweredCalls: it names a call before its first commit,
// and not for longer than until the pair's next call.
func TestThePairsRecordNamesUnansweredCalls(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice := a.attach("alice", false)
	a.attach("bob", false)
	placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	if calls := pair(t, a.b, "bob", "alice"); len(calls) != 1 || calls[0].GetCallId() != placed.GetCallId() || calls[0].GetCaller() != "alice" {
		t.Errorf("claim of an unanswered call: %v", calls)
	}
	a.must(command(alice, placed.GetCallId(), placed.GetLegId(), &callv1.HangUp{}))
	placed = a.must(a.offer(alice, "2", "sip:bob@demo.test"))
	if calls := pair(t, a.b, "bob", "alice"); len(calls) != 1 || calls[0].GetCallId() != placed.GetCallId() {
		t.Errorf("claims after another call: %v", calls)
	}
}

// TestASubscribersCallsAreFoundInTheJournal: the records' subjects are the index
// of a subscriber's calls, as caller and as called.
func TestASubscribersCallsAreFoundInTheJournal(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice := a.attach("alice", false)
	a.attach("bob", false)
	a.attach("carol", false)
	one := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	two := a.must(a.offer(alice, "2", "sip:carol@demo.test"))
	for who, want := range map[string][]string{
		"alice": {one.GetCallId(), two.GetCallId()}, "bob": {one.GetCallId()}, "carol": {two.GetCallId()}, "dora": nil,
	} {
		var got []string
		for _, filter := range schema.SubscriberFilters(who) {
			if err := a.b.Records().Scan(t.Context(), filter, func(r bus.Record) bool {
				got = append(got, schema.CallOfRecord(r.Subject))
				return true
			}); err != nil {
				t.Fatal(err)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("calls of %s: %v, want %v", who, got, want)
		}
	}
}

// TestAClaimWithoutACallHoldsNobodyUp: an owner that died between the
// claim and the record leaves an entry that names no call.
func TestAClaimWithoutACallHoldsNobodyUp(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	never := r.key.CallID("bob", "test", "never")
	data, err := proto.Marshal(&callv1.PairRecord{Calls: []*callv1.PairCall{{CallId: never, Caller: "bob"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.b.Records().Commit(t.Context(), bus.Write{Subject: schema.PairSubject("alice", "bob"), Data: data}); err != nil {
		t.Fatal(err)
	}
	a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	a.event(bob, "incoming", isIncoming)
}

func pair(t *testing.T, b *bus.Bus, one, two string) []*callv1.PairCall {
	t.Helper()
	r, err := b.Records().Load(context.Background(), schema.PairSubject(one, two))
	if errors.Is(err, bus.ErrNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &callv1.PairRecord{}
	if err := proto.Unmarshal(r.Data, p); err != nil {
		t.Fatal(err)
	}
	return p.GetCalls()
}

func TestOffersThatCannotBePlaced(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice := a.attach("alice", false)
	for to, want := range map[string]callv1.Code{
		"sip:nobody@demo.test": callv1.Code_CODE_NOT_FOUND,
		"sip:bob@demo.test":    callv1.Code_CODE_GONE,
	} {
		reply := r.send(a.b, a.offer(alice, to, to))
		if reply.GetError().GetCode() != want || reply.GetLegState() != callv1.LegState_LEG_STATE_ENDED {
			t.Errorf("%s: %v", to, reply)
		}
		if c := record(t, a.b, r.key.CallID("alice", "test", to)); c.GetState() != callv1.CallState_CALL_STATE_ENDED {
			t.Errorf("%s: record %v", to, c.GetState())
		}
	}
}

// TestGlare: two subscribers call each other at the same time; both end up in
// one call, both offers answered, and neither rings.
func TestGlare(t *testing.T) {
	for i := range 20 {
		r := newRig(t)
		r.startCallState(nil)
		a, b := r.startAdapter("loopback", "n1"), r.startAdapter("loopback", "n2")
		alice, bob := a.attach("alice", false), b.attach("bob", false)
		replies := make(chan *callv1.Reply, 2)
		go func() { replies <- r.send(a.b, a.offer(alice, "1", "sip:bob@demo.test")) }()
		go func() { replies <- r.send(b.b, b.offer(bob, "1", "sip:alice@demo.test")) }()
		one, two := <-replies, <-replies
		if one.GetError() != nil || two.GetError() != nil || one.GetCallId() != two.GetCallId() {
			t.Fatalf("run %d: %v and %v", i, one, two)
		}
		a.event(alice, "answered", isAnswered)
		b.event(bob, "answered", isAnswered)
		winner := record(t, a.b, one.GetCallId())
		if winner.GetState() != callv1.CallState_CALL_STATE_ANSWERED {
			t.Errorf("run %d: winner %v", i, winner.GetState())
		}
		// The leg that was handed over still answers to its first name.
		loser := r.key.CallID("bob", "test", "1")
		who, leg, host := bob, schema.LegID(loser, 1), b
		if loser == one.GetCallId() {
			loser = r.key.CallID("alice", "test", "1")
			who, leg, host = alice, schema.LegID(loser, 1), a
		}
		reply := r.send(host.b, command(who, loser, leg, &callv1.HangUp{}))
		if reply.GetError().GetCode() != callv1.Code_CODE_REDIRECTED || reply.GetCallId() != one.GetCallId() {
			t.Fatalf("run %d: hang-up to the losing call: %v", i, reply)
		}
		host.must(command(who, reply.GetCallId(), leg, &callv1.HangUp{}))
		for _, l := range record(t, a.b, one.GetCallId()).GetLegs() {
			if l.GetState() != callv1.LegState_LEG_STATE_ENDED {
				t.Errorf("run %d: leg %v", i, l)
			}
		}
	}
}

// TestASecondCallWhileOneIsUpIsNoGlare: the pair's claim only holds unanswered.
func TestASecondCallWhileOneIsUpIsNoGlare(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	a.attach("alice", false)
	first := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	in := a.event(bob, "incoming", isIncoming)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
	second := a.must(a.offer(bob, "2", "sip:alice@demo.test"))
	if second.GetCallId() == first.GetCallId() {
		t.Error("joined to an answered call")
	}
	if calls := pair(t, a.b, "alice", "bob"); len(calls) != 1 || calls[0].GetCallId() != second.GetCallId() {
		t.Errorf("claims: %v", calls)
	}
}

func TestADeadlineOfTheRecordActs(t *testing.T) {
	r := newRig(t)
	r.cfg.RingTimeout = 100 * time.Millisecond
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	if e := a.event(alice, "ended", isEnded); e.GetEnded().GetReason() != callv1.Reason_REASON_NO_ANSWER {
		t.Errorf("%v", e)
	}
	if e := a.event(bob, "ended", isEnded); !e.GetEnded().GetMissed() {
		t.Errorf("%v", e)
	}
}

// TestASlowTerminalDelaysNoOther: an adapter node that does not answer keeps
// nobody else's events.
func TestASlowTerminalDelaysNoOther(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a, slow := r.startAdapter("loopback", "n1"), r.startAdapter("loopback", "n2")
	slow.refuse = func(*callv1.Event) *callv1.Error { return &callv1.Error{Code: callv1.Code_CODE_RETRY} }
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	slow.attach("bob", false)
	a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	in := a.event(bob, "incoming", isIncoming)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
	a.event(alice, "answered", isAnswered)
	if n := slow.count(isIncoming); n != 0 {
		t.Errorf("%d events at the slow node", n)
	}
}

// TestACallThatIsOverBeforeItRang: a terminal whose node puts a call off is not shown
// it once it is answered elsewhere, only its end; another call is shown as missed.
func TestACallThatIsOverBeforeItRang(t *testing.T) {
	for _, answered := range []bool{true, false} {
		r := newRig(t)
		r.startCallState(nil)
		a, slow := r.startAdapter("loopback", "n1"), r.startAdapter("loopback", "n2")
		var tried, ready atomic.Bool
		slow.refuse = func(e *callv1.Event) *callv1.Error {
			if !isIncoming(e) || ready.Load() {
				return nil
			}
			tried.Store(true)
			return &callv1.Error{Code: callv1.Code_CODE_RETRY}
		}
		alice, bob := a.attach("alice", false), a.attach("bob", false)
		late := slow.attach("bob", false)
		placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
		in := a.event(bob, "incoming", isIncoming)
		r.until("put off", tried.Load)
		if answered {
			a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
		} else {
			a.must(command(alice, placed.GetCallId(), placed.GetLegId(), &callv1.HangUp{}))
			a.event(bob, "ended", isEnded)
			ready.Store(true)
			slow.event(late, "incoming", isIncoming)
		}
		slow.event(late, "ended", isEnded)
		if n := slow.count(isIncoming); answered && n != 0 {
			t.Errorf("shown %d times", n)
		}
	}
}

func TestATerminalThatSignsInWhileItsSubscriberIsCalledRings(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	a.event(bob, "incoming", isIncoming)
	a.event(a.attach("bob", false), "incoming on the late terminal", isIncoming)
}

// TestALostNodeLosesItsTerminals: the other side is told when the node of a
// terminal in the call dies.
func TestALostNodeLosesItsTerminals(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a, b := r.startAdapter("loopback", "n1"), r.startAdapter("loopback", "n2")
	alice, bob := a.attach("alice", false), b.attach("bob", false)
	a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	in := b.event(bob, "incoming", isIncoming)
	b.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
	b.leave()
	if e := a.event(alice, "ended", isEnded); e.GetEnded().GetReason() != callv1.Reason_REASON_TERMINAL_LOST {
		t.Errorf("%v", e)
	}
}

// TestAStrangersCommandIsRefusedOnTheBus: whoever sends, the subject says who it
// is; a command for another's leg or another's call finds no such call.
func TestAStrangersCommandIsRefusedOnTheBus(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a, stranger := r.startAdapter("loopback", "n1"), r.startAdapter("loopback", "n2")
	other := r.startAdapter("grpcpipe", "n1")
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	in := a.event(bob, "incoming", isIncoming)
	before := record(t, a.b, placed.GetCallId())
	for name, send := range map[string]func() *callv1.Reply{
		"from another node": func() *callv1.Reply {
			return r.send(stranger.b, command(bob, in.GetCallId(), in.GetLegId(), &callv1.HangUp{}))
		},
		"from another adapter": func() *callv1.Reply {
			return r.send(other.b, command(bob, in.GetCallId(), in.GetLegId(), &callv1.HangUp{}))
		},
		"for another subscriber's leg": func() *callv1.Reply {
			return r.send(a.b, command(alice, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
		},
		"under another adapter's name": func() *callv1.Reply {
			c := a.offer(alice, "2", "sip:bob@demo.test") // says loopback/n1
			return r.send(stranger.b, c)
		},
	} {
		if reply := send(); reply.GetError() == nil {
			t.Errorf("%s: %v", name, reply)
		}
	}
	if after := record(t, a.b, placed.GetCallId()); !proto.Equal(before, after) {
		t.Errorf("the call changed: %v", after)
	}
}

func TestCommandsThatDoNotFitTheirSubject(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice := a.attach("alice", false)
	for name, c := range map[string]*callv1.Command{
		"no body":      {Id: "x", CallId: r.key.NewCallID("a", "b"), Principal: "alice"},
		"no principal": func() *callv1.Command { c := a.offer(alice, "1", "sip:bob@demo.test"); c.Principal = ""; return c }(),
	} {
		if reply := r.send(a.b, c); reply.GetError() == nil {
			t.Errorf("%s: %v", name, reply)
		}
	}
	unknown := r.key.CallID("alice", "test", "none")
	reply := r.send(a.b, command(alice, unknown, schema.LegID(unknown, 1), &callv1.HangUp{}))
	if reply.GetError().GetCode() != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("hang-up of no call: %v", reply)
	}
}
