package callstate_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// raceRuns is how often each race is run: TANDEM_RACES, or a few times.
func raceRuns() int {
	if n, err := strconv.Atoi(os.Getenv("TANDEM_RACES")); err == nil && n > 0 {
		return n
	}
	return 15
}

// race sends commands at almost the same time, each from its own adapter's bus, and
// gives their replies in the same order.
func race(r *rig, a *adapter, commands ...*callv1.Command) []*callv1.Reply {
	replies := make([]*callv1.Reply, len(commands))
	var all sync.WaitGroup
	for i, c := range commands {
		pause := time.Duration(rand.IntN(300)) * time.Microsecond
		all.Go(func() {
			end := time.Now().Add(pause)
			for time.Now().Before(end) { // a timer would be too coarse
			}
			replies[i] = r.send(a.b, c)
		})
	}
	all.Wait()
	return replies
}

// racing runs a race many times in one exchange, with what is left checked after
// each.
func racing(t *testing.T, one func(r *rig, a *adapter, n int) (callID string)) {
	t.Helper()
	r := newRig(t)
	r.media.settled = true
	r.startCallState(nil)
	a := r.startAdapter("loopback", "n1")
	for n := range raceRuns() {
		callID := one(r, a, n)
		r.until("the call is over", func() bool {
			return record(t, a.b, callID).GetState() == callv1.CallState_CALL_STATE_ENDED
		})
		for _, l := range record(t, a.b, callID).GetLegs() {
			if l.GetState() != callv1.LegState_LEG_STATE_ENDED {
				t.Fatalf("run %d: leg left: %v", n, l)
			}
		}
		r.media.empty(r)
		a.signOut()
		if t.Failed() {
			t.Fatalf("run %d", n)
		}
	}
}

// signOut takes all terminals away, and what they heard.
func (a *adapter) signOut() {
	a.r.t.Helper()
	a.mu.Lock()
	all := a.attached
	a.attached, a.events = nil, nil
	clear(a.present)
	a.mu.Unlock()
	for _, t := range all {
		if err := a.terminals.Delete(a.r.t.Context(), t); err != nil {
			a.r.t.Fatal(err)
		}
	}
}

// won counts the replies without an error.
func won(replies []*callv1.Reply) (n int, last *callv1.Reply) {
	for _, r := range replies {
		if r.GetError() == nil {
			n, last = n+1, r
		}
	}
	return n, last
}

func TestRaceOfTwoAnswers(t *testing.T) {
	racing(t, func(r *rig, a *adapter, n int) string {
		alice, one, two := a.attach("alice", false), a.attach("bob", false), a.attach("bob", false)
		placed := a.must(a.offer(alice, schema.NewID(), "sip:bob@demo.test"))
		first, second := a.event(one, "incoming", isIncoming), a.event(two, "incoming", isIncoming)
		replies := race(r, a,
			command(one, placed.GetCallId(), first.GetLegId(), &callv1.Answer{Sdp: "v=0"}),
			command(two, placed.GetCallId(), second.GetLegId(), &callv1.Answer{Sdp: "v=0"}))
		wins, winner := won(replies)
		if wins != 1 {
			t.Errorf("%d answers won: %v", wins, replies)
		}
		loser, legs := two, map[string]string{first.GetLegId(): second.GetLegId(), second.GetLegId(): first.GetLegId()}
		if winner.GetLegId() == second.GetLegId() {
			loser = one
		}
		e := a.event(loser, "ended", isEnded)
		if e.GetLegId() != legs[winner.GetLegId()] || e.GetEnded().GetReason() != callv1.Reason_REASON_ANSWERED_ELSEWHERE {
			t.Errorf("the other heard %v", e)
		}
		a.event(alice, "answered", isAnswered)
		if got := a.count(isAnswered); got != 1 {
			t.Errorf("%d answers told", got)
		}
		a.must(command(alice, placed.GetCallId(), placed.GetLegId(), &callv1.HangUp{}))
		return placed.GetCallId()
	})
}

func TestRaceOfAnswerAndCancel(t *testing.T) {
	racing(t, func(r *rig, a *adapter, n int) string {
		alice, bob := a.attach("alice", false), a.attach("bob", false)
		placed := a.must(a.offer(alice, schema.NewID(), "sip:bob@demo.test"))
		in := a.event(bob, "incoming", isIncoming)
		replies := race(r, a,
			command(bob, placed.GetCallId(), in.GetLegId(), &callv1.Answer{Sdp: "v=0"}),
			command(alice, placed.GetCallId(), placed.GetLegId(), &callv1.HangUp{}))
		if replies[1].GetError() != nil {
			t.Errorf("the caller cannot hang up: %v", replies[1])
		}
		e, want := a.event(bob, "ended", isEnded), callv1.Reason_REASON_CANCELLED
		if replies[0].GetError() == nil { // it was answered first
			want = callv1.Reason_REASON_NORMAL
		}
		c := record(t, a.b, placed.GetCallId())
		if e.GetEnded().GetReason() != want || c.GetReason() != want || (c.GetAnsweredAt() != nil) != (want == callv1.Reason_REASON_NORMAL) {
			t.Errorf("answer %v, the called side heard %v, the record says %v", replies[0].GetError(), e.GetEnded(), c.GetReason())
		}
		return placed.GetCallId()
	})
}

func TestRaceOfTwoPulls(t *testing.T) {
	racing(t, func(r *rig, a *adapter, n int) string {
		alice, bob := a.attachWith("alice", able()), a.attachWith("bob", able())
		c := talking(r, a, alice, bob)
		one, two := a.attachWith("bob", able()), a.attachWith("bob", able())
		a.event(one, "in call", isInCall)
		a.event(two, "in call", isInCall)
		replies := race(r, a, a.pull(one, c.id), a.pull(two, c.id))
		if wins, _ := won(replies); wins != 2 {
			t.Errorf("%v", replies)
		}
		holders := map[*callv1.Terminal]string{}
		for _, l := range record(t, a.b, c.id).GetLegs() {
			for i, who := range []*callv1.Terminal{one, two} {
				if l.GetTerminal().GetId() == who.GetId() && l.GetState() != callv1.LegState_LEG_STATE_ENDED {
					holders[who] = replies[i].GetLegId()
				}
			}
		}
		if len(holders) != 1 {
			t.Fatalf("run %d: %d hold the call", n, len(holders))
		}
		for who, leg := range holders {
			other := one
			if who == one {
				other = two
			}
			r.until("the other has left it", func() bool { return a.story(other) == "InCall Ended:transferred InCall" })
			a.event(bob, "in call", isInCall)
			r.media.bridged(r, leg, c.aLeg)
			c.on(who, leg, &callv1.HangUp{})
			r.until("the other is idle", func() bool { return a.story(other) == "InCall Ended:transferred InCall Idle" })
			if got := a.story(who); got != "InCall" {
				t.Errorf("who holds the call heard %q", got)
			}
		}
		a.event(alice, "ended", isEnded)
		return c.id
	})
}

func TestRaceOfByeAndReoffer(t *testing.T) {
	racing(t, func(r *rig, a *adapter, n int) string {
		alice, bob := a.attachWith("alice", able()), a.attachWith("bob", able())
		c := talking(r, a, alice, bob)
		r.media.mu.Lock()
		r.media.settled = n%2 == 0 // or the other side is offered too
		r.media.mu.Unlock()
		replies := race(r, a,
			command(alice, c.id, c.aLeg, &callv1.Reoffer{Sdp: "v=1"}),
			command(bob, c.id, c.bobLeg, &callv1.HangUp{}))
		if replies[1].GetError() != nil {
			t.Errorf("hang-up: %v", replies[1])
		}
		if code := replies[0].GetError().GetCode(); code != 0 && code != callv1.Code_CODE_ENDED {
			t.Errorf("re-offer: %v", replies[0])
		}
		a.event(alice, "ended", isEnded)
		return c.id
	})
}

func TestRaceOfReoffers(t *testing.T) {
	racing(t, func(r *rig, a *adapter, n int) string {
		alice, bob := a.attachWith("alice", able()), a.attachWith("bob", able())
		c := talking(r, a, alice, bob)
		r.media.mu.Lock()
		r.media.settled = false
		r.media.mu.Unlock()
		replies := race(r, a,
			command(alice, c.id, c.aLeg, &callv1.Reoffer{Sdp: "v=1"}),
			command(bob, c.id, c.bobLeg, &callv1.Reoffer{Sdp: "v=1"}))
		if wins, _ := won(replies); wins != 2 {
			t.Errorf("%v", replies)
		}
		r.media.mu.Lock()
		r.media.settled = true
		r.media.mu.Unlock()
		// Whoever has an offer answers it, until nobody has.
		r.until("all is answered", func() bool {
			open := false
			for _, l := range record(t, a.b, c.id).GetLegs() {
				if l.GetOfferOut() != 0 {
					who := map[string]*callv1.Terminal{c.aLeg: alice, c.bobLeg: bob}[l.GetId()]
					r.send(a.b, command(who, c.id, l.GetId(), &callv1.Answer{Sdp: "v=1"}))
				}
				open = open || l.GetOfferOut() != 0 || l.GetOfferDue()
			}
			return !open
		})
		c.on(alice, c.aLeg, &callv1.HangUp{})
		return c.id
	})
}

func TestRaceOfPushPullAndBye(t *testing.T) {
	racing(t, func(r *rig, a *adapter, n int) string {
		alice, bob := a.attachWith("alice", able()), a.attachWith("bob", able())
		phone, other := a.attachWith("carol", able()), a.attachWith("alice", able())
		c := talking(r, a, alice, bob)
		c.on(alice, c.aLeg, &callv1.Push{})
		leg := a.event(phone, "incoming", isIncoming).GetLegId()
		commands := []*callv1.Command{
			command(phone, c.id, leg, &callv1.Answer{Sdp: "v=0"}),
			a.pull(other, c.id),
			command(bob, c.id, c.bobLeg, &callv1.HangUp{}),
		}
		replies := race(r, a, commands...)
		if replies[2].GetError() != nil {
			t.Errorf("hang-up: %v", replies[2])
		}
		for i, code := range []callv1.Code{replies[0].GetError().GetCode(), replies[1].GetError().GetCode()} {
			if code != 0 && code != callv1.Code_CODE_ENDED {
				t.Errorf("command %d: %v", i, replies[i])
			}
		}
		// Each leg that was in the call hears its end once.
		r.until("everybody has heard the end", func() bool {
			ends := 0
			for _, l := range record(t, a.b, c.id).GetLegs() {
				if who := l.GetTerminal().GetId(); who == alice.GetId() || who == phone.GetId() || who == other.GetId() {
					ends++
				}
			}
			return a.count(isEnded) == ends
		})
		return c.id
	})
}

func TestRaceOfTwoCalls(t *testing.T) {
	racing(t, func(r *rig, a *adapter, n int) string {
		alice, bob := a.attach("alice", false), a.attach("bob", false)
		replies := race(r, a, a.offer(alice, fmt.Sprint("a", n), "sip:bob@demo.test"), a.offer(bob, fmt.Sprint("b", n), "sip:alice@demo.test"))
		if replies[0].GetError() != nil || replies[1].GetError() != nil || replies[0].GetCallId() != replies[1].GetCallId() {
			t.Fatalf("run %d: %v", n, replies)
		}
		a.event(alice, "answered", isAnswered)
		a.event(bob, "answered", isAnswered)
		id := replies[0].GetCallId()
		a.must(command(alice, id, replies[0].GetLegId(), &callv1.HangUp{}))
		a.event(bob, "ended", isEnded)
		return id
	})
}
