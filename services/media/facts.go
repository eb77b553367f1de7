package media

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Pace of repeating a fact that nobody has answered.
const (
	factFirst   = 50 * time.Millisecond
	factMost    = time.Second
	factAttempt = 2 * time.Second
	factQueue   = 4
)

// facts tells the owner of a leg's call what happened to the leg, in order, each
// until it is answered or the leg is gone.
type facts struct {
	m    *member
	life context.Context
	end  context.CancelFunc

	mu      sync.Mutex
	queue   []fact
	running bool
}

// fact is a command, for as long as it is true.
type fact struct {
	*callv1.Command
	holds func() bool
}

func newFacts(m *member) *facts {
	life, end := context.WithCancel(m.s.life)
	return &facts{m: m, life: life, end: end}
}

// tell queues a fact. It does not block.
func (f *facts) tell(c fact) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.life.Err() != nil || len(f.queue) >= factQueue {
		return
	}
	c.Id, c.LegId, c.SentAt = schema.NewID(), f.m.id, timestamppb.Now()
	f.queue = append(f.queue, c)
	if !f.running {
		f.running = f.m.s.background(f.run)
	}
}

// leaving is how long a terminal's hang-up may take to arrive after the terminal
// closed its media. It says more than that the media is gone: told at once,
// calls that were hung up would end as failed.
const leaving = time.Second

// tellLater queues a fact after a while, unless the leg has ended by then.
func (f *facts) tellLater(wait time.Duration, c fact) {
	f.m.s.background(func() {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
			f.tell(c)
		case <-f.life.Done():
		}
	})
}

func (f *facts) run() {
	for {
		f.mu.Lock()
		if len(f.queue) == 0 || f.life.Err() != nil {
			f.running = false
			f.mu.Unlock()
			return
		}
		c := f.queue[0]
		f.queue = f.queue[1:]
		f.mu.Unlock()
		f.deliver(c)
	}
}

// deliver sends one fact until somebody answers for the leg.
func (f *facts) deliver(c fact) {
	wait := factFirst
	redirect := ""
	for hops := 0; f.life.Err() == nil && c.holds(); {
		if c.CallId = redirect; redirect == "" {
			c.CallId = f.m.s.callOf(f.m)
		}
		reply, err := f.send(c.Command)
		switch {
		case err != nil:
			f.m.s.log.Debug("media fact not delivered", "call", c.GetCallId(), "leg", f.m.id, "error", err)
		case reply.GetError().GetCode() == callv1.Code_CODE_REDIRECTED && reply.GetCallId() != "" && hops < 4:
			// The leg was handed over (glare); its new call wants to know.
			hops, redirect = hops+1, reply.GetCallId()
			continue
		case again(reply.GetError().GetCode()):
		default:
			return
		}
		select {
		case <-f.life.Done():
			return
		case <-time.After(wait + rand.N(wait)): //nolint:gosec // spreading
		}
		wait = min(2*wait, factMost)
	}
}

func (f *facts) send(c *callv1.Command) (*callv1.Reply, error) {
	ctx, cancel := context.WithTimeout(f.life, factAttempt)
	defer cancel()
	return f.m.s.env.Bus.Command(ctx, c)
}

// again reports whether an owner that said so may say otherwise later.
func again(code callv1.Code) bool {
	switch code {
	case callv1.Code_CODE_RETRY, callv1.Code_CODE_RATE_LIMITED, callv1.Code_CODE_OVERLOAD, callv1.Code_CODE_REDIRECTED:
		return true
	default:
		return false
	}
}
