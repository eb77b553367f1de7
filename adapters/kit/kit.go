package kit

import (
	"context"
	"log/slog"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Spec describes an adapter kind. It is a value, passed explicitly to Run;
// nothing registers itself.
type Spec struct {
	// Kind is the configuration key, the subject token and the log attribute.
	Kind string
	// Features are what terminals of this kind can do unless they say otherwise.
	Features *callv1.Features
	// Config returns a pointer to a struct with the defaults filled in. Its
	// "yaml" and "doc" tags produce the configuration reference.
	Config func() Config
	// New makes an adapter without any I/O. The Config is one that Config
	// returned, filled in and validated.
	New func(Config, Host) (Adapter, error)
}

// Config is an adapter's configuration.
type Config interface {
	// Validate reports the first field that cannot work, with its path.
	Validate() error
}

// Optional is a Config whose adapter has nothing to serve until it is told whom. A
// process with all roles leaves such an adapter out while Enabled gives false; one
// that is given its role by name refuses to start, and names what Needs gives, the
// key that is missing.
type Optional interface {
	Config
	Enabled() bool
	Needs() string
}

// Adapter is one running adapter.
type Adapter interface {
	// Run serves peers until ctx ends, then drains: it takes no new peers or
	// calls, says goodbye to the ones it has in their protocol's terms, and
	// returns nil within Host.DrainTimeout. It calls ready once, when peers can
	// connect. Any other return is an error that ends the process's role.
	// Every goroutine the adapter starts has ended when Run returns.
	Run(ctx context.Context, ready func()) error

	// Deliver puts an event on the wire of its leg's terminal and returns once
	// it is written. It is called in order per leg, at most one call per leg at
	// a time, and concurrently for different legs; it blocks no longer than ctx
	// and never on another peer. After a crash the same (leg, number) may come
	// again.
	//
	// InCall and Idle (schema.IsStatus) come to terminals whose features say
	// shows_calls. Their leg id is a call's; they come in order per terminal, at
	// most one at a time, also beside that terminal's legs' events, and never while
	// the terminal has a leg in that call whose Ended was not delivered. An Idle
	// comes only after an InCall of the same call, here or from Host.Calls, that
	// the terminal has not pulled or answered since; it gets neither a second time.
	//
	// An error with CODE_RETRY makes the host's caller try again; CODE_GONE says
	// the terminal is no longer here; any other code is permanent, and the host
	// gives the leg up with the reason that ReasonFor(code) says. An event type
	// the protocol cannot express is no error: it is dropped by returning nil.
	Deliver(ctx context.Context, e *callv1.Event) error
}

// DetachReason tells why a terminal went away.
type DetachReason int

const (
	// SignedOut: the terminal said so; its calls end as if it had hung up.
	SignedOut DetachReason = iota
	// Lost: the connection broke; its calls may be taken up again.
	Lost
)

// Ack puts the peer's own acknowledgement or refusal of a command on the wire.
// Exactly one of reply and err is set. Events of the leg are held back until
// it has returned.
type Ack func(reply *callv1.Reply, err error)

// Host is what an adapter may ask of the exchange. All methods may be called
// from any goroutine.
type Host interface {
	// Authenticate has the directory verify credentials. It blocks for one
	// round trip. Errors: CODE_UNAUTHENTICATED, CODE_FORBIDDEN, CODE_RETRY.
	Authenticate(ctx context.Context, c *callv1.Credentials) (*callv1.Principal, error)

	// ServesDomain reports whether accounts of a SIP domain may sign in.
	ServesDomain(ctx context.Context, domain string) (bool, error)

	// Attach makes a terminal reachable; the host fills in kind, node, instance
	// and, where it has none, the Spec's features, and returns the terminal as
	// attached. Calls that ring for its subscriber, and events that wait for it,
	// come by Deliver, possibly before Attach has returned: an adapter that has
	// to find its session by then sets a new id (schema.NewID) and remembers it
	// before; without one the host makes it. Update a terminal by attaching it
	// again with the id that it has.
	// detach is idempotent and does not block; with Lost or SignedOut the host
	// gives up the legs of the terminal.
	// Errors: CODE_INVALID, CODE_OVERLOAD, CODE_RETRY; CODE_NOT_FOUND for the id
	// of a terminal that was detached or is another subscriber's.
	Attach(ctx context.Context, t *callv1.Terminal) (attached *callv1.Terminal, detach func(DetachReason), err error)

	// Accept sends a command to the call's owner and calls ack, always and
	// exactly once, before it returns: with the reply once the transition is
	// committed, or with a refusal. The adapter names the leg either by leg_id,
	// or by principal, ref scope and ref (see Ref); the host fills in the ids
	// and keeps the command. An Offer is always named by its ref, and by one
	// that is not an id of ours: such an id never makes a new call. The terminal
	// of an Offer need only carry its id and, if this leg can do other things
	// than the terminal, Features.
	// It retries with the same command id for up to Host limits; when the
	// outcome stays unknown, ack gets CODE_RETRY and the host hangs the leg up
	// until that is confirmed. A refusal is a *schema.Error. When the leg is
	// over without the peer knowing (its command's outcome stayed unknown, its
	// answer had no usable media), an Ended event follows the ack.
	// Commands of one leg are carried out in the order of the calls, if each is
	// called after the one before has returned.
	// A Pull names the call by ref: the call's id (as an InCall event has it) or
	// the id of any leg of it; any other name is CODE_NOT_FOUND. The host gives it
	// a leg of its own and, without a Ref in it, makes the terminal's text for the
	// call that ref; the reply has the leg id and the answer. Its terminal is as an
	// Offer's. If its outcome stays unknown, the call waits for its subscriber as
	// one whose terminal was lost does. The answer to a Reoffer is in its reply
	// too. A Reoffer, a RefuseReoffer, a Push or an Answer in an answered call whose
	// outcome stays unknown gets CODE_RETRY and leaves the call as it is.
	Accept(ctx context.Context, c *callv1.Command, ref Ref, ack Ack)

	// Signal sends candidates or DTMF of a leg. It is not journaled and does not
	// wait. The host routes it by what it knows of the leg.
	Signal(ctx context.Context, s *callv1.Signal) error

	// Resolve gives the leg id that a terminal's reference names: the leg itself
	// if ref is one of this cluster's leg ids, else the calling leg of the call
	// that (subscriber, scope, ref) names. ours tells the two apart. A call's own
	// id names the leg that the terminal of the ref, or without one the subscriber
	// by a Pull, has in that call here; if there is none, its calling leg. The name
	// that a terminal pulled a call under comes before all of these. A leg id is a
	// name, not a capability: the call's owner checks whose it is.
	Resolve(subscriber string, ref Ref) (legID string, ours bool)

	// Calls tells a terminal that has just attached, and whose features say
	// shows_calls, which answered calls of its subscriber it is not in: an event
	// with an InCall for each, the latest call first. Such an event is not
	// delivered again, and what was delivered before, or is being delivered, is not
	// in it; what changes after it comes by Deliver. It blocks for one round trip.
	// Errors: CODE_RETRY; CODE_NOT_FOUND for a terminal not attached here.
	Calls(ctx context.Context, terminalID string) ([]*callv1.Event, error)

	// LookUp has the directory say whom a canonical address names; CODE_NOT_FOUND
	// for nobody, CODE_RETRY.
	LookUp(ctx context.Context, address string) (*callv1.Party, error)

	// PutDevice has the directory remember a device that can be woken. Errors:
	// CODE_NOT_FOUND, CODE_OVERLOAD, CODE_INVALID, CODE_RETRY.
	PutDevice(ctx context.Context, d *callv1.PutDevice) error

	// Wake has the directory wake a subscriber's devices; it does not wait for
	// the devices.
	Wake(ctx context.Context, w *callv1.Wake) error

	// Store is a small durable map of the adapter kind's own, shared by its
	// nodes. Not for calls.
	Store() Store

	// DrainTimeout is how long Adapter.Run may take once its ctx has ended.
	DrainTimeout() time.Duration

	// Node is the name of this node, unique among its kind's and the same after a
	// restart.
	Node() string

	// Metrics takes what an adapter counts; it never blocks.
	Metrics() Metrics

	// Log is the adapter's logger; it carries kind and node.
	Log() *slog.Logger
}

// Ref is a call as a terminal names it. An empty Ref.ID in an Offer makes the
// host mint a reference (a Pipe has none).
type Ref struct {
	// Scope is what ID is unique in, besides the subscriber: the protocol's
	// name, or a room. Terminals of one protocol that name calls alike share it.
	Scope string
	// ID is the terminal's own text.
	ID string
	// Terminal is the id of the terminal that speaks. It may be left out where no
	// terminal pulls calls: it is needed to tell apart what two terminals of a
	// subscriber mean by the same call's id, and for names that a terminal gave
	// before its call went away and came back by a Pull.
	Terminal string
}

// Store is a durable map of small values. A key is any text of 1 to 256 bytes; a
// slash separates its parts, of which none may be empty.
type Store interface {
	// Get reads a value; CODE_NOT_FOUND if it is not there.
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Put writes a value whose present revision must be revision (0: absent);
	// CODE_CONFLICT otherwise. It returns the new revision.
	Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Delete removes a value; it need not exist.
	Delete(ctx context.Context, key string) error
	// Watch calls f, from one goroutine, with every value whose key is under
	// prefix ("inbox/alice" has "inbox/alice/1", not "inbox/alice" itself; "" has
	// all), then once with an Item without a key, then with every change on any
	// node, until f returns false, which gives nil, or ctx ends, which gives its
	// error. Of changes in quick succession only the last may come. It survives the
	// bus's absence, after which all of it comes again.
	Watch(ctx context.Context, prefix string, f func(Item) bool) error
}

// Item is a value of a Store.
type Item struct {
	Key      string
	Value    []byte
	Revision uint64
	// Deleted: the key was removed.
	Deleted bool
}

// Metrics takes an adapter's counts. Names are of a small closed set, written
// as literals in the adapter ("bad_frames").
type Metrics interface {
	// Count adds to a counter.
	Count(name string, n int)
	// Gauge sets a present value.
	Gauge(name string, v int)
}
