package grpcpipe

import (
	"slices"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// maxJobs bounds the messages of one call that wait for call state.
const maxJobs = 16

// call is what a stream remembers of one call: which call_id is which leg, what
// has been said, and what is still to be carried out. The state of the call is call
// state's.
type call struct {
	// id is the call_id as the terminal knows it: its own text for a call that
	// it placed or pulled, the leg id for one that it received.
	id string
	// leg is empty until the Offer of a Pipe, or one that pulls, is accepted.
	leg string
	// placed: an Offer of this stream. known: call state has confirmed the leg,
	// or sent it. Neither: an id that the terminal named, and that may be a call
	// of an earlier stream or nobody's.
	placed, known bool
	// ringing: nobody has answered, as far as this stream knows.
	ringing bool
	// over: ended for the terminal; nothing more is told about it.
	over bool
	// rival is a call that came from whom this one goes to, on a Pipe; see glare.go.
	// hidden: this is one. offer is what the terminal was not told of it.
	rival  *call
	hidden bool
	offer  *message

	// peer is the far party; number is the one it was called or shown by.
	peer   *callv1.Party
	number string
	// offering: an Offer of the terminal in an answered call, or to get into one,
	// is under way.
	offering bool
	// offered is the event that offered the terminal anew and that it has not
	// answered; 0 if none.
	offered uint64
	// alerted: the terminal was told that the other side alerts.
	alerted bool
	// pushing: the phone rings at the terminal's wish, which named the call so.
	pushing  bool
	pushName string

	// jobs are carried out one after the other, in the order the messages came.
	jobs    []func()
	running bool

	// last is the newest event put on the wire, so that one that comes again
	// while it is still being written is not written twice.
	last    uint64
	writing *written
}

// isWith reports whether a number is the far party's.
func (c *call) isWith(number string) bool {
	return number == c.number || knownBy(c.peer, number)
}

// meets takes what is learned of the far party.
func (c *call) meets(p *callv1.Party) {
	if p == nil {
		return
	}
	if c.peer = p; c.number == "" {
		c.number = msisdn(p)
	}
}

// sure reports whether the terminal speaks of a call that is or was there.
func (c *call) sure() bool { return c.placed || c.known }

// enqueue adds a job to a call; false if too many wait. The goroutine that does
// them ends with the last. It is called with mu held.
func (s *session) enqueue(c *call, job func()) bool {
	if len(c.jobs) >= maxJobs || s.closed {
		return false
	}
	s.push(c, job)
	return true
}

// push is enqueue without the bound. It is called with mu held.
func (s *session) push(c *call, job func()) {
	c.jobs = append(c.jobs, job)
	if !c.running {
		c.running = true
		s.jobs.Add(1)
		go s.work(c)
	}
}

func (s *session) work(c *call) {
	defer s.jobs.Done()
	for {
		s.mu.Lock()
		if len(c.jobs) == 0 {
			c.running, c.jobs = false, nil
			s.mu.Unlock()
			return
		}
		job := c.jobs[0]
		c.jobs = c.jobs[1:]
		s.mu.Unlock()
		if err := rescue(s.log, func() error { job(); return nil }); err != nil {
			s.end(err)
		}
	}
}

// add makes a call of this stream. It is called with mu held.
func (s *session) add(c *call) {
	if s.calls == nil {
		s.calls = make(map[string]*call)
	}
	if s.legs == nil {
		s.legs = make(map[string]*call)
	}
	if s.multi {
		s.calls[c.id] = c
	} else {
		s.current = c
	}
	s.bind(c, c.leg)
}

// bind says which leg a call is. It is called with mu held.
func (s *session) bind(c *call, leg string) {
	if leg == "" {
		return
	}
	if s.legs[c.leg] == c {
		delete(s.legs, c.leg)
	}
	c.leg = leg
	s.legs[leg] = c
	if c.known && !s.closed {
		s.a.claim(leg, s)
	}
}

// finish makes a call over for its terminal. It is called with mu held.
func (s *session) finish(c *call) {
	if c.over {
		return
	}
	c.over = true
	if s.calls[c.id] == c {
		delete(s.calls, c.id)
	}
	if s.current == c {
		s.current = nil
	}
	s.forget(c)
}

// forget takes the leg off the list of live ones and remembers it for a while,
// since an event for it may still be on its way. It is called with mu held.
func (s *session) forget(c *call) {
	if c.leg == "" {
		return
	}
	if s.legs[c.leg] == c {
		delete(s.legs, c.leg)
	}
	s.a.release(c.leg, s)
	if !c.sure() {
		return // it may come to this stream yet
	}
	if len(s.recent) == keepRecent {
		s.recent = append(s.recent[:0], s.recent[1:]...)
	}
	s.recent = append(s.recent, c.leg)
}

// keepRecent is how many ended legs a stream remembers.
const keepRecent = 64

// wasHere reports whether a leg ended on this stream not long ago. It is called
// with mu held.
func (s *session) wasHere(leg string) bool {
	return slices.Contains(s.recent, leg)
}

// ended reports a leg's end in a reply.
func ended(r *callv1.Reply) bool { return r.GetLegState() == callv1.LegState_LEG_STATE_ENDED }
