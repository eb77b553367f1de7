package phone

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// line is a terminal's registration, kept up until close: a stream that is lost
// is opened again, and the calls of a MultiPipe go on over the new one.
type line struct {
	o    Connection
	log  *slog.Logger
	conn *grpc.ClientConn
	// notice tells people what happens to the line.
	notice func(format string, args ...any)
	// offers are calls that arrive, shown the calls at other terminals.
	offers chan arrival
	shown  chan *message
	cancel context.CancelFunc
	ended  chan struct{} // closed when the line is down for good; err says why
	err    error

	sending sync.Mutex // one goroutine may use a stream's Send

	mu     sync.Mutex
	stream stream
	up     chan struct{} // closed while stream is set
	boxes  map[string]*inbox
	only   *inbox // of a Pipe, which has one call
	probe  string // see settle
	probed chan struct{}
}

// arrival is a call that arrives.
type arrival struct {
	offer *message
	box   *inbox
}

// inbox is what one call hears.
type inbox struct {
	id string
	in chan event
}

// event is a message, or something that happened to the line.
type event struct {
	m *message
	// lost: the line is down. back: it is up again; a Pipe is then told whether it
	// still has its call, elsewhere.
	lost, back bool
}

const (
	// inboxSize is far more than a call is ever told at once.
	inboxSize = 64
	// maxArrivals is how many calls may ring that nobody has looked at yet.
	maxArrivals = 16
	// firstPause and longestPause bound the pause before connecting again.
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

// openLine makes a line and begins to connect.
func openLine(o Connection, log *slog.Logger, notice func(string, ...any)) (*line, error) {
	conn, err := o.dial()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &line{
		o: o, log: log, conn: conn, notice: notice, cancel: cancel,
		offers: make(chan arrival, maxArrivals), shown: make(chan *message, maxArrivals), ended: make(chan struct{}),
		up: make(chan struct{}), boxes: make(map[string]*inbox),
	}
	go l.run(ctx)
	return l, nil
}

// run ends with ctx, or when the exchange will not have us.
func (l *line) run(ctx context.Context) {
	defer close(l.ended)
	pause := firstPause
	for {
		began := time.Now()
		err := l.once(ctx)
		l.down()
		switch {
		case ctx.Err() != nil:
			l.err = ctx.Err()
			return
		case permanent(err):
			l.err = err
			return
		case time.Since(began) > longestPause:
			pause = firstPause
		}
		l.notice("line down (%s); connecting again", status.Convert(err).Message())
		wait := time.NewTimer(pause/2 + rand.N(pause)) //nolint:gosec // spreads load
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		wait.Stop()
		pause = min(2*pause, longestPause)
		l.conn.ResetConnectBackoff()
	}
}

// permanent reports whether trying again would be of no use.
func permanent(err error) bool {
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.Unimplemented:
		return true
	}
	return false
}

// once is one stream from its opening to its end.
func (l *line) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st, first, err := l.o.register(ctx, l.conn)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.stream = st
	close(l.up)
	l.tell(event{back: true})
	l.mu.Unlock()
	l.notice("registered at %s as %s", l.o.Server, l.o.MSISDN)
	if first != nil {
		l.dispatch(first)
	}
	for {
		m, err := st.Recv()
		if err != nil {
			return err
		}
		l.dispatch(m)
	}
}

// down takes the stream out of use.
func (l *line) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stream == nil {
		return
	}
	l.stream = nil
	l.up = make(chan struct{})
	l.tell(event{lost: true})
}

// tell tells all calls. It is called with mu held.
func (l *line) tell(e event) {
	for _, b := range l.boxes {
		l.put(b, e)
	}
}

// put does not wait: a call that is told so much that it does not keep up is
// told no more, and its server will find out.
func (l *line) put(b *inbox, e event) {
	select {
	case b.in <- e:
	default:
		l.log.Warn("message dropped", "call", b.id)
	}
}

// dispatch hands a message to its call.
func (l *line) dispatch(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := m.GetCallId()
	if l.probe != "" && m.GetError() != nil && (l.o.Single || id == l.probe) {
		l.probe = ""
		close(l.probed)
		return
	}
	b := l.boxes[id]
	if l.o.Single {
		b = l.only
	}
	switch {
	case b != nil:
		l.put(b, event{m: m})
	case m.GetOffer() != nil:
		b = l.add(id)
		select {
		case l.offers <- arrival{offer: m, box: b}:
		default:
			l.remove(b)
			go func() { _ = l.send(context.Background(), byeMessage(id)) }()
		}
	case m.GetInCall() != nil:
		l.notice("in a call with %s at another terminal (call %s)", m.GetInCall().GetMsisdn().GetE164(), id)
		select {
		case l.shown <- m:
		default: // nobody wants to know
		}
	case m.GetIdle() != nil && id != "":
		l.notice("not in call %s any more", id)
	case m.GetIdle() != nil:
		l.notice("in no call")
	default:
		l.log.Debug("message about no call", "call", id)
	}
}

// add makes a call known. It is called with mu held.
func (l *line) add(id string) *inbox {
	b := &inbox{id: id, in: make(chan event, inboxSize)}
	l.boxes[id] = b
	l.only = b
	return b
}

// remove forgets a call. It is called with mu held.
func (l *line) remove(b *inbox) {
	if l.boxes[b.id] == b {
		delete(l.boxes, b.id)
	}
	if l.only == b {
		l.only = nil
	}
}

// begin makes a call that this phone places or pulls known.
func (l *line) begin(id string) *inbox {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.add(id)
}

// finish forgets a call.
func (l *line) finish(b *inbox) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(b)
}

// connected waits until the line is up.
func (l *line) connected(ctx context.Context) error {
	_, err := l.current(ctx, nil)
	return err
}

// current waits for a stream other than old.
func (l *line) current(ctx context.Context, old stream) (stream, error) {
	for {
		l.mu.Lock()
		st, up := l.stream, l.up
		l.mu.Unlock()
		if st != nil && st != old {
			return st, nil
		}
		var again <-chan time.Time
		if st != nil { // broken, and the reader has not noticed yet
			t := time.NewTimer(10 * time.Millisecond)
			defer t.Stop()
			again, up = t.C, nil
		}
		select {
		case <-up:
		case <-again:
		case <-l.ended:
			return nil, l.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// send writes a message, on the next stream if this one breaks.
func (l *line) send(ctx context.Context, m *message) error {
	var st stream
	for {
		var err error
		if st, err = l.current(ctx, st); err != nil {
			return err
		}
		l.sending.Lock()
		err = st.Send(m)
		l.sending.Unlock()
		if err == nil {
			return nil
		}
	}
}

// settle waits until the exchange has read all that was sent: the protocol has
// no acknowledgements, but it answers an action that is none, and reads in order.
func (l *line) settle(ctx context.Context) {
	id := newUUID()
	l.mu.Lock()
	probed := make(chan struct{})
	if l.stream == nil || l.probe != "" {
		l.mu.Unlock()
		return
	}
	l.probe, l.probed = id, probed
	l.mu.Unlock()
	if l.send(ctx, noActionMessage(id)) != nil {
		return
	}
	select {
	case <-probed:
	case <-l.ended:
	case <-ctx.Done():
	}
}

// close ends the registration, once what was said has been read.
func (l *line) close() {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	l.settle(ctx)
	cancel()
	l.mu.Lock()
	if l.stream != nil {
		l.sending.Lock()
		_ = l.stream.CloseSend()
		l.sending.Unlock()
	}
	l.mu.Unlock()
	l.cancel()
	<-l.ended
	_ = l.conn.Close()
}
