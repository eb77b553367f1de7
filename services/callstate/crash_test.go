package callstate_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// dying is a driver that dies, as a process killed with SIGKILL would, at the
// n-th point it passes: before or after a commit, before or after a delivery.
type dying struct {
	bus.Driver
	mu     sync.Mutex
	points int
	at     int
	where  string
	dead   chan struct{}
}

// point passes one; it reports false once the process is dead.
func (d *dying) point(what string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.dead:
		return false
	default:
	}
	d.points++
	if d.points != d.at {
		return true
	}
	d.where = what
	close(d.dead)
	return false
}

func (d *dying) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	what := ""
	switch {
	case strings.HasPrefix(subject, "call.v1.ev."):
		what = "a delivery"
	case strings.HasPrefix(subject, "media.v1.cmd."):
		what = "a media command"
	default:
		return d.Driver.Request(ctx, subject, data)
	}
	if !d.point("before " + what) {
		return nil, bus.ErrClosed
	}
	answer, err := d.Driver.Request(ctx, subject, data)
	if !d.point("after " + what) {
		return nil, bus.ErrClosed
	}
	return answer, err
}

func (d *dying) Records() bus.Records { return dyingRecords{d.Driver.Records(), d} }

type dyingRecords struct {
	bus.Records
	d *dying
}

func (r dyingRecords) Commit(ctx context.Context, w ...bus.Write) ([]uint64, error) {
	if !r.d.point("before a commit") {
		return nil, bus.ErrClosed
	}
	seqs, err := r.Records.Commit(ctx, w...)
	if !r.d.point("after a commit") {
		return nil, bus.ErrClosed
	}
	return seqs, err
}

// TestKilledAtEveryStep kills call state at every point of a call in turn and
// starts it again: the call goes on as if nothing had happened, and no terminal
// gets an event twice or misses one.
func TestKilledAtEveryStep(t *testing.T) {
	for name, call := range map[string]func(*rig, *testing.T){
		"a call": oneCall, "a pull": onePull, "a push": onePush, "a re-offer": oneReoffer, "an adapter that starts again": oneRestart,
	} {
		t.Run(name, func(t *testing.T) {
			points := killedAt(t, 0, call)
			if points < 15 {
				t.Fatalf("only %d points in a whole call", points)
			}
			// Some more: who resends passes points of its own.
			var runs sync.WaitGroup
			for first := range sideBySide {
				runs.Go(func() {
					for n := 1 + first; n <= points+4; n += sideBySide {
						t.Run(fmt.Sprint("point ", n), func(t *testing.T) { killedAt(t, n, call) })
					}
				})
			}
			runs.Wait()
		})
	}
}

// sideBySide is how many calls are made at a time: they mostly wait.
const sideBySide = 8

// killedAt runs one call with a death at point n, and gives how many it passed.
func killedAt(t *testing.T, n int, call func(*rig, *testing.T)) (points int) {
	r := newRig(t)
	r.media.settled = true
	d := &dying{at: n, dead: make(chan struct{})}
	kill := r.startCallState(func(inner bus.Driver) bus.Driver { d.Driver = inner; return d })
	again := make(chan struct{})
	go func() { // the one who starts it again
		defer close(again)
		select {
		case <-d.dead:
			kill()
			r.startCallState(nil)
		case <-t.Context().Done():
		}
	}()
	call(r, t)
	d.mu.Lock()
	where, points := d.where, d.points
	d.mu.Unlock()
	if where != "" {
		wait(t, again, "second start")
		t.Log("died", where)
	}
	return points
}

// oneCall is a whole call, each party retrying as an adapter's host does.
func oneCall(r *rig, t *testing.T) {
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attach("alice", false), a.attach("bob", false)
	placed := a.must(a.offer(alice, "1", "sip:bob@demo.test"))
	in := a.event(bob, "incoming", isIncoming)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Ringing{}))
	a.event(alice, "alerting", isAlerting)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
	a.event(alice, "answered", isAnswered)
	r.connected(in.GetCallId(), placed.GetLegId(), 1)
	r.connected(in.GetCallId(), in.GetLegId(), 1)
	a.event(alice, "established", isEstablished)
	a.event(bob, "established", isEstablished)
	a.must(command(bob, in.GetCallId(), in.GetLegId(), &callv1.HangUp{}))
	a.event(alice, "ended", isEnded)
	for what, fits := range map[string]func(*callv1.Event) bool{
		"incoming": isIncoming, "alerting": isAlerting, "answered": isAnswered, "ended": isEnded,
	} {
		if n := a.count(fits); n != 1 {
			t.Errorf("%d events %q", n, what)
		}
	}
	if n := a.count(isEstablished); n != 2 {
		t.Errorf("%d events established", n)
	}
	if c := record(t, a.b, in.GetCallId()); c.GetState() != callv1.CallState_CALL_STATE_ENDED {
		t.Errorf("record %v", c.GetState())
	}
}

// heard waits until terminals have heard what they should, and no more.
func heard(r *rig, t *testing.T, a *adapter, want map[*callv1.Terminal]string) {
	t.Helper()
	for who, story := range want {
		t.Cleanup(func() {
			if got := a.story(who); t.Failed() && got != story {
				t.Errorf("%s heard %q, not %q", who.GetSubscriber(), got, story)
			}
		})
		r.until(story, func() bool { return a.story(who) == story })
	}
	r.media.empty(r)
}

// onePull is a call that moves to another terminal and back.
func onePull(r *rig, t *testing.T) {
	a := r.startAdapter("loopback", "n1")
	alice, bob, other := a.attachWith("alice", able()), a.attachWith("bob", able()), a.put(&callv1.Terminal{Subscriber: "bob", Features: able()})
	c := talking(r, a, alice, bob)
	a.event(other, "in call", isInCall)
	taken := a.must(a.pull(other, c.id))
	a.event(bob, "in call", isInCall)
	r.connected(c.id, taken.GetLegId(), 1)
	a.event(other, "established", isEstablished)
	back := a.must(a.pull(bob, c.id))
	r.media.bridged(r, back.GetLegId(), c.aLeg)
	r.until("shown again", func() bool { return strings.HasSuffix(a.story(other), "Ended:transferred InCall") })
	r.connected(c.id, back.GetLegId(), 1)
	r.until("established again", func() bool { return strings.HasSuffix(a.story(bob), "InCall Established") })
	c.on(alice, c.aLeg, &callv1.HangUp{})
	heard(r, t, a, map[*callv1.Terminal]string{
		alice: "Answered Established",
		bob:   "Incoming Established Ended:transferred InCall Established Ended:normal",
		other: "InCall Established Ended:transferred InCall Idle",
	})
}

// onePush is a call that moves to a phone.
func onePush(r *rig, t *testing.T) {
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attachWith("alice", able()), a.attachWith("bob", able())
	phone, declines := a.attachWith("carol", &callv1.Features{}), a.attachWith("carol", &callv1.Features{})
	c := talking(r, a, alice, bob)
	c.on(alice, c.aLeg, &callv1.Push{})
	c.on(declines, a.event(declines, "incoming", isIncoming).GetLegId(), &callv1.HangUp{})
	leg := a.event(phone, "incoming", isIncoming).GetLegId()
	c.on(phone, leg, &callv1.Ringing{})
	c.on(phone, leg, &callv1.Answer{Sdp: "v=0"})
	r.connected(c.id, leg, 1)
	a.event(phone, "established", isEstablished)
	a.event(alice, "in call", isInCall)
	r.media.bridged(r, leg, c.bobLeg)
	c.on(bob, c.bobLeg, &callv1.HangUp{})
	heard(r, t, a, map[*callv1.Terminal]string{
		alice: "Answered Established Ended:transferred InCall Idle",
		bob:   "Incoming Established",
		phone: "Incoming Established Ended:normal", declines: "Incoming",
	})
}

// oneReoffer is a call in which a terminal offers anew, and the other is told.
func oneReoffer(r *rig, t *testing.T) {
	a := r.startAdapter("loopback", "n1")
	alice, bob := a.attachWith("alice", able()), a.attachWith("bob", able())
	c := talking(r, a, alice, bob)
	r.media.mu.Lock()
	r.media.settled = false
	r.media.mu.Unlock()
	if reply := c.on(alice, c.aLeg, &callv1.Reoffer{Sdp: "v=1"}); reply.GetSdp() == "" {
		t.Errorf("reply %v", reply)
	}
	a.event(bob, "re-offer", isReoffer)
	c.on(bob, c.bobLeg, &callv1.Answer{Sdp: "v=1"})
	a.event(alice, "re-offer", isReoffer)
	c.on(alice, c.aLeg, &callv1.RefuseReoffer{})
	c.on(bob, c.bobLeg, &callv1.HangUp{})
	heard(r, t, a, map[*callv1.Terminal]string{
		alice: "Answered Established Reoffer Ended:normal",
		bob:   "Incoming Established Reoffer",
	})
}
