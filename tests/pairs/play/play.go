package play

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/tests/pairs/exchange"
	"github.com/tandem-rtc/tandem/tests/pairs/scenario"
	"github.com/tandem-rtc/tandem/tests/pairs/voice"
)

// Result is how a scenario went.
type Result struct {
	// Cannot is why it cannot be done, and Who lacks what it takes; it was not played
	// then.
	Cannot string
	Who    *Protocol
	// Less: somebody lacked something, and what the scenario says for that was
	// played.
	Less bool
	// Err is what went wrong.
	Err error
}

// stage is one scenario on its way.
type stage struct {
	x        *exchange.Exchange
	s        *scenario.Scenario
	ctx      context.Context //nolint:containedctx // ends with the scenario
	patience time.Duration
	room     *voice.Room
	cast     map[string]*terminal
	who      map[string]kittest.Account // by person
	less     bool
	// played are the lines so far, without those of conditions that did not hold.
	played []scenario.Step

	mu     sync.Mutex // terminals act together
	voices []voice.Voice
	// shared are the ids of terminals that several of the cast are, by person and what
	// they share.
	shared map[[2]string]string
}

// terminal is one of the cast.
type terminal struct {
	st     *stage
	name   string
	person string
	p      *Protocol
	client kittest.Client // nil while it is not there
	id     string         // in the table of terminals
	calls  map[string]*call
	inCall kittest.Status // the last in-call it heard
	shown  bool           // it was shown the call by the event before
	caller string         // who its last incoming call was from, as shown
}

// Expect gives the result of a scenario that is played as it should be.
func Expect(s *scenario.Scenario, from, to *Protocol) Result {
	speaks := speakers(s, from, to)
	for _, c := range s.Required() {
		if why := cannot(s, speaks, c); why != "" {
			return Result{Cannot: why, Who: speaks(c.Terminal)}
		}
	}
	var less func([]scenario.Step) bool
	less = func(steps []scenario.Step) bool {
		return slices.ContainsFunc(steps, func(st scenario.Step) bool {
			if st.Kind != scenario.If {
				return false
			}
			if cannot(s, speaks, st.Condition) != "" {
				return true
			}
			return less(st.Steps)
		})
	}
	return Result{Less: less(s.Steps)}
}

// speakers gives who speaks what.
func speakers(s *scenario.Scenario, from, to *Protocol) func(terminal string) *Protocol {
	return func(terminal string) *Protocol {
		t, _ := s.Terminal(terminal)
		return map[string]*Protocol{"alice": from, "bob": to}[t.Like]
	}
}

// Play plays a scenario between a caller of one protocol and a called of another.
// patience bounds the wait for what a line says.
func Play(ctx context.Context, x *exchange.Exchange, s *scenario.Scenario, from, to *Protocol, patience time.Duration) Result {
	if r := Expect(s, from, to); r.Cannot != "" {
		return r
	}
	protocol := speakers(s, from, to)
	st := &stage{
		x: x, s: s, ctx: ctx, patience: patience,
		room: &voice.Room{}, cast: map[string]*terminal{}, who: map[string]kittest.Account{}, shared: map[[2]string]string{},
	}
	defer st.end()
	if err := st.people(); err != nil {
		return Result{Err: err}
	}
	for _, t := range s.Terminals {
		m := &terminal{st: st, name: t.Name, person: t.Person(), p: protocol(t.Name), calls: map[string]*call{}}
		st.cast[t.Name] = m
		if t.Later {
			continue
		}
		if err := m.signIn(); err != nil {
			return Result{Err: err}
		}
	}
	err := st.play(s.Steps)
	if err == nil {
		err = st.after()
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, st.story())
	}
	return Result{Less: st.less, Err: err}
}

// people makes the subscribers.
func (st *stage) people() error {
	plain := map[string]exchange.Person{}
	for _, p := range st.s.People {
		plain[p.Name] = exchange.Person{Name: p.Name, NoNumber: p.NoNumber}
		st.who[p.Name] = st.x.Account(plain[p.Name])
	}
	st.who[scenario.Nobody] = st.x.Account(exchange.Person{Name: scenario.Nobody})
	for _, p := range st.s.People {
		person := plain[p.Name]
		if p.Phone != "" {
			person.Phone = "sip:" + st.who[p.Phone].AOR
		}
		if err := st.x.Subscribe(st.ctx, person, st.who[p.Name]); err != nil {
			return err
		}
	}
	return nil
}

// play plays steps in order.
func (st *stage) play(steps []scenario.Step) error {
	for _, step := range steps {
		var err error
		if step.Kind != scenario.If {
			st.played = append(st.played, step)
		}
		switch step.Kind {
		case scenario.Does:
			err = st.cast[step.Who].do(step)
		case scenario.Hears:
			err = st.cast[step.Who].hear(step, optionals(st.played[:len(st.played)-1], step))
		case scenario.Media:
			err = st.cast[step.Who].receive(step)
		case scenario.Together:
			err = st.together(step.Steps)
		case scenario.If:
			speaks := func(terminal string) *Protocol { return st.cast[terminal].p }
			if cannot(st.s, speaks, step.Condition) == "" {
				err = st.play(step.Steps)
			} else {
				st.less = true
				err = st.play(step.Else)
			}
		}
		if err != nil && !errors.As(err, new(*lineError)) {
			err = &lineError{fmt.Errorf("%s.txt:%d: %s: %w", st.s.Name, step.Line, step, err)}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lineError is an error that says where.
type lineError struct{ error }

func (e *lineError) Unwrap() error { return e.error }

// optionals gives the optional events between the last one that had to come and a
// step, about the same call of the same terminal.
func optionals(before []scenario.Step, step scenario.Step) []scenario.Step {
	var out []scenario.Step
	for i := len(before) - 1; i >= 0; i-- {
		b := before[i]
		if b.Kind != scenario.Hears || b.Who != step.Who || b.Call != step.Call {
			continue
		}
		if !b.Optional {
			break
		}
		out = append([]scenario.Step{b}, out...)
	}
	return out
}

// together has several terminals act at the same moment.
func (st *stage) together(steps []scenario.Step) error {
	errs := make([]error, len(steps))
	start := make(chan struct{})
	var acting sync.WaitGroup
	for i, step := range steps {
		acting.Go(func() {
			<-start
			errs[i] = st.cast[step.Who].do(step)
		})
	}
	close(start)
	acting.Wait()
	return errors.Join(errs...)
}

// voice makes the media of a call.
func (st *stage) voice(name string) (voice.Voice, error) {
	if !st.s.Real {
		return voice.Plain(name), nil
	}
	v, err := voice.Real(name, st.room)
	if err == nil {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.voices = append(st.voices, v)
	}
	return v, err
}

// end frees everything.
func (st *stage) end() {
	for _, v := range st.voices {
		v.Close()
	}
	for _, t := range st.cast {
		if t.client != nil {
			t.client.Close()
		}
	}
}

// story is what the exchange logged of these people.
func (st *stage) story() string {
	var ids []string
	for _, a := range st.who {
		ids = append(ids, a.Subscriber+" ", a.Subscriber+"@")
	}
	ctx, cancel := context.WithTimeout(context.Background(), st.patience)
	defer cancel()
	records, _ := st.records(ctx) // as far as there are any
	var ladders strings.Builder
	for _, r := range records {
		ids = append(ids, r.GetId())
		fmt.Fprintf(&ladders, "call %s: %s, %s, version %d, pending %d\n", r.GetId(), r.GetState(), r.GetReason(), r.GetVersion(),
			len(r.GetPendingEvents()))
		for _, l := range r.GetLadder() {
			fmt.Fprintf(&ladders, "  %s %s -> %s: %s %s %s\n", l.GetAt().AsTime().Format("05.000"), l.GetFrom(), l.GetTo(),
				l.GetWhat(), l.GetDetail(), l.GetLegId())
		}
	}
	return ladders.String() + st.x.Log(ids...)
}
