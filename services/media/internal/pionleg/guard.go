package pionleg

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

// What one leg's terminal may make the mux queue by connectivity checks. The
// mux takes whatever names a leg, in a queue without limit, which nobody reads
// before the leg has started.
const (
	checksEarly   = 32  // before the leg has started: the rest is repeated anyway
	checksRate    = 200 // a second, from then on
	checksSources = 16  // addresses known at a time
	sourceEvery   = 10 * time.Second
)

// guard lets through the STUN messages that a leg's terminal may send. It is
// used by all sockets of an engine.
type guard struct {
	mu    sync.Mutex
	gates map[string]*gate // by our ICE user fragment
}

// gate is one leg's part of the guard.
type gate struct {
	password string
	started  bool
	early    int
	checks   bucket
	// sources are the last addresses that sent a check, fresh allows new ones.
	sources []netip.AddrPort
	next    int
	fresh   bucket
}

func newGuard() *guard { return &guard{gates: map[string]*gate{}} }

// register makes a leg's fragment known.
func (g *guard) register(ufrag, password string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gates[ufrag] = &gate{password: password}
}

// start tells that a leg reads its packets from now on.
func (g *guard) start(ufrag string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.gates[ufrag]; t != nil {
		t.started = true
	}
}

func (g *guard) remove(ufrag string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.gates, ufrag)
}

// admit decides about one packet. What names no leg is the mux's to sort by
// address; what names one must know its password (RFC 8445 section 7.3), so that
// nobody else uses up what the terminal may do.
func (g *guard) admit(packet []byte, from netip.AddrPort, now time.Time) bool {
	if !stun.IsMessage(packet) {
		return true
	}
	m := &stun.Message{Raw: packet[:len(packet):len(packet)]}
	if m.Decode() != nil {
		return false
	}
	name, err := m.Get(stun.AttrUsername)
	if err != nil {
		return true
	}
	ufrag, _, _ := strings.Cut(string(name), ":")
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.gates[ufrag]
	if c := m.Type.Class; c == stun.ClassSuccessResponse || c == stun.ClassErrorResponse {
		// libnice repeats the name of our check in its answer, which begins with the
		// terminal's own fragment. One that begins with ours is no answer.
		return t == nil
	}
	return t != nil && stun.NewShortTermIntegrity(t.password).Check(m) == nil && t.admit(from, now)
}

// admit counts a check that the terminal has sent.
func (t *gate) admit(from netip.AddrPort, now time.Time) bool {
	if !t.started {
		t.early++
		return t.early <= checksEarly
	}
	if !t.checks.take(now, checksRate, time.Second/checksRate) {
		return false
	}
	if slices.Contains(t.sources, from) {
		return true
	}
	if !t.fresh.take(now, checksSources, sourceEvery) {
		return false
	}
	if len(t.sources) < checksSources {
		t.sources = append(t.sources, from)
		return true
	}
	t.sources[t.next] = from
	t.next = (t.next + 1) % checksSources
	return true
}

// bucket is a token bucket that begins full.
type bucket struct {
	used float64
	at   time.Time
}

// take takes one token of a bucket that holds size and gains one each interval.
func (b *bucket) take(now time.Time, size int, interval time.Duration) bool {
	if !b.at.IsZero() {
		b.used = max(0, b.used-float64(now.Sub(b.at))/float64(interval))
	}
	b.at = now
	if b.used+1 > float64(size) {
		return false
	}
	b.used++
	return true
}
