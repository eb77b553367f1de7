package grpcpipe

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
)

// maxUnsent is how many bytes may wait for one stream, whatever the number of
// messages.
const maxUnsent = 8 << 20

var (
	errOutboxFull   = errors.New("grpcpipe: the client does not read")
	errOutboxClosed = errors.New("grpcpipe: the stream has ended")
)

// outbox writes a stream's messages in order. A goroutine exists only while
// something is to be written, so an idle stream costs none.
type outbox struct {
	send    func(*message) error
	limit   int // messages that may wait
	timeout time.Duration
	// broken hears why the stream must end; it does not block.
	broken func(error)

	mu      sync.Mutex
	queue   []*written
	bytes   int // of the queue
	writing bool
	closed  bool
	space   chan struct{} // closed when the queue shrinks; nil if nobody waits
	idle    chan struct{} // closed when nothing is left to write; nil if nobody waits
}

// written is a message on its way. done is closed once it is with the
// transport, or err tells why it never will be.
type written struct {
	m    *message
	size int
	done chan struct{}
	err  error
}

// push queues a message and does not block; errOutboxFull breaks the stream.
func (o *outbox) push(m *message) (*written, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, errOutboxClosed
	}
	if len(o.queue) >= o.limit || o.bytes >= maxUnsent {
		o.broken(errOutboxFull)
		o.close(errOutboxFull)
		return nil, errOutboxFull
	}
	return o.append(m), nil
}

// pushWait queues a message, waiting for room as long as ctx lasts: how the
// reading side is slowed down to what the client reads.
func (o *outbox) pushWait(ctx context.Context, m *message) error {
	for {
		o.mu.Lock()
		if o.closed {
			o.mu.Unlock()
			return errOutboxClosed
		}
		if len(o.queue) < o.limit/2+1 && o.bytes < maxUnsent/2 { // leaves room for events
			o.append(m)
			o.mu.Unlock()
			return nil
		}
		if o.space == nil {
			o.space = make(chan struct{})
		}
		space := o.space
		o.mu.Unlock()
		select {
		case <-space:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// flush waits until everything queued is written, ctx ends or the stream breaks.
func (o *outbox) flush(ctx context.Context) {
	o.mu.Lock()
	if !o.writing {
		o.mu.Unlock()
		return
	}
	if o.idle == nil {
		o.idle = make(chan struct{})
	}
	idle := o.idle
	o.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// stop refuses further messages and fails those that wait.
func (o *outbox) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.close(errOutboxClosed)
}

// append is called with mu held.
func (o *outbox) append(m *message) *written {
	w := &written{m: m, size: proto.Size(m), done: make(chan struct{})}
	o.queue = append(o.queue, w)
	o.bytes += w.size
	if !o.writing {
		o.writing = true
		go o.drain()
	}
	return w
}

// drain ends when the queue is empty.
func (o *outbox) drain() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.queue, o.writing = nil, false
			if o.idle != nil {
				close(o.idle)
				o.idle = nil
			}
			o.mu.Unlock()
			return
		}
		w := o.queue[0]
		o.queue = o.queue[1:]
		o.bytes -= w.size
		if o.space != nil {
			close(o.space)
			o.space = nil
		}
		o.mu.Unlock()

		slow := time.AfterFunc(o.timeout, func() { o.broken(errOutboxFull) })
		w.err = o.send(w.m)
		slow.Stop()
		close(w.done)
		if w.err != nil {
			o.broken(w.err)
			o.stop()
		}
	}
}

// close is called with mu held.
func (o *outbox) close(err error) {
	o.closed = true
	for _, w := range o.queue {
		w.err = err
		close(w.done)
	}
	o.queue, o.bytes = nil, 0
	if o.space != nil {
		close(o.space)
		o.space = nil
	}
}
