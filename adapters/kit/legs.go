package kit

import (
	"container/list"
	"slices"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// leg is what the host knows of a live leg. It is not the leg's state, which is
// call state's: all of it can be lost and is learned again.
type leg struct {
	id         string
	call       string // that holds it now
	subscriber string
	terminal   string // "" until known
	mediaNode  string
	ref        string
	pulls      uint64 // grows with every pulled leg; 0 for others

	holds     int           // Accepts that have not returned
	offers    int           // those of them that are the Offer or Pull
	committed bool          // the owner has it
	talking   bool          // it was answered
	over      bool          // the terminal is to hear no more of it
	failed    *callv1.Error // an event was refused for good
	givingUp  chan struct{} // closed once given up; nil before
	givenUp   bool

	last    uint64 // number of the last event delivered
	alerted alerted
	queue   []*delivery      // by number
	busy    bool             // a goroutine delivers them
	current *delivery        // queue[0] while the adapter has it
	signals []*callv1.Signal // waiting for a media node
}

// dropOffers drops the offers with numbers below next that wait: they were withdrawn
// for the terminal's own, which crossed them. Guarded by host.mu.
func (l *leg) dropOffers(next uint64) {
	l.queue = slices.DeleteFunc(l.queue, func(d *delivery) bool {
		stale := d != l.current && d.e.GetReoffer() != nil && d.e.GetNumber() < next
		if stale {
			d.answer(delivered)
		}
		return stale
	})
}

// legTable holds the live legs, and the ended ones as long as their events may
// come again. Guarded by host.mu.
type legTable struct {
	live       map[string]*leg
	byTerminal map[string]map[*leg]struct{}
	pulled     map[string]map[*leg]struct{} // those that began in an answered call, by call
	pulls      uint64
	tombs      tombstones
}

// alerted is how a terminal was told that the other side alerts.
type alerted int

const (
	notAlerted alerted = iota
	plainly
	withMedia
)

// alertedBy is how an event tells it.
func alertedBy(e *callv1.Event) alerted {
	switch a := e.GetAlerting(); {
	case a == nil:
		return notAlerted
	case a.GetSdp() == "":
		return plainly
	}
	return withMedia
}

func newLegTable(tombs int) legTable {
	return legTable{
		live: map[string]*leg{}, byTerminal: map[string]map[*leg]struct{}{},
		pulled: map[string]map[*leg]struct{}{}, tombs: newTombstones(tombs),
	}
}

// find gives a live leg, or makes one that remembers what its tombstone knows.
func (t *legTable) find(id string) (l *leg, made bool) {
	if l := t.live[id]; l != nil {
		return l, false
	}
	l = &leg{id: id}
	if tomb, ok := t.tombs.get(id); ok {
		l.last, l.alerted = tomb.last, tomb.alerted
	}
	t.live[id] = l
	if call, n, ok := schema.SplitLegID(id); ok && n >= schema.FirstPulled {
		t.pulls++
		l.pulls = t.pulls
		put(t.pulled, call, l)
	}
	return l, true
}

func put(m map[string]map[*leg]struct{}, key string, l *leg) {
	if m[key] == nil {
		m[key] = map[*leg]struct{}{}
	}
	m[key][l] = struct{}{}
}

func remove(m map[string]map[*leg]struct{}, key string, l *leg) {
	delete(m[key], l)
	if len(m[key]) == 0 {
		delete(m, key)
	}
}

// bind says which terminal a leg is of.
func (t *legTable) bind(l *leg, terminal string) {
	if l.terminal == terminal {
		return
	}
	t.unbind(l)
	l.terminal = terminal
	put(t.byTerminal, terminal, l)
}

func (t *legTable) unbind(l *leg) { remove(t.byTerminal, l.terminal, l) }

// drop forgets a live leg without a trace.
func (t *legTable) drop(l *leg) {
	if t.live[l.id] == l {
		delete(t.live, l.id)
		t.unbind(l)
		if call, _, _ := schema.SplitLegID(l.id); l.pulls > 0 {
			remove(t.pulled, call, l)
		}
	}
}

// bury ends a live leg. over: nothing further of it is for the terminal.
func (t *legTable) bury(l *leg, over bool) {
	if t.live[l.id] != l {
		return
	}
	t.drop(l)
	l.over = l.over || over
	t.tombs.put(l.id, tombstone{last: l.last, alerted: l.alerted, over: l.over})
}

// tombstone is what is remembered of a leg that is no longer live here.
type tombstone struct {
	last    uint64
	alerted alerted
	over    bool
}

// tombstones forget the oldest first.
type tombstones struct {
	max   int
	byLeg map[string]*list.Element
	order *list.List // of entries, oldest first
}

type entry struct {
	leg string
	tombstone
}

func newTombstones(limit int) tombstones {
	return tombstones{max: limit, byLeg: map[string]*list.Element{}, order: list.New()}
}

func (t *tombstones) get(leg string) (tombstone, bool) {
	e := t.byLeg[leg]
	if e == nil {
		return tombstone{}, false
	}
	return e.Value.(*entry).tombstone, true
}

func (t *tombstones) put(leg string, s tombstone) {
	if e := t.byLeg[leg]; e != nil {
		e.Value.(*entry).tombstone = s
		t.order.MoveToBack(e)
		return
	}
	if t.order.Len() >= t.max {
		oldest := t.order.Front()
		delete(t.byLeg, oldest.Value.(*entry).leg)
		t.order.Remove(oldest)
	}
	t.byLeg[leg] = t.order.PushBack(&entry{leg, s})
}
