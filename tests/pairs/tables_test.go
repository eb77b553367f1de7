package pairs_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/loopback/loopbacktest"
	"github.com/tandem-rtc/tandem/tests/pairs/exchange"
	"github.com/tandem-rtc/tandem/tests/pairs/play"
)

// TestWhatIsDeclaredMissingIsMissing: a protocol's client has exactly the abilities
// that the tables do not say it lacks, so that no pair is excused from what it could
// do.
func TestWhatIsDeclaredMissingIsMissing(t *testing.T) {
	x := exchange.Start(t, group{name: "tables"}.options(t))
	for _, p := range play.Protocols() {
		t.Run(p.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), *patience)
			defer cancel()
			person := exchange.Person{Name: "alice"}
			a := x.Account(person)
			if err := x.Subscribe(ctx, person, a); err != nil {
				t.Fatal(err)
			}
			c, err := p.Dial(ctx, x)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SignIn(ctx, a); err != nil {
				t.Fatal(err)
			}
			for ability, can := range abilities(c) {
				if why := p.Lacks[ability]; can == (why != "") {
					t.Errorf("%s: the client can: %v; declared: %q", ability, can, why)
				}
			}
			// What every client has a method for, and some cannot.
			k := answered(ctx, t, x, c)
			refuses(t, p, kittest.SignalsDTMF, k.DTMF(ctx, "1"))
			refuses(t, p, kittest.Trickles, k.Trickle(ctx, "candidate:1 1 udp 1 127.0.0.1 9 typ host"))
			refuses(t, p, kittest.SignsOut, c.SignOut(ctx))
		})
	}
}

// answered gives a call of a client that was answered.
func answered(ctx context.Context, t *testing.T, x *exchange.Exchange, c kittest.Client) kittest.Call {
	t.Helper()
	person := exchange.Person{Name: "bob"}
	a := x.Account(person)
	bob, err := loopbacktest.Dial(ctx, x.Loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bob.Close)
	if err := errors.Join(x.Subscribe(ctx, person, a), bob.SignIn(ctx, a)); err != nil {
		t.Fatal(err)
	}
	k, err := c.Call(ctx, a, kittest.SDP("alice"))
	if err != nil {
		t.Fatal(err)
	}
	rings, err := bob.Incoming(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := rings.Answer(ctx, kittest.SDP("bob")); err != nil {
		t.Fatal(err)
	}
	for {
		h, err := k.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if h.What == kittest.Answered {
			return k
		}
	}
}

// abilities are those that a client shows by what it implements.
func abilities(c kittest.Client) map[kittest.Ability]bool {
	k := c.Named("0f0c1c2e-0d4e-4b6c-9d53-6f5d3d9c7a10")
	can := map[kittest.Ability]bool{}
	_, can[kittest.Pulls] = c.(kittest.Puller)
	_, can[kittest.ShowsCalls] = c.(kittest.StatusHearer)
	_, can[kittest.Pushes] = k.(kittest.Pusher)
	_, can[kittest.Reoffers] = k.(kittest.Reofferer)
	_, can[kittest.TakesReoffers] = k.(kittest.ReofferTaker)
	_, can[kittest.RefusesReoffers] = k.(kittest.ReofferRefuser)
	_, can[kittest.EarlyMedia] = k.(kittest.EarlyRinger)
	_, can[kittest.HearsEarlyMedia] = k.(kittest.EarlyHearer)
	_, can[kittest.Headers] = k.(kittest.HeaderBearer)
	return can
}

// refuses requires an error of what is declared missing: the client's, or the
// exchange's.
func refuses(t *testing.T, p *play.Protocol, what kittest.Ability, err error) {
	t.Helper()
	if why := p.Lacks[what]; why != "" && err == nil {
		t.Errorf("%s is declared missing (%s), and was done", what, why)
	}
}
