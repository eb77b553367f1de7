package natsbus

import (
	"context"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/tandem-rtc/tandem/bus"
)

// mux matches answers with requests over one subscription. nats.go has the same;
// this one adds that waiting requests fail as soon as the connection is lost,
// and it costs fewer allocations.
type mux struct {
	prefix string // _INBOX.<kind>.<node>.<unique>.

	pool sync.Pool // *waiter

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]*waiter
	err     error // set for good by close
}

// waiter waits for one answer.
type waiter struct {
	token  uint64
	answer chan answer // capacity 1; filled once, by who takes it off the map
}

type answer struct {
	data []byte
	err  error
}

func newMux() *mux {
	return &mux{
		waiting: map[uint64]*waiter{},
		pool:    sync.Pool{New: func() any { return &waiter{answer: make(chan answer, 1)} }},
	}
}

// start subscribes to the answers.
func (m *mux) start(nc *nats.Conn, cfg Config) error {
	m.prefix = nc.NewInbox() + "."
	s, err := nc.Subscribe(m.prefix+"*", m.receive)
	if err != nil {
		return err
	}
	return s.SetPendingLimits(cfg.PendingMessages, cfg.PendingBytes)
}

// add registers a waiter and gives the inbox to ask for an answer on.
func (m *mux) add() (*waiter, string, error) {
	w := m.pool.Get().(*waiter) //nolint:forcetypeassert // nothing else is put in
	m.mu.Lock()
	if err := m.err; err != nil {
		m.mu.Unlock()
		return nil, "", err
	}
	m.last++
	w.token = m.last
	m.waiting[w.token] = w
	m.mu.Unlock()
	var room [96]byte
	inbox := strconv.AppendUint(append(room[:0], m.prefix...), w.token, 36)
	return w, string(inbox), nil
}

// wait waits for the answer or the end of ctx; the waiter is used up.
func (m *mux) wait(ctx context.Context, w *waiter) ([]byte, error) {
	alarm := bus.NewAlarm(ctx)
	defer alarm.Stop()
	select {
	case a := <-w.answer:
		m.pool.Put(w)
		return a.data, a.err
	case <-alarm.Ended:
	case <-alarm.Late:
	}
	m.drop(w)
	return nil, bus.AlarmError(ctx)
}

// drop gives up a waiter that was added.
func (m *mux) drop(w *waiter) {
	m.mu.Lock()
	_, there := m.waiting[w.token]
	delete(m.waiting, w.token)
	m.mu.Unlock()
	if !there {
		<-w.answer // who took it off has filled it
	}
	m.pool.Put(w)
}

// receive handles an answer.
func (m *mux) receive(msg *nats.Msg) {
	token, err := strconv.ParseUint(msg.Subject[len(m.prefix):], 36, 64)
	if err != nil {
		return
	}
	a := answer{data: msg.Data}
	if len(msg.Data) == 0 && msg.Header != nil && msg.Header.Get("Status") == "503" {
		a.err = bus.ErrNoResponders
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if w := m.waiting[token]; w != nil {
		delete(m.waiting, token)
		w.answer <- a
	}
}

// fail ends all waiting requests.
func (m *mux) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for token, w := range m.waiting {
		delete(m.waiting, token)
		w.answer <- answer{err: err}
	}
}

// close ends all requests, present and future.
func (m *mux) close() {
	m.mu.Lock()
	m.err = bus.ErrClosed
	m.mu.Unlock()
	m.fail(bus.ErrClosed)
}
