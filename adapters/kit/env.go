package kit

import (
	"log/slog"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
)

// Env is what a host needs of the process it runs in.
type Env struct {
	// Bus is the bus as seen by this adapter's kind and node.
	Bus *bus.Bus
	// Terminals and Nodes are the tables of live registrations and nodes.
	Terminals bus.Terminals
	Nodes     bus.Nodes
	// Key makes the cluster's call and leg ids.
	Key schema.IDKey
	// Log is what the host and the adapter log to; nil discards.
	Log *slog.Logger
	// Recorder takes measurements; nil discards.
	Recorder Recorder
	// Limits bound everything; zero fields have the defaults.
	Limits Limits
}

// Limits bound what a host holds and how long it waits.
type Limits struct {
	// AcceptRetryFor is how long a command is tried again for. 10 s.
	AcceptRetryFor time.Duration
	// TryTimeout is how long one try of a request waits. 2.5 s.
	TryTimeout time.Duration
	// AskTimeout is how long a question to the directory waits. 2.5 s.
	AskTimeout time.Duration
	// DeliverTimeout is how long one Deliver may block. 5 s.
	DeliverTimeout time.Duration
	// DrainTimeout is how long the adapter may drain, and then again how long
	// the host may take to give up what is left. 10 s.
	DrainTimeout time.Duration
	// StartTimeout is how long the bus may be away when the host starts. 30 s.
	StartTimeout time.Duration
	// GiveUpFor is how long the host tries to give a leg up. 5 min.
	GiveUpFor time.Duration
	// MaxLegs and MaxTerminals are the live ones of this node. 20,000 each.
	MaxLegs, MaxTerminals int
	// MaxGiveUps is how many legs can be being given up. 20,000.
	MaxGiveUps int
	// MaxSignIns is how many sign-ins can be at the directory; others wait. 512.
	MaxSignIns int
	// MaxLegEvents is how many events of one leg can wait. 16.
	MaxLegEvents int
	// Tombstones is how many ended legs are remembered. 20,000.
	Tombstones int
	// Sizes bound what a command may hold.
	Sizes schema.Limits
}

func (l Limits) withDefaults() Limits {
	for d, v := range map[*time.Duration]time.Duration{
		&l.AcceptRetryFor: 10 * time.Second,
		&l.TryTimeout:     2500 * time.Millisecond,
		&l.AskTimeout:     2500 * time.Millisecond,
		&l.DeliverTimeout: 5 * time.Second,
		&l.DrainTimeout:   10 * time.Second,
		&l.StartTimeout:   30 * time.Second,
		&l.GiveUpFor:      5 * time.Minute,
	} {
		if *d <= 0 {
			*d = v
		}
	}
	for n, v := range map[*int]int{
		&l.MaxLegs: 20000, &l.MaxTerminals: 20000, &l.MaxGiveUps: 20000,
		&l.MaxSignIns: 512, &l.MaxLegEvents: 16, &l.Tombstones: 20000,
	} {
		if *n <= 0 {
			*n = v
		}
	}
	return l
}

// Recorder takes a host's measurements. Methods do not block and may be called
// from any goroutine. All strings are of small closed sets, fit for labels.
type Recorder interface {
	Metrics
	// Command is one Accept: what was asked ("offer"), "ok" or the code it was
	// refused with ("not-found"), and how long until the ack was called.
	Command(what, outcome string, took time.Duration)
	// Event is one event that came: what it was ("incoming"), what became of it
	// ("delivered", "repeated", "retry", "gone", "failed") and how long it took.
	Event(what, outcome string, took time.Duration)
	// GiveUp counts legs given up: "started", then "confirmed" or "abandoned";
	// "refused" when the limit is reached.
	GiveUp(outcome string)
	// Terminals and Legs are the live ones.
	Terminals(n int)
	Legs(n int)
}

// discard is the Recorder that forgets.
type discard struct{}

func (discard) Count(string, int)                     {}
func (discard) Gauge(string, int)                     {}
func (discard) Command(string, string, time.Duration) {}
func (discard) Event(string, string, time.Duration)   {}
func (discard) GiveUp(string)                         {}
func (discard) Terminals(int)                         {}
func (discard) Legs(int)                              {}
