package matrix

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate"
)

// Calls through real call state, with a homeserver that is slow, strict or away, and
// with several nodes.

// world is an exchange with a homeserver.
type world struct {
	t *testing.T
	*kittest.Exchange
	*site
	node *kittest.ExchangeNode
}

func newWorld(t *testing.T, change func(*Config)) *world {
	t.Helper()
	return newWorldWith(t, 0, change)
}

// newWorldWith makes one in which calls last no longer than longest, if that is set.
func newWorldWith(t *testing.T, longest time.Duration, change func(*Config)) *world {
	t.Helper()
	calls := callstate.DefaultConfig()
	calls.Grace, calls.NodeGrace, calls.MaxDuration = 20*time.Second, 200*time.Millisecond, longest
	kt := kittest.FromT(t)
	w := &world{
		t: t, site: newSite(kt, t.TempDir()),
		Exchange: kittest.NewExchange(kt, kittest.ExchangeConfig{CallState: &calls, Patience: 20 * time.Second}),
	}
	w.node = w.Node("n1", w.site.node(kt, matrixtest.V1, change))
	return w
}

// signIn signs in at the homeserver, whatever becomes of the node.
func (w *world) signIn(a kittest.Account) kittest.Client {
	w.t.Helper()
	c := matrixtest.Kit(w.device(matrixtest.V1), nil)
	w.t.Cleanup(c.Close)
	w.ok(c.SignIn(w.ctx(), a))
	return c
}

func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.Log())
	}
}

// ring has alice call bob, and gives both ends.
func (w *world) ring(alice, bob kittest.Client) (placed, rings kittest.Call) {
	w.t.Helper()
	placed, err := alice.Call(w.ctx(), kittest.Bob, kittest.SDP("alice"))
	w.ok(err)
	rings, err = bob.Incoming(w.ctx())
	w.ok(err)
	return placed, rings
}

// talk has alice call bob, who answers.
func (w *world) talk(alice, bob kittest.Client) (placed, rings kittest.Call) {
	w.t.Helper()
	placed, rings = w.ring(alice, bob)
	w.ok(rings.Answer(w.ctx(), kittest.SDP("bob")))
	w.hears(placed, kittest.Answered)
	return placed, rings
}

func (w *world) hears(k kittest.Call, what kittest.What) kittest.Heard {
	w.t.Helper()
	for {
		h, err := k.Next(w.ctx())
		w.ok(err)
		if h.What == kittest.Accepted {
			continue
		}
		if h.What != what {
			w.t.Fatalf("heard %+v, want %s\n%s", h, what, w.Log())
		}
		return h
	}
}

// said lists the types of our events in order.
func (w *world) said() (out []string) {
	for _, e := range w.home.Events() {
		if isCallType(e.Type) && (strings.HasPrefix(e.Sender, "@"+GhostPrefix) || strings.HasPrefix(e.Sender, "@"+BotLocalpart+":")) {
			out = append(out, e.Type)
		}
	}
	return out
}

func (w *world) count(kind string) (n int) {
	for _, k := range w.said() {
		if k == kind {
			n++
		}
	}
	return n
}

// TestLimitedByTheHomeserver: events that are refused for a while come through.
func TestLimitedByTheHomeserver(t *testing.T) {
	w := newWorld(t, nil)
	alice, _ := w.node.SignIn(kittest.Alice)
	bob, _ := w.node.SignIn(kittest.Bob)
	placed, rings := w.ring(alice, bob)
	const after = 300 * time.Millisecond
	w.home.Limit(2, after)
	began := time.Now()
	w.ok(rings.Answer(w.ctx(), kittest.SDP("bob")))
	w.hears(placed, kittest.Answered)
	if took := time.Since(began); took < after {
		t.Errorf("the answer came after %v, which the homeserver had asked to wait for %v", took, after)
	}
	w.ok(placed.HangUp(w.ctx()))
	w.hears(rings, kittest.Ended)
}

// TestHomeserverAwayInACall: the end of a call is told when the homeserver is back,
// once, also if the node has started again meanwhile.
func TestHomeserverAwayInACall(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("the node starts again: %v", restart), func(t *testing.T) {
			w := newWorldWith(t, 3*time.Second, nil) // then call state ends it
			alice, bob := w.signIn(kittest.Alice), w.signIn(kittest.Bob)
			placed, rings := w.talk(alice, bob)
			eventually(t, "the answer is selected", func() bool { return w.count(typeSelect) == 1 }) // nothing but the end is left to say
			w.home.Away(true)
			eventually(t, "the end is kept", func() bool {
				return strings.Count(w.Log(), "kept until the homeserver takes it") == 2
			})
			if restart {
				w.node.Stop()
				w.node = w.Node("n1", w.site.node(kittest.FromT(t), matrixtest.V1, nil))
			}
			w.home.Away(false)
			w.hears(placed, kittest.Ended)
			w.hears(rings, kittest.Ended)
			if n := w.count(typeHangup); n != 2 {
				t.Errorf("the end was told %d times: %v", n, w.said())
			}
		})
	}
}

// TestTransactionsComeTwice: whatever the homeserver tells again, happens once.
func TestTransactionsComeTwice(t *testing.T) {
	w := newWorld(t, nil)
	w.home.Repeat(true)
	alice, _ := w.node.SignIn(kittest.Alice)
	bob, _ := w.node.SignIn(kittest.Bob)
	placed, rings := w.talk(alice, bob)
	w.ok(placed.HangUp(w.ctx()))
	w.hears(rings, kittest.Ended)
	for kind, want := range map[string]int{typeInvite: 1, typeAnswer: 1, typeSelect: 1, typeHangup: 1} {
		if n := w.count(kind); n != want {
			t.Errorf("%s was said %d times, want %d: %v", kind, n, want, w.said())
		}
	}
	records, err := w.Records(w.ctx())
	w.ok(err)
	if len(records) != 1 {
		t.Errorf("there are %d calls", len(records))
	}
}

// TestFloodOfInvites: beyond its limit a user's calls are rejected, far beyond it
// ignored, and others call on.
func TestFloodOfInvites(t *testing.T) {
	const limit = 3
	w := newWorld(t, func(c *Config) { c.CallsPerMinute = limit })
	alice, _ := w.node.SignIn(kittest.Alice)
	bob, _ := w.node.SignIn(kittest.Bob)
	placed, _ := w.ring(alice, bob)
	room := w.roomIn(placed.ID())
	device := matrixtest.Beneath(alice)
	for i := range 3 * limit {
		w.ok(device.Send(w.ctx(), room, typeInvite, map[string]any{
			"call_id": fmt.Sprintf("flood-%d", i), "party_id": "p", "version": "1", "lifetime": 60000,
			"offer": map[string]any{"type": "offer", "sdp": kittest.SDP("flood")},
		}))
	}
	eventually(t, "all of them are dealt with", func() bool {
		return w.home.Queued() == 0 && w.count(typeReject) >= limit
	})
	if n := w.count(typeReject); n > 2*limit {
		t.Errorf("%d rejections: the flood is answered", n)
	}
	if n := w.count(typeInvite); n > limit {
		t.Errorf("bob was called %d times", n)
	}
	carol, _ := w.node.SignIn(kittest.Carol)
	other, err := bob.Call(w.ctx(), kittest.Carol, kittest.SDP("bob"))
	w.ok(err)
	rings, err := carol.Incoming(w.ctx())
	w.ok(err)
	w.ok(rings.Answer(w.ctx(), kittest.SDP("carol")))
	w.hears(other, kittest.Answered)
}

// roomOf finds the room of a call.
func (w *world) roomIn(callID string) string {
	w.t.Helper()
	for _, e := range w.home.Events() {
		if e.Type == typeInvite && strings.Contains(string(e.Content), `"`+callID+`"`) {
			return e.Room
		}
	}
	w.t.Fatalf("no invite of %s", callID)
	return ""
}

// TestStaleInviteNeverRings: one that is told after its lifetime is past.
func TestStaleInviteNeverRings(t *testing.T) {
	w := newWorld(t, nil)
	alice, _ := w.node.SignIn(kittest.Alice)
	bob, _ := w.node.SignIn(kittest.Bob)
	placed, _ := w.ring(alice, bob)
	room := w.roomIn(placed.ID())
	w.ok(placed.HangUp(w.ctx()))
	w.home.Hold(true)
	w.ok(matrixtest.Beneath(alice).Send(w.ctx(), room, typeInvite, map[string]any{
		"call_id": "stale", "party_id": "p", "version": "1", "lifetime": 100,
		"offer": map[string]any{"type": "offer", "sdp": kittest.SDP("stale")},
	}))
	sent := time.Now()
	eventually(t, "its lifetime is past", func() bool { return time.Since(sent) > 150*time.Millisecond })
	w.home.Hold(false)
	eventually(t, "it is dealt with", func() bool { return strings.Contains(w.Log(), "older than its lifetime") })
	if n := w.count(typeInvite); n != 1 {
		t.Errorf("bob was called %d times", n)
	}
}

// TestHungUpBeforeItsInvite: a call whose end is handled first never rings.
func TestHungUpBeforeItsInvite(t *testing.T) {
	w := newWorld(t, nil)
	alice, _ := w.node.SignIn(kittest.Alice)
	bob, _ := w.node.SignIn(kittest.Bob)
	placed, _ := w.ring(alice, bob)
	room := w.roomIn(placed.ID())
	device := matrixtest.Beneath(alice)
	w.ok(device.Send(w.ctx(), room, typeHangup, map[string]any{"call_id": "early", "party_id": "p", "version": "1"}))
	w.ok(device.Send(w.ctx(), room, typeInvite, map[string]any{
		"call_id": "early", "party_id": "p", "version": "1", "lifetime": 60000,
		"offer": map[string]any{"type": "offer", "sdp": kittest.SDP("early")},
	}))
	eventually(t, "it is dealt with", func() bool { return strings.Contains(w.Log(), "it has been hung up") })
	if n := w.count(typeInvite); n != 1 {
		t.Errorf("bob was called %d times", n)
	}
}

// TestRoomsOfThree: calls in a room with a third member are left alone, unless that
// one is a functional member.
func TestRoomsOfThree(t *testing.T) {
	w := newWorld(t, nil)
	alice, _ := w.node.SignIn(kittest.Alice)
	bob, _ := w.node.SignIn(kittest.Bob)
	carol, _ := w.node.SignIn(kittest.Carol)
	placed, rings := w.ring(alice, bob)
	room := w.roomIn(placed.ID())
	w.ok(placed.HangUp(w.ctx()))
	w.hears(rings, kittest.Ended)
	a, c := matrixtest.Beneath(alice), matrixtest.Beneath(carol)
	path := "/rooms/" + url.PathEscape(room)
	w.ok(a.Do(w.ctx(), http.MethodPost, path+"/invite", map[string]any{"user_id": c.User()}, nil))
	w.ok(c.Do(w.ctx(), http.MethodPost, path+"/join", map[string]any{}, nil))
	invite := func(id string) {
		w.ok(a.Send(w.ctx(), room, typeInvite, map[string]any{
			"call_id": id, "party_id": "p", "version": "1", "lifetime": 60000,
			"offer": map[string]any{"type": "offer", "sdp": kittest.SDP(id)},
		}))
	}
	invite("three")
	eventually(t, "it is left alone", func() bool { return strings.Contains(w.Log(), "not exactly two members") })
	w.ok(a.Do(w.ctx(), http.MethodPut, path+"/state/"+typeFunctional, map[string]any{"service_members": []string{c.User()}}, nil))
	invite("functional")
	again, err := bob.Incoming(w.ctx())
	w.ok(err)
	if !strings.Contains(again.SDP(), "m=audio") {
		t.Errorf("it rings with %q", again.SDP())
	}
}

// TestNoCallRingsInARoomOfThree: it rings on the line then.
func TestNoCallRingsInARoomOfThree(t *testing.T) {
	w := newWorld(t, nil)
	alice, _ := w.node.SignIn(kittest.Alice)
	bob, _ := w.node.SignIn(kittest.Bob)
	carol, _ := w.node.SignIn(kittest.Carol)
	first, err := bob.Call(w.ctx(), kittest.Alice, kittest.SDP("bob")) // bob has a room with alice's ghost now
	w.ok(err)
	rings, err := alice.Incoming(w.ctx())
	w.ok(err)
	room := w.roomIn(first.ID())
	w.ok(first.HangUp(w.ctx()))
	w.hears(rings, kittest.Ended)
	b, c := matrixtest.Beneath(bob), matrixtest.Beneath(carol)
	path := "/rooms/" + url.PathEscape(room)
	w.ok(b.Do(w.ctx(), http.MethodPost, path+"/invite", map[string]any{"user_id": c.User()}, nil))
	w.ok(c.Do(w.ctx(), http.MethodPost, path+"/join", map[string]any{}, nil))
	_, second := w.ring(alice, bob)
	if in := w.roomIn(second.ID()); in == room {
		t.Error("it rings where carol can answer it")
	}
}

// TestRoomIsUpgraded: calls ring in the room as which it goes on, once we are in that.
func TestRoomIsUpgraded(t *testing.T) {
	w := newWorld(t, nil)
	alice, _ := w.node.SignIn(kittest.Alice)
	bob, _ := w.node.SignIn(kittest.Bob)
	_, rings := w.ring(alice, bob)
	line := w.roomIn(rings.ID())
	w.ok(rings.HangUp(w.ctx()))
	b, own := matrixtest.Beneath(bob), "@"+BotLocalpart+":"+w.home.Name()
	path := "/rooms/" + url.PathEscape(line)
	var next struct {
		ID string `json:"room_id"`
	}
	w.ok(b.Do(w.ctx(), http.MethodPost, "/createRoom", map[string]any{"is_direct": true}, &next))
	w.ok(b.Do(w.ctx(), http.MethodPut, path+"/state/"+typeTombstone, map[string]any{"body": "upgraded", "replacement_room": next.ID}, nil))
	_, rings = w.ring(alice, bob)
	if in := w.roomIn(rings.ID()); in != line {
		t.Errorf("it rings in %s, where we are not", in)
	}
	w.ok(rings.HangUp(w.ctx()))
	w.ok(b.Do(w.ctx(), http.MethodPost, "/rooms/"+url.PathEscape(next.ID)+"/invite", map[string]any{"user_id": own}, nil))
	eventually(t, "the bot joins", func() bool { return strings.Contains(w.Log(), " room="+next.ID+" user=") })
	w.ok(b.Send(w.ctx(), next.ID, typeInvite, map[string]any{ // who called on the line before is called back
		"call_id": "back", "party_id": "p", "version": "1", "lifetime": 60000,
		"offer": map[string]any{"type": "offer", "sdp": kittest.SDP("back")},
	}))
	back, err := alice.Incoming(w.ctx())
	w.ok(err)
	w.ok(back.HangUp(w.ctx()))
	_, rings = w.ring(alice, bob)
	if in := w.roomIn(rings.ID()); in != next.ID {
		t.Errorf("it rings in %s, which was upgraded", in)
	}
}

// TestAnotherNodeTakesOver: a call that rings and one that is answered go on at the
// next node, and what the homeserver sends to a node that stands by is passed on.
func TestAnotherNodeTakesOver(t *testing.T) {
	short := func(c *Config) { c.LeaseTTL = 600 * time.Millisecond }
	w := newWorld(t, short)
	kt := kittest.FromT(t)
	standby := w.Node("n2", w.site.node(kt, matrixtest.V1, short)) // the homeserver sends to it from now on
	alice, _ := standby.SignIn(kittest.Alice)
	bob, _ := standby.SignIn(kittest.Bob)
	carol, _ := standby.SignIn(kittest.Carol)
	placed, rings := w.talk(alice, bob)
	ringing, err := carol.Call(w.ctx(), kittest.Alice, kittest.SDP("carol"))
	w.ok(err)
	second, err := alice.Incoming(w.ctx())
	w.ok(err)
	before := len(w.said())

	w.node.Stop()
	eventually(t, "the other node serves", func() bool { return strings.Contains(w.Log(), "node=n2 users=") })
	w.ok(second.Answer(w.ctx(), kittest.SDP("alice")))
	w.hears(ringing, kittest.Answered)
	w.ok(placed.HangUp(w.ctx()))
	w.hears(rings, kittest.Ended)
	w.ok(ringing.HangUp(w.ctx()))
	w.hears(second, kittest.Ended)
	for _, kind := range w.said()[before:] {
		if kind == typeInvite {
			t.Error("a call rang a second time")
		}
	}
	records, err := w.Records(w.ctx())
	w.ok(err)
	for _, r := range records {
		if r.GetReason() != callv1.Reason_REASON_NORMAL {
			t.Errorf("call %s ended with %s", r.GetId(), r.GetReason())
		}
	}
}
