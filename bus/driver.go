package bus

import (
	"context"
	"errors"
	"time"
)

// What a request can fail with, besides a context's error.
var (
	// ErrNoResponders: nobody serves the subject; nothing happened.
	ErrNoResponders = errors.New("bus: no responders")
	// ErrTimeout: no answer came; whether it was carried out is unknown.
	ErrTimeout = errors.New("bus: timeout")
	// ErrClosed: this bus was closed.
	ErrClosed = errors.New("bus: closed")
	// ErrUnavailable: the bus or its storage cannot be reached now.
	ErrUnavailable = errors.New("bus: unavailable")
	// ErrConflict: a compare-and-set found another sequence.
	ErrConflict = errors.New("bus: conflict")
	// ErrNotFound: no such record or key.
	ErrNotFound = errors.New("bus: not found")
	// ErrFull: storage refuses further writes.
	ErrFull = errors.New("bus: storage full")
)

// Msg is a request or a publication as its server sees it.
type Msg struct {
	Subject string
	Data    []byte
	// Value is set instead of Data, and RespondValue instead of Respond, when the
	// request came by a Shortcut: a message that neither side may change.
	Value        any
	RespondValue func(any)
	// Lend, if set, has f run on the requester's goroutine as soon as the handler
	// has returned, and true is what it gives. It is for work that the handler
	// must not do itself and would start a goroutine for; call it from the
	// handler, once.
	Lend func(f func()) bool
	// Respond answers a request; it does nothing for a publication. It does not
	// block and may be called once, from any goroutine, also after the handler
	// returned.
	Respond func([]byte)
}

// Handler serves messages of one subscription, one at a time and in order. It
// must not block: it hands long work to a bounded queue of its own. It owns
// Data.
type Handler func(Msg)

// Subscription ends a Serve. Stop returns once no handler runs any more; it must
// not be called from the handler.
type Subscription interface{ Stop() }

// Driver is a transport with storage. All methods may be called from any
// goroutine. Subjects and filters are NATS subjects ("*" one token, ">" the
// rest).
type Driver interface {
	// Request sends and waits for one answer until ctx ends. It fails at once
	// with ErrNoResponders when nobody serves the subject, with ErrUnavailable
	// when the bus is away, and with ErrLost when it goes away meanwhile.
	Request(ctx context.Context, subject string, data []byte) ([]byte, error)
	// Publish sends without an answer; it does not wait for delivery.
	Publish(subject string, data []byte) error
	// Serve handles what comes on filter. Members of the same non-empty queue
	// share the messages. It returns once the subscription is in force.
	Serve(filter, queue string, h Handler) (Subscription, error)
	// Records is the journal of call and pair records.
	Records() Records
	// KV opens a bucket, creating it if needed.
	KV(ctx context.Context, cfg KVConfig) (KV, error)
	// OnReconnect registers f to be called, on a goroutine of the driver's, each
	// time the bus is back after it was away. The returned func unregisters.
	OnReconnect(f func()) (cancel func())
	// Close ends all subscriptions and requests and waits for running handlers,
	// so it must not be called from one. Idempotent.
	Close() error
}

// Shortcut is a driver that can hand a request to a server in the same process
// as it is, without putting it into bytes.
type Shortcut interface {
	// RequestValue is Request for a message as a Go value, which nobody may change
	// afterwards; the same holds for the answer. served is false if no server in
	// this process takes the subject; then nothing happened.
	RequestValue(ctx context.Context, subject string, value any) (answer any, served bool, err error)
}

// Record is a stored record.
type Record struct {
	Subject string
	Data    []byte
	// Seq is what the next write of the subject must expect.
	Seq uint64
}

// Write is one record to be written.
type Write struct {
	Subject string
	// Data replaces the record. Empty Data with a TTL is a tombstone: readers
	// get it like any record until it expires.
	Data []byte
	// Expect is the sequence the subject must have: 0 for none.
	Expect uint64
	// TTL after which the record disappears; 0 keeps it. Whole seconds.
	TTL time.Duration
}

// Records is a journal with one record a subject and compare-and-set.
type Records interface {
	// Load reads the last record of a subject from the leader (never stale). With
	// a filter it reads the one that was written last of those under it.
	Load(ctx context.Context, filter string) (Record, error)
	// Commit writes all or nothing and returns the new sequences in order. It
	// fails with ErrConflict if any Expect does not hold, and with
	// ErrUnavailable or a context error when the outcome is unknown. On NATS with
	// one replica on disk several writes cost a hundred times one: the server
	// makes and syncs a file for each batch (three replicas stage in memory).
	Commit(ctx context.Context, writes ...Write) ([]uint64, error)
	// Scan calls f for the last record of each subject under filter, until f
	// returns false. What is committed before the call is seen.
	Scan(ctx context.Context, filter string, f func(Record) bool) error
	// Usage is the stored share of what the journal may hold, 0 to 1; 0 if
	// unlimited.
	Usage(ctx context.Context) (float64, error)
}

// KVConfig describes a bucket.
type KVConfig struct {
	// Bucket is its name: [0-9A-Za-z_-].
	Bucket string
	// Memory keeps it in memory: lost when the bus restarts.
	Memory bool
	// TTL removes keys not written for so long; 0 keeps them.
	TTL time.Duration
}

// Entry is a key's value.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
	// Deleted marks a removal seen by a watcher.
	Deleted bool
}

// KV is a bucket of keys ([0-9A-Za-z_=.-], "." separates tokens).
type KV interface {
	// Get reads a key from the leader; ErrNotFound if it is not there.
	Get(ctx context.Context, key string) (Entry, error)
	// Put writes a key and returns its revision.
	Put(ctx context.Context, key string, value []byte) (uint64, error)
	// Update writes a key that must have the revision; 0 means it must not
	// exist. ErrConflict otherwise.
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Delete removes a key; it need not exist.
	Delete(ctx context.Context, key string) error
	// DeleteAt removes a key that must have the revision; ErrConflict otherwise.
	DeleteAt(ctx context.Context, key string, revision uint64) error
	// Watch calls f, from one goroutine in order, with the present entries under
	// filter, then with Synced (an Entry with an empty key, whose Revision is the
	// one up to which the view is complete), then with changes until ctx ends. It
	// survives reconnects: after one, f gets all present entries again, a removal
	// with Revision 0 for each key it knows that is gone, and Synced. Keys that
	// the TTL removed are only told of in that way. It returns ctx's error when
	// ctx ends, nil when f returned false, ErrClosed with the driver.
	Watch(ctx context.Context, filter string, f func(Entry) bool) error
	// LastRevision is the revision of the bucket's last write, from the leader.
	LastRevision(ctx context.Context) (uint64, error)
}
