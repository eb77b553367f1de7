package kittest

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest/stubmedia"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate"
)

const (
	// defaultPatience is a Harness's Patience.
	defaultPatience = 10 * time.Second
	// quiet is how long it watches for what must not.
	quiet = 30 * time.Millisecond
	// nodeName is the adapter's node, mediaNode the one that takes signals.
	nodeName  = "n1"
	mediaNode = "m1"
)

// limits make waiting short where a test scripts what has to be waited for.
func limits() kit.Limits {
	return kit.Limits{
		AcceptRetryFor: 800 * time.Millisecond,
		TryTimeout:     250 * time.Millisecond,
		DeliverTimeout: time.Second,
		DrainTimeout:   2 * time.Second,
		GiveUpFor:      20 * time.Second,
		MaxLegs:        1000,
		MaxTerminals:   100,
	}
}

// rig is an adapter's node between scripted ends.
type rig struct {
	t       T
	h       Harness
	broker  *membus.Server
	key     schema.IDKey
	tables  *tables
	dir     *directory
	owner   *owner
	signals chan *callv1.Signal
	log     *logBuffer

	// Of the rules that run a whole exchange.
	callState     callstate.Config
	stopCallState func()
	media         *stubmedia.Engine // nil if another serves
	journal       *bus.Bus

	node  *running // the first, of the rules that need no more
	conns []bus.Driver
}

// running is one run of the adapter.
type running struct {
	node    Node
	cancel  context.CancelFunc
	ended   chan struct{}
	err     error
	clients []Client
}

// newRig makes the bus and the directory. Everything ends with the test, in the
// right order.
func newRig(t T, h Harness) *rig {
	t.Helper()
	k := &rig{
		t: t, h: h, broker: membus.NewServer(), key: schema.NewIDKey([]byte("kittest")),
		tables: newTables(), dir: newDirectory(), log: &logBuffer{},
	}
	t.Cleanup(func() {
		for _, c := range k.conns {
			_ = c.Close()
		}
		if t.Failed() {
			t.Logf("the nodes' log:\n%s", k.log.String())
		}
	})
	if err := k.dir.serve(k.identity("directory", "d1")); err != nil {
		t.Fatalf("kittest: %v", err)
	}
	return k
}

// scripted starts the ends that the test scripts, and the adapter's node.
func (k *rig) scripted() *rig {
	k.t.Helper()
	k.signals = make(chan *callv1.Signal, 1024)
	k.owner = newOwner(k.identity("callstate", "owner"))
	if err := k.owner.start(); err != nil {
		k.t.Fatalf("kittest: %v", err)
	}
	_, err := k.identity("media", mediaNode).ServeSignals(func(_ *callv1.Identity, s *callv1.Signal) {
		select {
		case k.signals <- s:
		default:
		}
	})
	if err != nil {
		k.t.Fatalf("kittest: %v", err)
	}
	k.node = k.start(nodeName)
	return k
}

// identity makes a bus connection of its own.
func (k *rig) identity(kind, node string) *bus.Bus {
	d := k.broker.Connect()
	k.conns = append(k.conns, d)
	b, err := bus.New(d, kind, node)
	if err != nil {
		k.t.Fatalf("kittest: %v", err)
	}
	return b
}

// start runs the adapter and waits until it is ready.
func (k *rig) start(name string) *running {
	k.t.Helper()
	return k.run(name, k.h.Node(k.t))
}

// run is start for a node that is there already.
func (k *rig) run(name string, n Node) *running {
	k.t.Helper()
	if n.Config != nil {
		if err := n.Config.Validate(); err != nil {
			k.t.Fatalf("the harness's configuration does not work: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{node: n, cancel: cancel, ended: make(chan struct{})}
	b := k.identity(n.Spec.Kind, name)
	nodes := nodeTable{tables: k.tables}
	if k.tables.real {
		nodes.next = bus.NewNodes(b, heartbeat, nodeTTL)
	}
	env := kit.Env{
		Bus: b, Terminals: k.tables, Nodes: nodes,
		Key: k.key, Log: slog.New(slog.NewTextHandler(k.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Limits: limits(),
	}
	if k.tables.real { // whole calls take as long as they take on a busy machine
		env.Limits.AcceptRetryFor, env.Limits.TryTimeout = k.h.Patience, k.h.Patience/4
	}
	ready := make(chan struct{})
	var once sync.Once
	go func() {
		defer close(r.ended)
		r.err = kit.Run(ctx, n.Spec, n.Config, env, func() { once.Do(func() { close(ready) }) })
	}()
	k.t.Cleanup(func() {
		if k.owner != nil {
			k.owner.obey()
		}
		r.stop(k.t)
	})
	select {
	case <-ready:
	case <-r.ended:
		k.t.Fatalf("the adapter ended before it was ready: %v", r.err)
	case <-time.After(k.h.Patience):
		k.t.Fatalf("the adapter did not become ready in %v", k.h.Patience)
	}
	return r
}

// stop drains the adapter and closes the clients.
func (r *running) stop(t T) {
	r.cancel()
	select {
	case <-r.ended:
		if r.err != nil {
			t.Errorf("the adapter did not drain: %v", r.err)
		}
	case <-time.After(3 * limits().DrainTimeout):
		t.Errorf("the adapter did not end")
	}
	for _, c := range r.clients {
		c.Close()
	}
}

// ctx is the time that something may take.
func (k *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(k.t.Context(), k.h.Patience)
	k.t.Cleanup(cancel)
	return ctx
}

// dial connects a client that has not signed in.
func (k *rig) dial() Client { k.t.Helper(); return k.dialNode(k.node) }

func (k *rig) dialNode(n *running) Client {
	k.t.Helper()
	c, err := n.node.Dial(k.ctx())
	if err != nil {
		k.t.Fatalf("dial: %v", err)
	}
	n.clients = append(n.clients, c)
	return c
}

// signIn connects a terminal of an account, and waits until it is attached.
func (k *rig) signIn(a Account) (Client, *callv1.Terminal) {
	k.t.Helper()
	return k.signInAt(k.node, a)
}

func (k *rig) signInAt(n *running, a Account) (Client, *callv1.Terminal) {
	k.t.Helper()
	before := map[string]bool{}
	for _, t := range k.tables.of(a.Subscriber) {
		before[t.GetId()] = true
	}
	c := k.dialNode(n)
	if err := c.SignIn(k.ctx(), a); err != nil {
		k.t.Fatalf("%s could not sign in: %v", a.Subscriber, err)
	}
	var mine *callv1.Terminal
	ok := k.tables.wait(k.ctx(), func() bool {
		for _, t := range k.tables.terminals {
			if t.GetSubscriber() == a.Subscriber && (!before[t.GetId()] || !k.can(OwnTerminals)) && t.GetRings() {
				mine = t
			}
		}
		return mine != nil
	})
	if !ok {
		k.t.Fatalf("%s signed in, but no terminal that rings was attached", a.Subscriber)
	}
	return c, mine
}

// asked waits for the next command and requires its kind.
func (k *rig) asked(kind string) *asked {
	k.t.Helper()
	a, ok := k.owner.next(k.ctx())
	if !ok {
		k.t.Fatalf("the owner was not sent: %s", kind)
	}
	if a.kind() != kind {
		k.t.Fatalf("the owner was sent: %s of leg %s; want: %s", a.kind(), a.c.GetLegId(), kind)
	}
	return a
}

// notAsked requires that nothing is sent to the owner for a while.
func (k *rig) notAsked() {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), quiet)
	defer cancel()
	if a, ok := k.owner.next(ctx); ok {
		k.t.Errorf("the owner was sent: %s of leg %s by %s; want nothing", a.kind(), a.c.GetLegId(), a.c.GetPrincipal())
	}
}

// hears waits for the next thing a call says.
func (k *rig) hears(c Call) Heard {
	k.t.Helper()
	heard, err := c.Next(k.ctx())
	if err != nil {
		k.t.Fatalf("nothing more was heard: %v", err)
	}
	return heard
}

// wants requires what a call says next.
func (k *rig) wants(c Call, what What) Heard {
	k.t.Helper()
	heard := k.hears(c)
	if heard.What != what {
		k.t.Fatalf("heard %+v; want: %s", heard, what)
	}
	return heard
}

// acked requires the acknowledgement of a request, on a wire that has them.
func (k *rig) acked(c Call) {
	k.t.Helper()
	if k.can(Acks) {
		k.wants(c, Acked)
	}
}

// silent requires that a call says nothing for a while.
func (k *rig) silent(c Call, why string) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), quiet)
	defer cancel()
	heard, err := c.Next(ctx)
	switch {
	case err == nil:
		k.t.Errorf("heard %+v %s; want nothing", heard, why)
	case ctx.Err() == nil:
		k.t.Errorf("the connection broke %s: %v", why, err)
	}
}

func (k *rig) can(a Ability) bool { _, cannot := k.h.Protocol.Cannot[a]; return !cannot }

// logBuffer keeps the last of a node's log.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() < 64<<10 {
		l.b.Write(p)
	}
	return len(p), nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
