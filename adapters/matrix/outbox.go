package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// outbox sends events, those of a room one after the other. A room's queue is
// bounded and has a goroutine while there is anything in it, so that a room whose
// server is slow, or that is limited, delays itself alone.
//
// Most messages wait only as long as their sender does; what has not been sent by
// then is taken back, and its sender tries again. What must be said (the end of a
// call) is stored then and tried for RetryFor, also after a restart.
type outbox struct {
	t *term

	mu    sync.Mutex
	rooms map[id.RoomID]*queue
	ended bool
	work  sync.WaitGroup
	ctx   context.Context //nolint:containedctx // the term's; ends all queues
}

// maxQueue is how many messages of one room wait.
const maxQueue = 128

// message is one event on its way. The exported fields are stored.
type message struct {
	Room    id.RoomID       `json:"room"`
	As      id.UserID       `json:"as"`
	Type    string          `json:"type"`
	Content json.RawMessage `json:"content"`
	Txn     string          `json:"txn"`
	Until   time.Time       `json:"until"` // of what must be said

	must bool
	// doubt: it may have been sent, by a former start or by a try without an answer.
	// The room's queue alone changes it.
	doubt bool
	done  chan error // gets the outcome, once

	// Guarded by outbox.mu.
	key       string // where it is stored; "" if it is not
	abandoned bool   // nobody waits for it any more: it is not tried again
	finished  bool
}

type queue struct {
	messages []*message
	sending  *message
	wake     chan struct{} // a message was taken back
}

func newOutbox(t *term) *outbox {
	return &outbox{t: t, ctx: t.ctx, rooms: map[id.RoomID]*queue{}}
}

// send sends an event and waits until the homeserver has it, or ctx ends: then
// what must be said is stored, and nil returned; everything else is taken back
// with CODE_RETRY. Another error says that the homeserver refuses it for good.
func (o *outbox) send(ctx context.Context, m *message) error {
	m.done = make(chan error, 1)
	if m.must && m.Until.IsZero() {
		m.Until = time.Now().Add(o.t.cfg.RetryFor)
	}
	if err := o.put(m); err != nil {
		return err
	}
	select {
	case err := <-m.done:
		return err
	case <-ctx.Done():
	case <-o.ctx.Done():
	}
	if m.must && o.keep(m) {
		return nil
	}
	if o.takeBack(m) {
		return schema.Errorf(callv1.Code_CODE_RETRY, "matrix: not sent in time")
	}
	select { // it is being sent: its outcome comes, or nobody knows it
	case err := <-m.done:
		return err
	case <-time.After(time.Second):
		return schema.Errorf(callv1.Code_CODE_RETRY, "matrix: whether it was sent is not known")
	}
}

// keep stores a message that waits; false if that was not possible.
func (o *outbox) keep(m *message) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), releaseWithin)
	defer cancel()
	r := record{key: fmt.Sprintf("%s/%020d-%s", outPrefix, time.Now().UnixNano(), schema.NewID()[:8])}
	if err := r.save(ctx, o.t.store(), func() ([]byte, error) { return json.Marshal(m) }); err != nil {
		o.t.log.Warn("a message could not be stored", "room", m.Room, "type", m.Type, "error", err)
		return false
	}
	o.mu.Lock()
	m.key = r.key
	done := m.finished
	o.mu.Unlock()
	if done { // it was sent meanwhile
		o.unkeep(r.key)
		return true
	}
	o.t.log.Info("kept until the homeserver takes it", "room", m.Room, "type", m.Type)
	return true
}

func (o *outbox) unkeep(key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.ctx), releaseWithin)
	defer cancel()
	r := record{key: key}
	if err := r.remove(ctx, o.t.store()); err != nil {
		o.t.log.Warn("a message that was sent is still stored", "error", err)
	}
}

// load takes up what an earlier node stored.
func (o *outbox) load(ctx context.Context) error {
	return readAll(ctx, o.t.store(), outPrefix, func(i kit.Item) {
		m := &message{must: true, doubt: true, done: make(chan error, 1)}
		if err := json.Unmarshal(i.Value, m); err != nil {
			o.t.log.Warn("unreadable message", "key", i.Key, "error", err)
			return
		}
		m.key = i.Key
		_ = o.put(m) // a full queue: the next start takes it up
	})
}

func (o *outbox) put(m *message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return schema.Errorf(callv1.Code_CODE_RETRY, "matrix: this node has stopped to serve")
	}
	q := o.rooms[m.Room]
	if q == nil {
		q = &queue{wake: make(chan struct{}, 1)}
		o.rooms[m.Room] = q
		o.work.Go(func() { o.run(m.Room, q) })
	}
	if len(q.messages) >= maxQueue {
		return schema.Errorf(callv1.Code_CODE_RETRY, "matrix: too many events of this room wait")
	}
	q.messages = append(q.messages, m)
	o.t.a.host.Metrics().Count("events_queued", 1)
	return nil
}

// takeBack takes a message out of its queue. False: it is being sent, and will not
// be tried again after that.
func (o *outbox) takeBack(m *message) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	m.abandoned = true
	q := o.rooms[m.Room]
	if q == nil || q.sending == m {
		return false
	}
	for i, other := range q.messages {
		if other == m {
			q.messages = append(q.messages[:i:i], q.messages[i+1:]...)
			select {
			case q.wake <- struct{}{}:
			default:
			}
			return true
		}
	}
	return false
}

// run sends a room's messages until there are none.
func (o *outbox) run(room id.RoomID, q *queue) {
	for try := 0; ; {
		o.mu.Lock()
		if len(q.messages) == 0 || o.ended {
			delete(o.rooms, room)
			o.mu.Unlock()
			return
		}
		m := q.messages[0]
		q.sending = m
		o.mu.Unlock()
		err := o.t.transmit(o.ctx, m)
		o.mu.Lock()
		q.sending = nil
		again := !m.abandoned && (!m.must || time.Now().Before(m.Until))
		o.mu.Unlock()
		if again && schema.CodeOf(err) == callv1.Code_CODE_RETRY {
			var limited retryError
			m.doubt = m.doubt || !errors.As(err, &limited)
			if try++; try == 3 {
				o.t.log.Warn("the homeserver does not take events", "room", room, "type", m.Type, "error", err)
			}
			o.pause(q, err, try)
			continue
		}
		try = 0
		o.finish(q, m, err)
	}
}

// pause waits before a message is tried again, or until the queue has changed.
func (o *outbox) pause(q *queue, err error, try int) {
	d := min(50*time.Millisecond<<min(try, 8), 5*time.Second)
	var limited retryError
	if errors.As(err, &limited) {
		d = max(limited.after, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-q.wake:
	case <-o.ctx.Done():
	}
	if o.ctx.Err() != nil {
		o.end()
	}
}

// finish tells a message's outcome and drops it.
func (o *outbox) finish(q *queue, m *message, err error) {
	o.mu.Lock()
	for i, other := range q.messages {
		if other == m {
			q.messages = append(q.messages[:i:i], q.messages[i+1:]...)
			break
		}
	}
	m.finished = true
	key := m.key
	o.mu.Unlock()
	m.done <- err
	if key != "" {
		o.unkeep(key)
	}
	if err != nil {
		o.t.log.Warn("the homeserver refuses an event", "room", m.Room, "type", m.Type, "error", err)
	}
}

func (o *outbox) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

// close ends all queues and waits for them. What was not sent is tried again by
// those who asked, or is stored.
func (o *outbox) close() {
	o.end()
	o.work.Wait()
}
