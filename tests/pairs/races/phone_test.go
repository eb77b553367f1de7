package races_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/pairs/play"
	"github.com/tandem-rtc/tandem/tests/pairs/voice"
)

// phone is a terminal that stays signed in from race to race.
type phone struct {
	p  *play.Protocol
	c  kittest.Client
	id string // in the table of terminals
	to kittest.Account

	pumps sync.WaitGroup
	stop  context.CancelFunc

	mu       sync.Mutex
	news     chan struct{}
	rung     []kittest.Call
	statuses []kittest.Status
}

// start takes what comes from now on.
func (f *phone) start() {
	ctx, stop := context.WithCancel(context.Background())
	f.stop, f.news = stop, make(chan struct{})
	f.pumps.Go(func() {
		for {
			k, err := f.c.Incoming(ctx)
			if err != nil {
				return
			}
			f.change(func() { f.rung = append(f.rung, k) })
		}
	})
	h, ok := f.c.(kittest.StatusHearer)
	if !ok {
		return
	}
	f.pumps.Go(func() {
		for {
			s, err := h.NextStatus(ctx)
			if err != nil {
				return
			}
			f.change(func() { f.statuses = append(f.statuses, s) })
		}
	})
}

func (f *phone) close() {
	f.stop()
	f.c.Close()
	f.pumps.Wait()
}

// settle waits until all that a Pipe has sent was carried out: its messages name no
// call, so one that came too late would be of the next race's.
func (f *phone) settle(ctx context.Context) error {
	c, ok := f.c.(*grpcpipetest.Client)
	if !ok || f.p.Name != "Pipe" {
		return nil
	}
	mark := grpcpipetest.NewUUID()
	if err := c.Send(grpcpipetest.NoAction(mark)); err != nil {
		return err
	}
	for {
		m, err := c.Stray(ctx)
		if err != nil {
			return fmt.Errorf("what the Pipe sent was not carried out: %w", err)
		}
		if m.GetCallId() == mark {
			return nil
		}
	}
}

func (f *phone) change(g func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g()
	close(f.news)
	f.news = make(chan struct{})
}

// until waits until ok, called with mu held, is true.
func (f *phone) until(ctx context.Context, what string, ok func() bool) error {
	for {
		f.mu.Lock()
		done, news := ok(), f.news
		f.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			f.mu.Lock()
			defer f.mu.Unlock()
			return fmt.Errorf("%s: %s: not in time; heard last %+v", f.p.Name, what, f.statuses[max(0, len(f.statuses)-4):])
		}
	}
}

// rings waits for the next call.
func (f *phone) rings(ctx context.Context) (kittest.Call, error) {
	var k kittest.Call
	err := f.until(ctx, "an incoming call", func() bool {
		if len(f.rung) == 0 {
			return false
		}
		k, f.rung = f.rung[0], f.rung[1:]
		return true
	})
	return k, err
}

// taken gives the calls that rang and that nobody asked for.
func (f *phone) taken() []kittest.Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.rung
	f.rung = nil
	return out
}

// heardSoFar gives the number of statuses heard so far.
func (f *phone) heardSoFar() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.statuses)
}

// shown waits for the in-call of a call among what was heard after the first n, and
// gives its name.
func (f *phone) shown(ctx context.Context, n int, call string) (name string, err error) {
	err = f.until(ctx, "an in-call", func() bool {
		for _, s := range f.statuses[n:] {
			if s.InCall && (s.Call == "" || s.Call == call) {
				name = s.Call
				return true
			}
		}
		return false
	})
	return name, err
}

// idle requires that a call which was shown is taken back. Of what came after the
// first n statuses, some in-calls need no idle: those that the phone answered by
// taking the call. What is still on its way is waited for, a little.
func (f *phone) idle(ctx context.Context, n, taken int) error {
	settled := func() bool {
		shown := 0
		for _, s := range f.statuses[n:] {
			if s.InCall {
				shown++
			}
		}
		return shown > taken && !f.statuses[len(f.statuses)-1].InCall
	}
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	if f.until(short, "an idle", settled) == nil {
		return nil
	}
	return f.until(ctx, "an idle", func() bool {
		shown := 0
		for _, s := range f.statuses[n:] {
			if s.InCall {
				shown++
			}
		}
		return shown <= taken || settled()
	})
}

// leg is one call of a phone, and what it has heard so far.
type leg struct {
	f     *phone
	k     kittest.Call
	voice voice.Voice
	stop  context.CancelFunc
	done  sync.WaitGroup

	// Guarded by the phone's mu.
	answered, reoffered, refused, ended int
	why                                 callv1.Reason
	broken                              error
}

// follow takes what a call says from now on.
func (f *phone) follow(k kittest.Call, v voice.Voice) *leg {
	ctx, stop := context.WithCancel(context.Background())
	l := &leg{f: f, k: k, voice: v, stop: stop}
	l.done.Go(func() {
		for {
			h, err := k.Next(ctx)
			if err != nil {
				if ctx.Err() == nil {
					f.change(func() { l.broken = err })
				}
				return
			}
			l.hear(h)
		}
	})
	return l
}

func (l *leg) hear(h kittest.Heard) {
	var taking error
	if h.What == kittest.Answered {
		taking = l.voice.Take(h.SDP)
	}
	l.f.change(func() {
		l.broken = taking
		switch h.What {
		case kittest.Answered:
			l.answered++
		case kittest.ReofferAnswered:
			l.reoffered++
		case kittest.Refused:
			l.refused++
		case kittest.Ended:
			l.ended++
			l.why = h.Reason
		}
	})
}

// state gives what was heard so far.
func (l *leg) state() (answered, refused, ended int) {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	return l.answered, l.refused, l.ended
}

// until waits for what is heard.
func (l *leg) until(ctx context.Context, what string, ok func() bool) error {
	err := l.f.until(ctx, what, func() bool { return ok() || l.broken != nil })
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	if err == nil {
		err = l.broken
	}
	if err != nil {
		err = fmt.Errorf("%w (answered %d, re-offer answered %d, refused %d, ended %d as %s)", err, l.answered, l.reoffered,
			l.refused, l.ended, l.why)
	}
	return err
}

// close stops listening.
func (l *leg) close() {
	l.stop()
	l.done.Wait()
	l.voice.Close()
}
