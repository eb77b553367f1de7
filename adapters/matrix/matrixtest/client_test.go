package matrixtest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest/homeserver"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// pair is alice, and somebody who stands at the address that she calls as a ghost
// would, on a homeserver.
type pair struct {
	t     *testing.T
	h     *homeserver.Server
	alice kittest.Client
	bob   kittest.Client
}

const secret = "shared"

func newPair(t *testing.T, alice, bob Options) *pair {
	t.Helper()
	h, err := homeserver.Start("example.org", secret)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	p := &pair{t: t, h: h}
	p.alice = p.signIn(alice, kittest.Account{AOR: "alice@example.org", Token: "secret1"})
	p.bob = p.ghost(bob)
	return p
}

// ghost signs in one who is at bob's address.
func (p *pair) ghost(o Options) kittest.Client {
	p.t.Helper()
	return p.signIn(o, kittest.Account{AOR: "tandem_bob=40example.com@", Token: "secret2"})
}

func (p *pair) signIn(o Options, a kittest.Account) kittest.Client {
	p.t.Helper()
	o.Homeserver, o.Ghosts, o.Secret, o.Accepts = p.h.URL, "tandem_", secret, true
	c := Dial(o)
	p.t.Cleanup(c.Close)
	if err := c.SignIn(p.ctx(), a); err != nil {
		p.t.Fatal(err)
	}
	return Kit(c, nil)
}

func (p *pair) ctx() context.Context {
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	p.t.Cleanup(cancel)
	return ctx
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// rings has alice call bob.
func (p *pair) rings() (placed, rings kittest.Call) {
	p.t.Helper()
	placed, err := p.alice.Call(p.ctx(), kittest.Bob, kittest.SDP("offer"))
	p.must(err)
	rings, err = p.bob.Incoming(p.ctx())
	p.must(err)
	return placed, rings
}

// hears requires what a call says next.
func (p *pair) hears(k kittest.Call, want kittest.What, why callv1.Reason) kittest.Heard {
	p.t.Helper()
	for {
		h, err := k.Next(p.ctx())
		if err != nil {
			p.t.Fatalf("want %s: %v", want, err)
		}
		if h.What == kittest.Accepted && want != kittest.Accepted {
			continue
		}
		if h.What != want || h.Reason != why {
			p.t.Fatalf("heard %+v, want %s %s", h, want, why)
		}
		return h
	}
}

// fine requires that nobody complains, and gives the types of the call events.
func (p *pair) fine(clients ...kittest.Client) (types []string) {
	p.t.Helper()
	for _, c := range append(clients, p.alice, p.bob) {
		if err := Beneath(c).Complaints(); err != nil {
			p.t.Error(err)
		}
	}
	for _, e := range p.h.Events() {
		if e.StateKey == nil {
			types = append(types, e.Type)
		}
	}
	return types
}

func TestCallsOfBothVersions(t *testing.T) {
	for _, version := range []string{V0, V1} {
		for _, trickle := range []bool{false, true} {
			t.Run(version, func(t *testing.T) {
				o := Options{Version: version, Trickle: trickle}
				p := newPair(t, o, o)
				placed, rings := p.rings()
				p.must(rings.Answer(p.ctx(), kittest.SDP("answer")))
				p.hears(placed, kittest.Answered, 0)
				p.must(placed.Trickle(p.ctx(), "candidate:1 1 udp 1 127.0.0.1 9 typ host"))
				p.must(rings.HangUp(p.ctx()))
				p.hears(placed, kittest.Ended, callv1.Reason_REASON_NORMAL)

				_, rings = p.rings()
				p.must(rings.Reject(p.ctx(), callv1.Reason_REASON_BUSY))
				types := p.fine()
				if got := slices.Contains(types, "m.call.select_answer"); got != (version == V1) {
					t.Errorf("select_answer in version %s: %v", version, types)
				}
				if got := slices.Contains(types, "m.call.reject"); got != (version == V1) {
					t.Errorf("reject in version %s: %v", version, types)
				}
			})
		}
	}
}

func TestReoffers(t *testing.T) {
	o := Options{Version: V1}
	p := newPair(t, o, o)
	placed, rings := p.rings()
	p.must(rings.Answer(p.ctx(), kittest.SDP("answer")))
	p.hears(placed, kittest.Answered, 0)
	p.must(rings.(kittest.Reofferer).Reoffer(p.ctx(), kittest.SDP("again")))
	p.hears(placed, kittest.Reoffered, 0)
	p.must(placed.(kittest.ReofferTaker).AnswerReoffer(p.ctx(), kittest.SDP("answer")))
	p.hears(rings, kittest.ReofferAnswered, 0)
	p.fine()
}

// TestTheFirstDeviceHasTheCall: the others of its user hear so, in each mixture of
// versions that is settled without the caller or by it.
func TestTheFirstDeviceHasTheCall(t *testing.T) {
	for _, c := range []struct{ caller, answers, other string }{{V1, V1, V1}, {V0, V0, V0}, {V1, V0, V1}, {V1, V1, V0}} {
		t.Run(c.caller+c.answers+c.other, func(t *testing.T) {
			p := newPair(t, Options{Version: c.caller}, Options{Version: c.answers})
			other := p.ghost(Options{Version: c.other})
			placed, rings := p.rings()
			also, err := other.Incoming(p.ctx())
			p.must(err)
			p.must(rings.Answer(p.ctx(), kittest.SDP("answer")))
			p.hears(placed, kittest.Answered, 0)
			p.hears(also, kittest.Ended, callv1.Reason_REASON_ANSWERED_ELSEWHERE)
		})
	}
}

// TestALateDeviceRings: a device that signs in hears what still rings, and nothing of
// what is over.
func TestALateDeviceRings(t *testing.T) {
	o := Options{Version: V1}
	p := newPair(t, o, o)
	first, _ := p.rings()
	p.must(first.HangUp(p.ctx()))
	_, still := p.rings()
	late := p.ghost(o)
	k, err := late.Incoming(p.ctx())
	p.must(err)
	if k.ID() != still.ID() {
		t.Errorf("it rings for %s, want %s", k.ID(), still.ID())
	}
	p.must(k.Reject(p.ctx(), callv1.Reason_REASON_DECLINED))
	p.hears(still, kittest.Ended, callv1.Reason_REASON_NORMAL) // for all devices
}

// TestCallsThatCross: the lesser name wins, and one call is left, which both know.
func TestCallsThatCross(t *testing.T) {
	for _, ids := range [][2]string{{"a", "b"}, {"b", "a"}} {
		o := func(id string) Options {
			return Options{Version: V1, CallID: func() string { return id }, Glare: func(string) (string, error) {
				return kittest.SDP("settled"), nil
			}}
		}
		p := newPair(t, o(ids[0]), o(ids[1]))
		room, err := Beneath(p.alice).api.createRoom(p.ctx(), Beneath(p.bob).User())
		p.must(err)
		for _, c := range []kittest.Client{p.alice, p.bob} {
			p.must(Beneath(c).until(p.ctx(), func() bool {
				return Beneath(c).members[room][Beneath(p.bob).User()] == "join"
			}))
		}
		gates := []*sync.Mutex{&Beneath(p.alice).gate, &Beneath(p.bob).gate}
		for _, g := range gates { // so that neither hears of the other's in time
			g.Lock()
		}
		a, err := Beneath(p.alice).place(p.ctx(), room, Beneath(p.bob).User(), kittest.SDP("alice"))
		p.must(err)
		b, err := Beneath(p.bob).place(p.ctx(), room, Beneath(p.alice).User(), kittest.SDP("bob"))
		p.must(err)
		for _, g := range gates {
			g.Unlock()
		}
		first, second := &kitCall{a, nil}, &kitCall{b, nil}
		p.hears(first, kittest.Answered, 0)
		p.hears(second, kittest.Answered, 0)
		p.must(second.HangUp(p.ctx()))
		p.hears(first, kittest.Ended, callv1.Reason_REASON_NORMAL)
		p.fine()
	}
}

func TestWhatIsWrongIsComplainedOf(t *testing.T) {
	o := Options{Version: V1}
	p := newPair(t, o, o)
	_, rings := p.rings()
	k := rings.(*kitCall1)
	p.must(Beneath(p.bob).Send(p.ctx(), k.Room(), "m.call.answer", map[string]any{"call_id": k.ID(), "version": 1}))
	p.must(Beneath(p.alice).until(p.ctx(), func() bool { return len(Beneath(p.alice).bad) > 0 }))
}

func TestAddresses(t *testing.T) {
	for address, user := range map[string]string{
		"tel:+12025550101":      "@tandem_12025550101:example.org",
		"sip:bob@example.com":   "@tandem_bob=40example.com:example.org",
		"sip:Bo+b=@example.com": "@tandem_bo=2bb=3d=40example.com:example.org",
	} {
		if got := GhostOf("tandem_", address, "example.org"); got != user {
			t.Errorf("%s is %s, want %s", address, got, user)
		}
	}
	for user, address := range map[string]string{
		"@tandem_12025550101:example.org":             "tel:+12025550101",
		"@tandem_bo=2bb=3d=40example.com:example.org": "sip:bo+b=@example.com",
		"@alice:example.org":                          "matrix:u/alice:example.org",
	} {
		if got := AddressOf("tandem_", user); got != address {
			t.Errorf("%s is %s, want %s", user, got, address)
		}
	}
}
