package sylkrtc

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// messaging is what a node has for messages, address books, devices and public
// keys. What is kept lies in the store that the nodes share; a node has a line
// for each account that is connected to it, and one watch of all boxes.
//
// Its goroutines: run watches; each line has one while there is something to tell
// its connections. None of them holds the lock while it blocks.
type messaging struct {
	a     *adapter
	store kit.Store
	boxes *mailbox.Boxes

	mu      sync.Mutex
	lines   map[string]*line // by mailbox.Key
	devices map[*account]*callv1.PutDevice
	held    map[*peer]*heldBack
	dialogs dialogs
	flashes map[mailbox.Ref]struct{} // what is to be taken away: owner and id
	timers  int

	// dialogTimeout is how long another node may take to bring a message within a
	// call to its session.
	dialogTimeout time.Duration
}

// line is an account that is connected to this node.
type line struct {
	key     string
	owner   string        // whose it is
	account string        // their address, for the log
	ready   chan struct{} // closed once it is known
	// Guarded by messaging.mu.
	members []*account
	opens   []*account // registered, and not told yet what waits
	running bool
	known   bool           // the box was read
	born    int64          // the box's
	taken   uint64         // number of the last tell that was taken
	tells   []mailbox.Tell // what is to be told
	missed  []mailbox.Ref  // what waits, after tells were missed
}

// take notes what is new in a box; mu is held. What was taken before, and an older
// state of the box, are no news.
func (l *line) take(box *mailbox.Box) {
	switch {
	case !l.known:
		l.taken = box.N
	case l.born != box.Born:
		l.taken = 0
	}
	if !l.known {
		close(l.ready)
	}
	l.known, l.born = true, box.Born
	tells, missed := box.Since(l.taken)
	l.taken = max(l.taken, box.N)
	if l.tells = append(l.tells, tells...); len(l.tells) > maxTellsDue {
		l.tells, missed = l.tells[len(l.tells)-maxTellsDue:], true
	}
	if missed {
		l.missed = box.Waiting
	}
}

// maxTellsDue bounds what one line has to tell; a client that is so slow hears of
// the rest by asking for its conversations.
const maxTellsDue = 1024

const (
	// storeTimeout is how long a request may take in the store.
	storeTimeout = 10 * time.Second
	// lineTimeout is how long a request waits for its account's box to be read.
	lineTimeout = 2 * time.Second
	// watchRetry is the pause after a watch that failed.
	watchRetry = time.Second
	// maxTimers bounds what is to be looked at later.
	maxTimers = 10_000
)

// init is called once, before anything else.
func (m *messaging) init(a *adapter) {
	m.a, m.store = a, a.host.Store()
	m.boxes = mailbox.New(m.store, a.cfg.Messages.limits(), nil)
	m.lines, m.devices, m.held = map[string]*line{}, map[*account]*callv1.PutDevice{}, map[*peer]*heldBack{}
	m.flashes = map[mailbox.Ref]struct{}{}
	m.dialogs.init()
	m.dialogTimeout = 5 * time.Second
}

// run watches what has changed for the accounts here, until draining begins.
func (m *messaging) run(ctx context.Context) {
	defer m.dropAll()
	if err := m.boxes.SweepFlashes(ctx, 2*flashFor); err != nil && ctx.Err() == nil {
		m.a.log.Info("what other nodes left was not taken away", "error", err)
	}
	for {
		err := m.store.Watch(ctx, mailbox.Prefix, m.changed)
		if ctx.Err() != nil {
			return
		}
		m.a.log.Warn("messages are not watched", "error", err)
		retry := time.NewTimer(watchRetry)
		select {
		case <-retry.C:
		case <-ctx.Done():
		}
		retry.Stop()
	}
}

// changed takes a box that has changed.
func (m *messaging) changed(i kit.Item) bool {
	key, ok := mailbox.KeyOf(i.Key)
	if !ok || i.Deleted {
		return true
	}
	m.mu.Lock()
	l := m.lines[key]
	m.mu.Unlock()
	if l == nil {
		return true
	}
	var box mailbox.Box
	if err := json.Unmarshal(i.Value, &box); err != nil {
		m.a.log.Error("a box cannot be read", "account", l.account, "error", err)
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.known { // else it is read anyway
		l.take(&box)
	}
	if m.lines[key] == l {
		m.start(l)
	}
	return true
}

// registered says that an account is signed in: verified, and told so. It is
// called on the connection's request goroutine, also when the account registers
// again, and never with a lock held.
func (m *messaging) registered(a *account) {
	if l := m.join(a); l != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		l.opens = append(l.opens, a)
		m.start(l)
	}
}

// join has a verified account be told what happens to it; nil if its client does
// not understand that.
func (m *messaging) join(a *account) *line {
	if a.p.v != v2 {
		return nil
	}
	owner := a.owner()
	key := mailbox.Key(owner)
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.line != nil && a.line.owner != owner { // the address is another's now
		m.leave(a)
	}
	l := m.lines[key]
	if l == nil {
		l = &line{key: key, owner: owner, account: a.aor.String(), ready: make(chan struct{})}
		m.lines[key] = l
	}
	if !slices.Contains(l.members, a) {
		a.line = l
		l.members = append(l.members, a)
		m.start(l)
	}
	return l
}

// await waits until a line knows what is new from now on: what a connection asks
// for before would be told to nobody.
func (l *line) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lineTimeout)
	defer cancel()
	select {
	case <-l.ready:
		return nil
	case <-ctx.Done():
		return schema.Errorf(callv1.Code_CODE_RETRY, "the account's messages were not read: %w", ctx.Err())
	}
}

// gone says that an account is signed out or its connection has ended. It may be
// called again and from any goroutine, and must not block.
func (m *messaging) gone(a *account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.devices, a)
	m.leave(a)
}

// leave takes an account out of its line. mu is held.
func (m *messaging) leave(a *account) {
	l := a.line
	if l == nil {
		return
	}
	a.line = nil
	is := func(b *account) bool { return a == b }
	l.members, l.opens = slices.DeleteFunc(l.members, is), slices.DeleteFunc(l.opens, is)
	if len(l.members) == 0 && !l.running {
		delete(m.lines, l.key)
	}
}

// at gives the connections that an account has here.
func (m *messaging) at(owner string) []*account {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.lines[mailbox.Key(owner)]; l != nil {
		return slices.Clone(l.members)
	}
	return nil
}

// start has a line look at what is new. mu is held.
func (m *messaging) start(l *line) {
	if !l.running {
		l.running = m.a.spawn(func(context.Context) { m.serve(l) })
	}
}

// serve tells an account's connections what is new until nothing is.
func (m *messaging) serve(l *line) {
	for {
		m.mu.Lock()
		if len(l.members) == 0 || l.known && len(l.tells)+len(l.missed)+len(l.opens) == 0 {
			l.running = false
			if len(l.members) == 0 {
				delete(m.lines, l.key)
			}
			m.mu.Unlock()
			return
		}
		opens, known := l.opens, l.known
		l.opens = nil
		m.mu.Unlock()
		if err := m.turn(l, opens, known); err != nil {
			m.a.log.Debug("an account's messages could not be read", "account", l.account, "error", err)
			m.again(l, opens)
			return
		}
	}
}

// again tries a line once more, a little later: the bus is away.
func (m *messaging) again(l *line, opens []*account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l.running = false
	for _, a := range opens {
		if slices.Contains(l.members, a) {
			l.opens = append(l.opens, a)
		}
	}
	m.laterLocked(watchRetry, func(context.Context) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.lines[l.key] == l {
			m.start(l)
		}
	})
}

// turn tells what is new: everybody what they are to be told, and who has just
// registered what waits.
func (m *messaging) turn(l *line, opens []*account, known bool) error {
	ctx, cancel := m.within()
	defer cancel()
	var waiting []mailbox.Ref
	if !known || len(opens) > 0 {
		box, err := m.boxes.Get(ctx, l.owner)
		if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND {
			if err = m.boxes.Make(ctx, l.owner); err == nil {
				box, err = m.boxes.Get(ctx, l.owner)
			}
		}
		if err != nil {
			return err
		}
		waiting = box.Waiting
		m.mu.Lock()
		l.take(&box)
		m.mu.Unlock()
	}
	m.mu.Lock()
	d := delivery{m: m, l: l, members: slices.Clone(l.members), sent: map[sending]bool{}}
	tells, missed := l.tells, l.missed
	l.tells, l.missed = nil, nil
	m.mu.Unlock()
	if missed != nil {
		m.a.host.Metrics().Count("message_tells_missed", 1)
	}
	for _, r := range missed {
		d.message(ctx, r, d.members)
	}
	for _, t := range tells {
		d.tell(ctx, t)
	}
	for _, r := range waiting {
		d.message(ctx, r, opens)
	}
	d.confirm()
	return nil
}

// dropLater has what is not kept taken away when every node has had time to read
// it.
func (m *messaging) dropLater(owner, id string) {
	r := mailbox.Ref{ID: id, Contact: owner}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flashes[r] = struct{}{}
	m.laterLocked(flashFor, func(ctx context.Context) { m.drop(ctx, r) }) // else when draining
}

func (m *messaging) drop(ctx context.Context, r mailbox.Ref) {
	m.mu.Lock()
	delete(m.flashes, r)
	m.mu.Unlock()
	if err := m.boxes.DropFlash(ctx, r.Contact, r.ID); err != nil {
		m.a.log.Info("not taken away", "account", addressOf(r.Contact), "id", r.ID, "error", err)
	}
}

// dropAll takes away what is left of it: nobody is here any more that would.
func (m *messaging) dropAll() {
	m.mu.Lock()
	left := make([]mailbox.Ref, 0, len(m.flashes))
	for r := range m.flashes {
		left = append(left, r)
	}
	m.mu.Unlock()
	ctx, cancel := m.within()
	defer cancel()
	for _, r := range left {
		m.drop(ctx, r)
	}
}

// within gives a context for the store. It outlasts the connection that asked:
// what is half done would be worse than what is done.
func (m *messaging) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(m.a.work, storeTimeout)
}

// later runs f after a while, unless the server drains before or too much is to
// be done later already; false then.
func (m *messaging) later(d time.Duration, f func(context.Context)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.laterLocked(d, f)
}

func (m *messaging) laterLocked(d time.Duration, f func(context.Context)) bool {
	if m.timers >= maxTimers {
		return false
	}
	m.timers++
	time.AfterFunc(d, func() {
		m.mu.Lock()
		m.timers--
		m.mu.Unlock()
		m.a.spawn(func(context.Context) {
			ctx, cancel := m.within()
			defer cancel()
			f(ctx)
		})
	})
	return true
}
