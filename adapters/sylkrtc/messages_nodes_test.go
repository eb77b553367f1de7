package sylkrtc

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Messaging with the kit's own host, over a bus and its store, at several nodes.

// cluster is a bus with a directory, and somebody who carries commands out.
type cluster struct {
	t      testing.TB
	broker *membus.Server
	fake   *fakeHost // what the directory knows
	owner  *bus.Bus
	nodes  int
}

func newCluster(t testing.TB) *cluster {
	x := &cluster{t: t, broker: membus.NewServer(), fake: newFakeHost()}
	_, err := x.connect("directory", "d1").ServeDirectory(func(_ *callv1.Identity, q *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)) {
		respond(x.answer(q))
	})
	if err != nil {
		t.Fatal(err)
	}
	x.owner = x.connect("callstate", "c1")
	for p := range uint32(64) {
		_, err := x.owner.ServeCommands(p, func(_ *callv1.Identity, call string, c *callv1.Command, respond func(*callv1.Reply)) {
			r, _ := carriedOut(c)
			r.CommandId, r.CallId, r.LegId = c.GetId(), call, c.GetLegId()
			respond(r)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return x
}

func (x *cluster) connect(kind, node string) *bus.Bus {
	d := x.broker.Connect()
	b, err := bus.New(d, kind, node)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { _ = d.Close() })
	return b
}

func (x *cluster) answer(q *callv1.DirectoryRequest) *callv1.DirectoryReply {
	ctx := context.Background()
	r, err := &callv1.DirectoryReply{}, error(nil)
	switch b := q.GetBody().(type) {
	case *callv1.DirectoryRequest_Authenticate:
		r.Principal, err = x.fake.Authenticate(ctx, b.Authenticate.GetCredentials())
	case *callv1.DirectoryRequest_Resolve:
		r.Party, err = x.fake.LookUp(ctx, b.Resolve.GetAddress())
	case *callv1.DirectoryRequest_Domain:
		if ok, _ := x.fake.ServesDomain(ctx, b.Domain.GetName()); !ok {
			err = schema.Errorf(callv1.Code_CODE_NOT_FOUND, "not here")
		}
	case *callv1.DirectoryRequest_Wake:
		err = x.fake.Wake(ctx, b.Wake)
	case *callv1.DirectoryRequest_PutDevice:
		err = x.fake.PutDevice(ctx, b.PutDevice)
	}
	if err != nil {
		r.Error = &callv1.Error{Code: schema.CodeOf(err), Message: err.Error()}
	}
	return r
}

// node is a running adapter.
type node struct {
	x    *cluster
	name string
	url  string
	a    *adapter
	stop func()
}

func (x *cluster) node(change func(*Config)) *node {
	x.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		x.t.Fatal(err)
	}
	cfg := Defaults()
	cfg.Listener = l
	calm(cfg)
	if change != nil {
		change(cfg)
	}
	if err := cfg.Validate(); err != nil {
		x.t.Fatal(err)
	}
	x.nodes++
	n := &node{x: x, name: fmt.Sprint("n", x.nodes), url: "ws://" + l.Addr().String() + cfg.Path}
	spec := Spec()
	plain := spec.New
	spec.New = func(c kit.Config, h kit.Host) (kit.Adapter, error) {
		a, err := plain(c, h)
		n.a, _ = a.(*adapter)
		n.a.messaging.dialogTimeout = 300 * time.Millisecond
		return a, err
	}
	b := x.connect(Kind, n.name)
	env := kit.Env{
		Bus: b, Terminals: bus.NewTerminals(b), Nodes: bus.NewNodes(b, time.Second, 5*time.Second),
		Key: x.fake.key, Log: slog.New(slog.DiscardHandler), Limits: kit.Limits{DrainTimeout: 5 * time.Second},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- kit.Run(ctx, spec, cfg, env, func() { close(ready) }) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			x.t.Errorf("%s: %v", n.name, err)
		}
	})
	x.t.Cleanup(n.stop)
	select {
	case <-ready:
	case <-time.After(patience):
		x.t.Fatal("the node is not ready")
	}
	return n
}

// client connects and signs in.
func (n *node) client(name string) *client {
	n.x.t.Helper()
	ws, err := sylkrtctest.Dial(within(n.x.t), n.url, sylkrtctest.V2, sylkrtctest.Options{})
	if err != nil {
		n.x.t.Fatal(err)
	}
	n.x.t.Cleanup(ws.Close)
	c := &client{t: n.x.t, Client: ws}
	c.ok(c.SignIn(within(n.x.t), name+"@"+domain, "secret"))
	n.x.settled(n, name+"@"+domain)
	return c
}

// settled waits until a node knows what an account was told.
func (x *cluster) settled(n *node, account string) {
	x.t.Helper()
	x.eventually("a box of "+account, func() bool {
		_, err := n.a.messaging.boxes.Get(within(x.t), owned(account))
		return err == nil && n.a.messaging.quiet(owned(account))
	})
}

// quiet says whether a line has nothing to do.
func (m *messaging) quiet(owner string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lines {
		if l.owner == owner {
			return !l.running && l.known
		}
	}
	return false
}

func (x *cluster) eventually(what string, f func() bool) {
	x.t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-late:
			x.t.Fatalf("never: %s", what)
		}
	}
}

func TestNodesMessage(t *testing.T) {
	x := newCluster(t)
	one, two := x.node(nil), x.node(nil)
	from, also, to, twin := one.client("alice"), two.client("alice"), two.client("bob"), one.client("bob")
	from.writes(alice, bob, "m1", "hello")
	from.becomes("m1", "accepted", 200)
	if e := also.hears("sync"); e.str("content.message_id") != "m1" {
		t.Errorf("heard %v", e)
	}
	also.becomes("m1", "accepted", 200)
	for _, c := range []*client{to, twin} {
		if e := c.hears("message"); e.str("content") != "hello" {
			t.Errorf("heard %v", e)
		}
	}
	to.ok(to.request("account-disposition-notification", map[string]any{
		"account": bob, "uri": alice, "message_id": "m1", "state": "displayed", "timestamp": someTime}))
	from.becomes("m1", "displayed", 200)
	also.becomes("m1", "displayed", 200)
	to.request2("account-mark-conversation-read", map[string]any{"contact": alice})
	if e := twin.hears("sync"); e.str("action") != "read" {
		t.Errorf("heard %v", e)
	}
	for c, account := range map[*client]string{from: alice, also: alice} {
		if list := c.history(account, nil); len(list) != 1 || list[0].str("state") != "displayed" {
			t.Errorf("the history is %v", list)
		}
	}
	for _, c := range []*client{from, also, to, twin} {
		c.nothing()
	}
}

// What was acknowledged is there after the node that took it has gone, and after
// all have.
func TestNodesRestart(t *testing.T) {
	x := newCluster(t)
	one := x.node(nil)
	from, to := one.client("alice"), one.client("bob")
	to.ok(to.Leave())
	x.eventually("bob's leaving", func() bool { return len(one.a.messaging.at(owned(bob))) == 0 })
	for n := range 5 {
		from.writes(alice, bob, fmt.Sprint("m", n), "x")
	}
	one.stop()
	two := x.node(nil)
	again := two.client("bob")
	for n := range 5 {
		if e := again.hears("message"); e.str("message_id") != fmt.Sprint("m", n) {
			t.Errorf("heard %v", e)
		}
	}
	if got := idsOf(again.history(bob, nil)); got != "m0 m1 m2 m3 m4" {
		t.Errorf("the history is %s", got)
	}
	back := two.client("alice")
	if got := idsOf(back.history(alice, nil)); got != "m0 m1 m2 m3 m4" {
		t.Errorf("the sender's history is %s", got)
	}
	two.stop()
	three := x.node(nil)
	last := three.client("bob")
	last.history(bob, nil)
	last.nothing() // all were delivered
}

// While the bus is away requests are refused; when it is back all goes on, and
// what was written meanwhile at another node is told.
func TestNodesBusAway(t *testing.T) {
	x := newCluster(t)
	one, two := x.node(nil), x.node(nil)
	from, to := one.client("alice"), two.client("bob")
	x.broker.Stop()
	from.refused(from.request("account-message", text(alice, bob, "m1", "x")), "503 Service Unavailable")
	x.broker.Start()
	x.eventually("the bus is back", func() bool { return from.request("account-message", text(alice, bob, "m1", "x")) == nil })
	if e := to.hears("message"); e.str("message_id") != "m1" {
		t.Errorf("heard %v", e)
	}
	from.becomes("m1", "accepted", 200)
}

// Many senders at several nodes write to one account at once: each connection of
// it hears each message, once.
func TestNodesManySenders(t *testing.T) {
	x := newCluster(t)
	nodes := []*node{x.node(nil), x.node(nil), x.node(nil)}
	const senders, each = 6, 20
	var to []*client
	for _, n := range nodes {
		to = append(to, n.client("bob"))
	}
	var wg sync.WaitGroup
	for i := range senders {
		name := []string{"alice", "carol"}[i%2]
		c := nodes[i%len(nodes)].client(name)
		wg.Go(func() {
			for n := range each {
				id := fmt.Sprint("s", i, "-", n)
				if err := c.request("account-message", text(name+"@"+domain, bob, id, "x")); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
	for _, c := range to {
		var ids []string
		for range senders * each {
			ids = append(ids, c.hears("message").str("message_id"))
		}
		slices.Sort(ids)
		if n := len(slices.Compact(ids)); n != senders*each {
			t.Errorf("heard %d messages, want %d", n, senders*each)
		}
	}
	x.eventually("all are delivered", func() bool {
		box, err := nodes[0].a.messaging.boxes.Get(within(t), owned(bob))
		return err == nil && len(box.Waiting) == 0 && box.Items == senders*each
	})
	if list := to[0].history(bob, nil); len(list) != senders*each {
		t.Errorf("the history has %d", len(list))
	}
	for _, c := range to {
		c.nothing()
	}
}

func TestNodesSessionMessage(t *testing.T) {
	x := newCluster(t)
	one, two := x.node(nil), x.node(nil)
	from, to := one.client("alice"), two.client("bob")
	call := x.fake.key.NewCallID("somebody", "elsewhere")
	talk := func(n *node, c *client, account string, with string, ordinal uint32) string {
		x.eventually("a terminal", func() bool { return len(n.a.messaging.at(owned(account))) == 1 })
		at := n.a.messaging.at(owned(account))[0]
		e := incomingEvent()
		e.GetIncoming().Caller = party(with)
		e.CallId, e.LegId, e.Number = call, schema.LegID(call, ordinal), 1
		e.TerminalId, e.Subscriber = at.terminalID(), at.principal.GetSubscriber()
		if _, err := x.owner.Event(within(t), Kind, n.name, e); err != nil {
			t.Fatal(err)
		}
		m, err := c.Incoming(within(t), account)
		c.ok(err)
		c.ok(c.Answer(within(t), m.Session, "x"))
		c.state(m.Session, "accepted")
		return m.Session
	}
	a, b := talk(one, from, alice, "bob", 2), talk(two, to, bob, "alice", 3)
	from.ok(from.request("session-message", dialogText(a, "d1")))
	if e := to.hears("message"); e.str("session") != b || e.str("sender.uri") != alice || e.str("content") != "hello" {
		t.Errorf("heard %v", e)
	}
	if e := from.hears("disposition-notification"); e.str("session") != a || e.str("state") != "accepted" {
		t.Errorf("heard %v", e)
	}
	to.ok(to.request("account-disposition-notification", map[string]any{
		"account": bob, "uri": alice, "message_id": "d1", "state": "delivered", "timestamp": someTime}))
	if e := from.hears("disposition-notification"); e.str("session") != a || e.str("state") != "delivered" {
		t.Errorf("heard %v", e)
	}
	to.ok(to.Terminate(within(t), b))
	to.terminated(b, "200 to BYE")
	from.ok(from.request("session-message", dialogText(a, "d2")))
	if e := from.hears("disposition-notification"); e.str("message_id") != "d2" || e.str("state") != "failed" || e.str("code") != "480" {
		t.Errorf("heard %v", e)
	}
}

func TestNodesContactsAndKeys(t *testing.T) {
	x := newCluster(t)
	one, two := x.node(nil), x.node(nil)
	c, also, other := one.client("alice"), two.client("alice"), two.client("bob")
	c.ok(c.updates("add", "contact", contactOf("c1", bob)))
	if e := also.hears("addressbook-updated"); e.str("contact.id") != "c1" {
		t.Errorf("heard %v", e)
	}
	also.ok(also.updates("add", "contact", contactOf("c2", bob)))
	c.hears("addressbook-updated")
	if e := c.hears("addressbook-updated"); e.str("contact.id") != "c2" {
		t.Errorf("heard %v", e)
	}
	c.ok(c.request("account-message", with(text(alice, bob, "k1", publicKeyText), "content_type", "text/pgp-public-key")))
	if e := other.hears("message"); e.str("content") != publicKeyText {
		t.Errorf("heard %v", e)
	}
	if e := read(t, other.keyOf(alice)); e.str("public_key") != publicKeyText {
		t.Errorf("the key is %v", e)
	}
	c.ok(c.request("account-message", with(text(alice, alice, "k2", "secret"), "content_type", "text/pgp-private-key")))
	also.hears("sync")
	if e := also.hears("sync"); e.str("content.content") != "secret" {
		t.Errorf("heard %v", e)
	}
}

// Devices are woken for what no node delivers.
func TestNodesWake(t *testing.T) {
	x := newCluster(t)
	soon := func(c *Config) { c.Messages.WakeAfter = 300 * time.Millisecond }
	one, two := x.node(soon), x.node(soon)
	from, to := one.client("alice"), two.client("bob")
	from.writes(alice, bob, "m1", "x")
	to.hears("message")
	x.eventually("it is delivered", func() bool {
		box, err := one.a.messaging.boxes.Get(within(t), owned(bob))
		return err == nil && len(box.Waiting) == 0
	})
	to.ok(to.Leave())
	x.eventually("bob's leaving", func() bool { return len(two.a.messaging.at(owned(bob))) == 0 })
	from.writes(alice, bob, "m2", "x")
	w := <-x.fake.wakes
	if w.GetSubscriber() != "bob" || w.GetWhat() != "message" || w.GetAccount() != bob || len(x.fake.wakes) != 0 {
		t.Errorf("woken: %v", w)
	}
}
