package grpcpipe

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// maxShown bounds the calls of other terminals that a stream remembers; far more
// than one subscriber has.
const maxShown = 1024

// shown is an answered call of the subscriber that is at another terminal.
type shown struct {
	call   string // the call's own id
	name   string // the call_id that the terminal hears
	peer   *callv1.Party
	since  time.Time
	number uint64 // of the event that said so
	order  int    // in which it came to this stream
	// told, of a MultiPipe: an InCall was said. quiet: it was there before the
	// stream, which hears of changes only.
	told, quiet bool
}

// board is what a stream shows of calls that it is not in. A MultiPipe shows each
// by its id. A Pipe shows one: the newest, then what is left of the others; it says
// nothing while it has a call of its own, whose InCall that would look like.
type board struct {
	all   map[string]*shown // by the call's own id
	count int
	want  string // (Pipe) what is to be shown; "" is Idle
	said  string // (Pipe) what was said last
}

// see takes an InCall event.
func (s *board) see(e *callv1.Event) {
	in := e.GetInCall()
	x := s.all[e.GetCallId()]
	switch {
	case x == nil:
		x = s.add(&shown{call: e.GetCallId(), name: e.GetCallId()})
		s.want = x.call
	case e.GetNumber() < x.number:
		return
	}
	x.peer, x.since, x.number = in.GetPeer(), in.GetSince().AsTime(), e.GetNumber()
}

// add makes a call known, in place of the oldest if there are too many.
func (s *board) add(x *shown) *shown {
	if s.all == nil {
		s.all = make(map[string]*shown)
	}
	if len(s.all) >= maxShown {
		s.drop(slices.MinFunc(slices.Collect(maps.Values(s.all)), byOrder).call)
	}
	s.count++
	x.order = s.count
	s.all[x.call] = x
	return x
}

// drop forgets a call and gives what was known of it; nil if nothing.
func (s *board) drop(call string) *shown {
	x := s.all[call]
	delete(s.all, call)
	if s.want == call {
		s.want = s.latest()
	}
	return x
}

// latest gives the call that was answered last.
func (s *board) latest() (call string) {
	if len(s.all) == 0 {
		return ""
	}
	return slices.MaxFunc(slices.Collect(maps.Values(s.all)), func(a, b *shown) int {
		return cmp.Or(a.since.Compare(b.since), byOrder(a, b))
	}).call
}

// named gives the call that a terminal was or could have been shown by a name.
func (s *board) named(id string) *shown {
	canonical, ok := schema.CanonicalUUID(id)
	if !ok {
		canonical = id
	}
	if x := s.all[canonical]; x != nil && x.name == x.call {
		return x
	}
	for _, x := range s.all {
		if x.name != x.call && sameID(x.name, id) { // pushed by this terminal
			return x
		}
	}
	return nil
}

func byOrder(a, b *shown) int { return a.order - b.order }

// open says the first thing, once it is known in which calls the subscriber is:
// InCall or Idle on a Pipe, nothing on a MultiPipe.
func (s *session) open(calls []*callv1.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range calls {
		s.board.see(e)
	}
	s.opened = true
	if s.multi {
		for _, x := range s.board.all {
			x.quiet = true
		}
		return
	}
	s.board.want = s.board.latest()
	s.sayBoard() // Idle too, this time
}

// putStatus takes an InCall or Idle event. It is called with mu held.
func (s *session) putStatus(e *callv1.Event) *written {
	if e.GetInCall() != nil {
		s.board.see(e)
	} else if x := s.board.drop(e.GetCallId()); x != nil && s.multi && s.opened {
		return s.push1(wireIdle(x.name))
	}
	return s.settle()
}

// settle says what is to be shown and was not said yet; it gives the last message,
// nil if there is none. It is called with mu held.
func (s *session) settle() (last *written) {
	s.unhide()
	switch {
	case s.closed, !s.opened:
		return nil
	case !s.multi && (s.current != nil || s.board.want == s.board.said):
		return nil
	case !s.multi:
		return s.sayBoard()
	}
	for _, x := range slices.SortedFunc(maps.Values(s.board.all), byOrder) {
		if !x.told && !x.quiet {
			x.told = true
			last = s.push1(wireInCall(x.name, msisdn(x.peer)))
		}
	}
	return last
}

// sayBoard says what a Pipe is to be shown. It is called with mu held.
func (s *session) sayBoard() *written {
	s.board.said = s.board.want
	if x := s.board.all[s.board.want]; x != nil {
		return s.push1(wireInCall(x.name, msisdn(x.peer)))
	}
	return s.push1(wireIdle(""))
}

// push1 queues a message; nil if the stream cannot take it, which ends it.
func (s *session) push1(m *message) *written {
	w, _ := s.out.push(m)
	return w
}

// joined notes that the terminal is in a call, under a name. It is called with mu
// held.
func (s *session) joined(call, id string) {
	x := s.board.drop(call)
	if s.board.said == call {
		s.board.said = ""
	}
	if x != nil && x.told && !sameID(x.name, id) {
		s.push1(wireIdle(x.name)) // it is known by another name now
	}
}

// handedOver notes that the terminal's call goes on at the subscriber's phone; the
// terminal hears that as an InCall by the name that it has for the call. It is
// called with mu held.
func (s *session) handedOver(call, name string, peer *callv1.Party, at time.Time) {
	x := s.board.all[call]
	if x == nil {
		x = s.board.add(&shown{call: call, since: at})
	}
	x.name, x.peer, x.told, x.quiet = name, peer, true, false
	s.board.want, s.board.said = call, call
}
