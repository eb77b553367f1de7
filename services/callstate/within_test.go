package callstate_test

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// talk is a call that is up, with the legs that are in it.
type talk struct {
	r            *rig
	a            *adapter
	id           string
	alice, bob   *callv1.Terminal
	aLeg, bobLeg string
}

// talking has two terminals of subscribers call, and their media connect.
func talking(r *rig, a *adapter, alice, bob *callv1.Terminal) *talk {
	r.t.Helper()
	placed := a.must(a.offer(alice, schema.NewID(), "sip:"+bob.GetSubscriber()+"@demo.test"))
	in := a.event(bob, "incoming", isIncoming)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
	a.event(alice, "answered", isAnswered)
	r.connected(in.GetCallId(), placed.GetLegId(), 1)
	r.connected(in.GetCallId(), in.GetLegId(), 1)
	a.event(alice, "established", isEstablished)
	a.event(bob, "established", isEstablished)
	return &talk{r: r, a: a, id: in.GetCallId(), alice: alice, bob: bob, aLeg: placed.GetLegId(), bobLeg: in.GetLegId()}
}

// begin starts an exchange with a call from alice to bob.
func begin(t *testing.T, change func(r *rig)) *talk {
	t.Helper()
	r := newRig(t)
	r.media.settled = true
	if change != nil {
		change(r)
	}
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	return talking(r, a, a.attachWith("alice", able()), a.attachWith("bob", able()))
}

func (c *talk) on(t *callv1.Terminal, leg string, body any) *callv1.Reply {
	c.r.t.Helper()
	return c.a.must(command(t, c.id, leg, body))
}

func TestPull(t *testing.T) {
	c := begin(t, nil)
	other, alices := c.a.attachWith("bob", able()), c.a.attachWith("alice", able())
	shown := c.a.event(other, "in call", isInCall)
	if shown.GetLegId() != c.id || shown.GetInCall().GetPeer().GetSubscriber() != "alice" || shown.GetInCall().GetSince() == nil {
		t.Errorf("shown %v", shown)
	}
	c.a.event(alices, "in call", isInCall)
	reply := c.a.must(c.a.pull(other, c.id))
	if reply.GetSdp() == "" || reply.GetMediaNode() != "m1" {
		t.Errorf("reply %v", reply)
	}
	c.a.event(c.bob, "in call", isInCall) // after the end of its leg
	if got := c.a.story(c.bob); got != "Incoming Established Ended:transferred InCall" {
		t.Errorf("the terminal that had the call heard %q", got)
	}
	c.r.media.bridged(c.r, reply.GetLegId(), c.aLeg)
	c.r.connected(c.id, reply.GetLegId(), 1)
	c.a.event(other, "established", isEstablished)
	c.on(other, reply.GetLegId(), &callv1.HangUp{})
	c.a.event(c.alice, "ended", isEnded)
	c.a.event(c.bob, "idle", isIdle)
	c.a.event(alices, "idle", isIdle)
	if got := c.a.story(other); got != "InCall Established" {
		t.Errorf("the terminal that pulled heard %q", got)
	}
	if got := c.a.story(c.alice); got != "Answered Established Ended:normal" {
		t.Errorf("the far terminal heard %q", got)
	}
	c.r.media.empty(c.r)
}

func TestPullsThatAreRefused(t *testing.T) {
	c := begin(t, nil)
	other, carol := c.a.attachWith("bob", able()), c.a.attachWith("carol", able())
	before := record(t, c.a.b, c.id)
	for name, tt := range map[string]struct {
		by   *callv1.Terminal
		fail string
		want callv1.Code
	}{
		"by a stranger":     {carol, "", callv1.Code_CODE_NOT_FOUND},
		"by who has it":     {c.bob, "", callv1.Code_CODE_CONFLICT},
		"without media":     {other, "MakeAnswer", callv1.Code_CODE_NOT_ACCEPTABLE},
		"from another node": {&callv1.Terminal{Id: "x", Kind: "loopback", Node: "n9", Instance: "i", Subscriber: "bob"}, "", callv1.Code_CODE_FORBIDDEN},
	} {
		c.r.media.mu.Lock()
		c.r.media.fail = map[string]callv1.Code{tt.fail: tt.want}
		c.r.media.mu.Unlock()
		if reply := c.r.send(c.a.b, c.a.pull(tt.by, c.id)); reply.GetError().GetCode() != tt.want {
			t.Errorf("%s: %v", name, reply)
		}
	}
	if after := record(t, c.a.b, c.id); after.GetVersion() != before.GetVersion() {
		t.Errorf("the call changed: %v", after)
	}
	gone := c.r.key.CallID("bob", "test", "none")
	if reply := c.r.send(c.a.b, c.a.pull(other, gone)); reply.GetError().GetCode() != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("of no call: %v", reply)
	}
}

func TestPush(t *testing.T) {
	c := begin(t, nil)
	if reply := c.r.send(c.a.b, command(c.alice, c.id, c.aLeg, &callv1.Push{})); reply.GetError().GetCode() != callv1.Code_CODE_GONE {
		t.Errorf("nobody at the phone: %v", reply)
	}
	phone, busy := c.a.attachWith("carol", &callv1.Features{}), c.a.attachWith("carol", &callv1.Features{})
	c.on(c.alice, c.aLeg, &callv1.Push{})
	for _, p := range []*callv1.Terminal{phone, busy} {
		if e := c.a.event(p, "incoming", isIncoming); e.GetIncoming().GetCaller().GetSubscriber() != "bob" {
			t.Errorf("incoming %v", e)
		}
	}
	late := c.a.attachWith("carol", &callv1.Features{})
	c.a.event(late, "incoming", isIncoming)
	leg := c.a.event(phone, "incoming", isIncoming).GetLegId()
	c.on(phone, leg, &callv1.Ringing{})
	c.on(phone, leg, &callv1.Answer{Sdp: "v=0"})
	ended := c.a.event(c.alice, "ended", isEnded)
	if e := ended.GetEnded(); !e.GetRequested() || e.GetPeer().GetSubscriber() != "bob" || e.GetReason() != callv1.Reason_REASON_TRANSFERRED {
		t.Errorf("ended %v", ended)
	}
	c.a.event(c.alice, "in call", isInCall)
	c.a.event(busy, "ended", isEnded)
	c.a.event(late, "ended", isEnded)
	c.r.media.bridged(c.r, leg, c.bobLeg)
	c.r.connected(c.id, leg, 1)
	c.a.event(phone, "established", isEstablished)
	// The phone's leg is its subscriber's: its terminals come and go with the call.
	if got := c.a.event(c.a.attachWith("carol", able()), "in call", isInCall); got.GetInCall().GetPeer().GetSubscriber() != "bob" {
		t.Errorf("shown %v", got)
	}
	c.a.lose(phone, c.id) // not its host but the table tells
	c.a.event(c.bob, "ended", isEnded)
	c.a.event(c.alice, "idle", isIdle)
}

func TestAPushThatFails(t *testing.T) {
	c := begin(t, func(r *rig) { r.cfg.RingTimeout = 300 * time.Millisecond })
	phone := c.a.attachWith("carol", able())
	c.on(c.alice, c.aLeg, &callv1.Push{})
	leg := c.a.event(phone, "incoming", isIncoming).GetLegId()
	if reply := c.r.send(c.a.b, command(c.bob, c.id, c.bobLeg, &callv1.Push{})); reply.GetError().GetCode() != callv1.Code_CODE_CONFLICT {
		t.Errorf("a second push: %v", reply)
	}
	c.on(phone, leg, &callv1.HangUp{Reason: callv1.Reason_REASON_BUSY})
	if e := c.a.event(c.alice, "push failed", isPushFailed); e.GetPushFailed().GetReason() != callv1.Reason_REASON_BUSY {
		t.Errorf("%v", e)
	}
	c.on(c.alice, c.aLeg, &callv1.Push{})
	c.a.event(c.alice, "push failed", func(e *callv1.Event) bool {
		return e.GetPushFailed().GetReason() == callv1.Reason_REASON_NO_ANSWER
	})
	c.r.dir.mu.Lock()
	c.r.dir.phones = nil
	c.r.dir.mu.Unlock()
	if reply := c.r.send(c.a.b, command(c.alice, c.id, c.aLeg, &callv1.Push{})); reply.GetError().GetCode() != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("no phone: %v", reply)
	}
	c.on(c.alice, c.aLeg, &callv1.HangUp{})
}

func TestReoffer(t *testing.T) {
	c := begin(t, func(r *rig) { r.media.settled = false })
	if reply := c.on(c.alice, c.aLeg, &callv1.Reoffer{Sdp: "v=1"}); reply.GetSdp() == "" || reply.GetSkeleton() == nil {
		t.Errorf("reply %v", reply)
	}
	if e := c.a.event(c.bob, "re-offer", isReoffer); e.GetReoffer().GetSdp() == "" {
		t.Errorf("%v", e)
	}
	c.on(c.bob, c.bobLeg, &callv1.Answer{Sdp: "v=1"})
	c.a.event(c.alice, "re-offer", isReoffer)
	c.on(c.alice, c.aLeg, &callv1.RefuseReoffer{})
	if calls := record(t, c.a.b, c.id); len(calls.GetDeadlines()) != 1 { // the longest call's
		t.Errorf("deadlines %v", calls.GetDeadlines())
	}
}

func TestAReofferThatIsNotAnsweredIsWithdrawn(t *testing.T) {
	c := begin(t, func(r *rig) { r.media.settled, r.cfg.ReofferTimeout = false, 100*time.Millisecond })
	c.on(c.alice, c.aLeg, &callv1.Reoffer{Sdp: "v=1"})
	c.a.event(c.bob, "re-offer", isReoffer)
	c.on(c.alice, c.aLeg, &callv1.Reoffer{Sdp: "v=2"}) // is told once the first is settled
	c.r.until("a second re-offer", func() bool { return c.a.count(isReoffer) == 2 })
	c.r.until("both are withdrawn", func() bool {
		return record(t, c.a.b, c.id).GetLegs()[1].GetOfferOut() == 0
	})
	c.on(c.bob, c.bobLeg, &callv1.HangUp{})
}

func TestEarlyMedia(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	in := a.event(bob, "incoming", isIncoming)
	if reply := r.send(a.b, command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{})); reply.GetError().GetField() != "answer.sdp" {
		t.Errorf("an answer without a description: %v", reply)
	}
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Ringing{}))
	a.event(alice, "alerting", isAlerting)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Ringing{Sdp: "v=0"}))
	early := a.event(alice, "early media", func(e *callv1.Event) bool { return e.GetAlerting().GetSdp() != "" })
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{}))
	if e := a.event(alice, "answered", isAnswered); e.GetAnswered().GetSdp() != early.GetAlerting().GetSdp() {
		t.Errorf("answered %v after %v", e, early)
	}
}

func TestACallThatIsLostIsOfferedToOthers(t *testing.T) {
	plain := &callv1.Features{Resumes: true, Renegotiates: true}
	r := newRig(t)
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	c := talking(r, a, a.attachWith("alice", able()), a.attachWith("bob", plain))
	there, shows := a.attachWith("bob", plain), a.attachWith("bob", able())
	a.event(shows, "in call", isInCall)
	a.lose(c.bob, c.id, c.bobLeg)
	in := a.event(there, "incoming", isIncoming)
	late := a.attachWith("bob", plain)
	a.event(late, "incoming", isIncoming)
	if in.GetIncoming().GetCaller().GetSubscriber() != "alice" {
		t.Errorf("incoming %v", in)
	}
	c.on(there, in.GetLegId(), &callv1.Answer{Sdp: "v=0"})
	a.event(late, "ended", isEnded)
	r.media.bridged(r, in.GetLegId(), c.aLeg)
	if got := a.story(c.alice); got != "Answered Established" {
		t.Errorf("the far terminal heard %q", got)
	}
	if n := a.count(func(e *callv1.Event) bool { return e.GetTerminalId() == shows.GetId() && isIncoming(e) }); n != 0 {
		t.Error("a terminal that is shown calls rang")
	}
}

// TestACommandTakesALostLegUp: a terminal that is back names the leg, which the new
// connection's host knows from its peer.
func TestACommandTakesALostLegUp(t *testing.T) {
	c := begin(t, nil)
	c.a.lose(c.bob, c.id, c.bobLeg)
	n2 := c.r.startAdapter("loopback", "n2")
	back := n2.attachWith("bob", able())
	if reply := n2.must(command(back, c.id, c.bobLeg, &callv1.Reoffer{Sdp: "v=2"})); reply.GetSdp() == "" {
		t.Errorf("reply %v", reply)
	}
	c.on(c.alice, c.aLeg, &callv1.HangUp{})
	if e := n2.event(back, "ended", isEnded); e.GetLegId() != c.bobLeg {
		t.Errorf("ended %v", e)
	}
}

func TestACallWakesDevices(t *testing.T) {
	r := newRig(t)
	r.dir.wakes["bob"] = true
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice := a.attach("alice", false)
	placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	if w := r.dir.wake(r); w.GetSubscriber() != "bob" || w.GetWhat() != "call" || w.GetId() != placed.GetCallId() || w.GetFrom().GetSubscriber() != "alice" {
		t.Errorf("wake %v", w)
	}
	bob := a.attach("bob", false)
	in := a.event(bob, "incoming", isIncoming)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
}

func TestACallWhoseDevicesDoNotWake(t *testing.T) {
	r := newRig(t)
	r.cfg.WakeTimeout = 50 * time.Millisecond
	r.dir.wakes["bob"] = true
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice := a.attach("alice", false)
	a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	if e := a.event(alice, "ended", isEnded); e.GetEnded().GetReason() != callv1.Reason_REASON_UNREACHABLE {
		t.Errorf("%v", e)
	}
}

func TestLimitsPerSubscriber(t *testing.T) {
	r := newRig(t)
	r.cfg.MaxCallsPerSubscriber, r.cfg.CallsPerMinute = 2, 4
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	alice, carol := a.attach("alice", false), a.attach("carol", false)
	a.attach("bob", false)
	one := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	a.must(a.offer(alice, "2", "sip:bob@demo.test"))
	limited := func(who *callv1.Terminal, ref string, want callv1.Code) {
		t.Helper()
		if reply := r.send(a.b, a.offer(who, ref, "sip:bob@demo.test")); reply.GetError().GetCode() != want {
			t.Errorf("call %s: %v", ref, reply)
		}
	}
	limited(alice, "3", callv1.Code_CODE_RATE_LIMITED)
	limited(carol, "1", 0)
	a.must(command(alice, one.GetCallId(), one.GetLegId(), &callv1.HangUp{}))
	for _, ref := range []string{"4", "5"} { // the third and fourth of this minute
		placed := a.must(a.offer(alice, ref, "sip:bob@demo.test"))
		a.must(command(alice, placed.GetCallId(), placed.GetLegId(), &callv1.HangUp{}))
	}
	limited(alice, "6", callv1.Code_CODE_RATE_LIMITED)
}

// TestCalls answers a terminal that has just attached.
func TestCalls(t *testing.T) {
	c := begin(t, nil)
	other := c.a.attachWith("bob", able())
	ask := func(b *bus.Bus, id string) ([]*callv1.Event, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		r, err := b.Calls(ctx, &callv1.CallsRequest{TerminalId: id})
		return r.GetCalls(), err
	}
	got, err := ask(c.a.b, other.GetId())
	if err != nil || len(got) != 1 || got[0].GetLegId() != c.id || got[0].GetTerminalId() != other.GetId() ||
		got[0].GetNumber() != record(t, c.a.b, c.id).GetVersion() || got[0].GetInCall().GetPeer().GetSubscriber() != "alice" {
		t.Errorf("calls %v, %v", got, err)
	}
	if got, err := ask(c.a.b, c.bob.GetId()); err != nil || len(got) != 0 {
		t.Errorf("of the one who is in it: %v, %v", got, err)
	}
	if _, err := ask(c.r.startAdapter("loopback", "n2").b, other.GetId()); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("asked from another node: %v", err)
	}
	if _, err := ask(c.a.b, "nobody"); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("of no terminal: %v", err)
	}
	carol := c.a.attachWith("carol", able())
	second := talking(c.r, c.a, carol, other)
	third := c.a.attachWith("bob", able())
	if got, err := ask(c.a.b, third.GetId()); err != nil || len(got) != 2 || got[0].GetLegId() != second.id {
		t.Errorf("of two calls: %v, %v", got, err)
	}
}

// TestANewOwnerShowsCallsAgain: the present ones, and that those are over which
// ended not long ago.
func TestANewOwnerShowsCallsAgain(t *testing.T) {
	r := newRig(t)
	kill := r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	c := talking(r, a, a.attachWith("alice", able()), a.attachWith("bob", able()))
	over := talking(r, a, a.attachWith("carol", able()), a.attachWith("bob", &callv1.Features{}))
	other := a.attachWith("bob", able())
	shows := func(what func(*callv1.Event) bool, id string) func(*callv1.Event) bool {
		return func(e *callv1.Event) bool { return what(e) && e.GetCallId() == id }
	}
	a.event(other, "in call", shows(isInCall, c.id))
	a.event(other, "in call", shows(isInCall, over.id))
	// The next one's end is told to nobody before call state dies.
	a.mu.Lock()
	a.refuse = func(e *callv1.Event) *callv1.Error {
		if e.GetIdle() != nil {
			return &callv1.Error{Code: callv1.Code_CODE_RETRY}
		}
		return nil
	}
	a.mu.Unlock()
	over.on(over.alice, over.aLeg, &callv1.HangUp{})
	kill()
	a.mu.Lock()
	a.refuse, a.seen, a.events = nil, map[string]uint64{}, nil
	a.mu.Unlock()
	r.startCallState(nil)
	a.event(other, "in call again", shows(isInCall, c.id))
	a.event(other, "idle", shows(isIdle, over.id))
}

// TestATerminalThatTakesNoStatusDelaysNobody: it is told by a goroutine of its own.
func TestATerminalThatTakesNoStatusDelaysNobody(t *testing.T) {
	r := newRig(t)
	r.startCallState(nil)
	a, slow := r.startAdapter("loopback", "n1"), r.startAdapter("loopback", "n2")
	slow.refuse = func(*callv1.Event) *callv1.Error { return &callv1.Error{Code: callv1.Code_CODE_RETRY} }
	slow.put(&callv1.Terminal{Subscriber: "bob", Features: able()}) // does not ring
	fine := a.attachWith("bob", able())
	alice := a.attachWith("alice", able())
	placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	in := a.event(fine, "incoming", isIncoming)
	a.must(command(fine, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
	other := a.attachWith("bob", able())
	a.event(other, "in call", isInCall)
	a.must(command(alice, in.GetCallId(), placed.GetLegId(), &callv1.HangUp{}))
	a.event(other, "idle", isIdle)
}
