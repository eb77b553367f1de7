package races_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/localbus"
	"github.com/tandem-rtc/tandem/bus/membus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate"
	"github.com/tandem-rtc/tandem/tests/pairs/exchange"
	"github.com/tandem-rtc/tandem/tests/pairs/play"
	"github.com/tandem-rtc/tandem/tests/pairs/voice"
)

var (
	rounds = flag.Int("rounds", 1000, "how often each race is run; with media a twentieth of that")
	seed   = flag.Uint64("seed", 0, "of the timing; 0 takes one from the clock")
)

// patience bounds every wait.
const patience = 60 * time.Second

// workers run races side by side, each with people of its own.
const workers = 8

// world is what one worker races in.
type world struct {
	x    *exchange.Exchange
	real bool
	rng  *rand.Rand
	who  map[string]kittest.Account
	ph   map[string]*phone // alice, alice2, bob, …
	seen map[string]bool   // calls of earlier races
	legs []*leg            // of this race
}

// race is one pair of things that happen at the same moment.
type race struct {
	name string
	// phones are the terminals, each "bob2" and what its protocol must be able to do.
	phones []string
	needs  []kittest.Ability
	// late: a call may still be on its way to a terminal when all is over, and ends
	// there at once.
	late bool
	run  func(ctx context.Context, w *world) error
}

// play runs a race many times.
func (r race) play(t *testing.T, real bool, times int) {
	t.Helper()
	before := exchange.Goroutines()
	server, router := membus.NewServer(), localbus.NewRouter()
	x := exchange.Start(t, exchange.Options{
		Name: r.name, Real: real, Connect: func(string) bus.Driver { return router.Wrap(server.Connect()) },
		CallState: func(c *callstate.Config) { c.RecordTTL = 5 * time.Second },
	})
	from := *seed
	if from == 0 {
		from = uint64(time.Now().UnixNano()) //nolint:gosec // any bits will do
	}
	t.Logf("-seed %d", from)
	var racing sync.WaitGroup
	for i := range workers {
		racing.Go(func() {
			w := &world{
				x: x, real: real, rng: rand.New(rand.NewPCG(from, uint64(i))), //nolint:gosec // timing
				who: map[string]kittest.Account{}, ph: map[string]*phone{}, seen: map[string]bool{},
			}
			defer w.close()
			if err := w.signIn(r); err != nil {
				t.Error(err)
				return
			}
			for n := range times / workers {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				err := w.once(ctx, r)
				cancel()
				if err != nil {
					t.Errorf("worker %d, race %d, %s: %v\n%s", i, n, w.protocols(r), err, w.story())
					return
				}
			}
		})
	}
	racing.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if left := x.Settled(ctx); left != "" {
		t.Error(left)
	}
	x.Stop()
	if left := exchange.GoroutinesEnded(ctx, before); left != "" {
		t.Errorf("goroutines were left behind:\n%s", left)
	}
}

// signIn makes the worker's people and terminals, each of a protocol that can do
// what the race needs.
func (w *world) signIn(r race) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var fit []*play.Protocol
	for _, p := range play.Protocols() {
		if p.Shares != "" {
			continue // there is no homeserver here
		}
		lacks := false
		for _, a := range r.needs {
			lacks = lacks || p.Lacks[a] != ""
		}
		if !lacks {
			fit = append(fit, p)
		}
	}
	for _, name := range r.phones {
		who := strings.TrimRight(name, "0123456789")
		a, there := w.who[who]
		if !there {
			person := exchange.Person{Name: who}
			a = w.x.Account(person)
			if err := w.x.Subscribe(ctx, person, a); err != nil {
				return err
			}
			w.who[who] = a
		}
		p := fit[w.rng.IntN(len(fit))]
		c, err := p.Dial(ctx, w.x)
		if err != nil {
			return err
		}
		f := &phone{p: p, c: c, to: a}
		before := w.x.Terminals(a.Subscriber)
		err = c.SignIn(ctx, a)
		if err == nil {
			f.id, err = w.x.Came(ctx, a.Subscriber, before)
		}
		f.start()
		w.ph[name] = f
		if err != nil {
			return err
		}
	}
	return nil
}

// once runs the race once, and ends what is left of it.
func (w *world) once(ctx context.Context, r race) error {
	defer func() {
		for _, l := range w.legs {
			l.close()
		}
		w.legs = nil
	}()
	if err := r.run(ctx, w); err != nil {
		return err
	}
	for name, f := range w.ph {
		if err := f.settle(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if r.late {
		return w.ringEnded(ctx)
	}
	for name, f := range w.ph {
		if more := f.taken(); len(more) > 0 {
			return fmt.Errorf("%s: %d calls more came", name, len(more))
		}
	}
	return nil
}

func (w *world) close() {
	for _, f := range w.ph {
		f.close()
	}
}

// voice makes the media of a call.
func (w *world) voice(name string) (voice.Voice, error) {
	if !w.real {
		return voice.Plain(name), nil
	}
	return voice.Real(name, &voice.Room{}) //nolint:wrapcheck // says what it is
}

// follow begins to listen to a call.
func (w *world) follow(name string, k kittest.Call, v voice.Voice) *leg {
	l := w.ph[name].follow(k, v)
	w.legs = append(w.legs, l)
	return l
}

// place has a phone call somebody.
func (w *world) place(ctx context.Context, name, to string) (*leg, error) {
	v, err := w.voice(name)
	if err != nil {
		return nil, err
	}
	sdp, err := v.Offer("", false)
	if err != nil {
		return nil, err
	}
	k, err := w.ph[name].c.Call(ctx, w.who[to], sdp)
	if err != nil {
		return nil, err
	}
	return w.follow(name, k, v), nil
}

// ring waits for a call at a phone.
func (w *world) ring(ctx context.Context, name string) (*leg, error) {
	k, err := w.ph[name].rings(ctx)
	if err != nil {
		return nil, err
	}
	v, err := w.voice(name)
	if err != nil {
		return nil, err
	}
	return w.follow(name, k, v), nil
}

// answer has a phone answer.
func (l *leg) answer(ctx context.Context) error {
	sdp, err := l.voice.Answer(l.k.SDP())
	if err != nil {
		return err
	}
	return l.k.Answer(ctx, sdp)
}

// talk brings a call about.
func (w *world) talk(ctx context.Context, from, to string) (a, b *leg, err error) {
	if a, err = w.place(ctx, from, strings.TrimRight(to, "0123456789")); err != nil {
		return nil, nil, err
	}
	if b, err = w.ring(ctx, to); err != nil {
		return nil, nil, err
	}
	if err = b.answer(ctx); err != nil {
		return nil, nil, err
	}
	return a, b, a.until(ctx, "the answer", func() bool { return a.answered == 1 })
}

// atOnce does things at about the same moment.
func (w *world) atOnce(things ...func() error) error {
	errs := make([]error, len(things))
	start := make(chan struct{})
	var doing sync.WaitGroup
	for i, f := range things {
		// Mostly close together; now and then far apart.
		wait := time.Duration(w.rng.IntN(300)) * time.Microsecond
		if w.rng.IntN(3) == 0 {
			wait *= 10
		}
		doing.Go(func() {
			<-start
			<-time.After(wait)
			errs[i] = f()
		})
	}
	close(start)
	doing.Wait()
	return errors.Join(errs...)
}

// records waits until this race's calls are over, and gives them.
func (w *world) records(ctx context.Context, n int) ([]*callv1.CallRecord, error) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var fresh []*callv1.CallRecord
	for {
		live := w.x.Live(w.ids()...)
		if len(live) == 0 { // the journal is asked only now: that is more work
			all, err := w.all(ctx)
			if err != nil {
				return nil, err
			}
			fresh = fresh[:0]
			for _, r := range all {
				if !w.seen[r.GetId()] {
					fresh = append(fresh, r)
				}
			}
			if len(fresh) == n {
				break
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d calls, and %d live ones; want %d", len(fresh), len(live), n)
		}
	}
	for _, r := range fresh {
		w.seen[r.GetId()] = true
		for _, l := range r.GetLegs() {
			if l.GetState() != callv1.LegState_LEG_STATE_ENDED && r.GetState() != callv1.CallState_CALL_STATE_REDIRECTED {
				return nil, fmt.Errorf("leg %s of a call that is over is %s", l.GetId(), l.GetState())
			}
		}
	}
	return fresh, nil
}

func (w *world) all(ctx context.Context) ([]*callv1.CallRecord, error) {
	return w.x.Records(ctx, w.ids()...)
}

func (w *world) ids() []string {
	var out []string
	for _, a := range w.who {
		out = append(out, a.Subscriber)
	}
	return out
}

func (w *world) protocols(r race) string {
	var out []string
	for _, name := range r.phones {
		out = append(out, name+" "+w.ph[name].p.Name)
	}
	return strings.Join(out, ", ")
}

func (w *world) story() string {
	all, _ := w.all(context.Background())
	var b strings.Builder
	for _, r := range all {
		if w.seen[r.GetId()] {
			continue
		}
		fmt.Fprintf(&b, "call %s: %s, %s\n", r.GetId(), r.GetState(), r.GetReason())
		for _, l := range r.GetLadder() {
			fmt.Fprintf(&b, "  %s %s -> %s: %s %s %s\n", l.GetAt().AsTime().Format("05.000000"), l.GetFrom(), l.GetTo(), l.GetWhat(),
				l.GetDetail(), l.GetLegId())
		}
	}
	return b.String()
}
