package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// idle is an adapter that does nothing.
type idle struct{}

func (idle) Run(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

func (idle) Deliver(context.Context, *callv1.Event) error { return nil }

// adapterStore runs a node of an adapter kind and gives its store.
func adapterStore(t *testing.T, b broker, node string) kit.Store {
	t.Helper()
	conn := connector(t, b, func(c *natsbus.Config) { c.Node = node })()
	identity, err := bus.New(conn, "test", node)
	if err != nil {
		t.Fatal(err)
	}
	var host kit.Host
	spec := kit.Spec{Kind: "test", New: func(_ kit.Config, h kit.Host) (kit.Adapter, error) { host = h; return idle{}, nil }}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- kit.Run(ctx, spec, nil, kit.Env{
			Bus: identity, Terminals: bus.NewTerminals(identity), Nodes: bus.NewNodes(identity, time.Second, 4*time.Second),
			Key: schema.NewIDKey([]byte("test")),
		}, func() { close(ready) })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return host.Store()
}

// An adapter's store is one for all nodes of its kind, and a watch of it sees what
// another node writes, also after the server was away.
func TestAdaptersStore(t *testing.T) {
	for name, start := range brokers() {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			one, two := adapterStore(t, b, "n1"), adapterStore(t, b, "n2")
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			put := func(key string) {
				t.Helper()
				for { // the server may be away; a write whose answer was lost is found there
					_, err := one.Put(ctx, key, []byte(key), 0)
					if err == nil || schema.CodeOf(err) == callv1.Code_CODE_CONFLICT {
						return
					}
					if ctx.Err() != nil || schema.CodeOf(err) != callv1.Code_CODE_RETRY {
						t.Fatal(err)
					}
				}
			}
			put("inbox/alice@example.com/1")
			put("inbox/bob/1")
			items, ended := make(chan kit.Item, 100), make(chan error, 1)
			go func() {
				ended <- two.Watch(ctx, "inbox/alice@example.com", func(i kit.Item) bool {
					items <- i
					return i.Key != "inbox/alice@example.com/3"
				})
			}()
			wants := func(key string) {
				t.Helper()
				for {
					select {
					case i := <-items:
						if i.Key == key && (key == "" || string(i.Value) == key) {
							return
						}
						if i.Key != "" && i.Key != "inbox/alice@example.com/1" { // which may come again
							t.Fatalf("watched %+v, want %q", i, key)
						}
					case <-ctx.Done():
						t.Fatalf("%q was not watched", key)
					}
				}
			}
			wants("inbox/alice@example.com/1")
			wants("")
			put("inbox/bob/2")
			put("inbox/alice@example.com/2")
			wants("inbox/alice@example.com/2")
			b.restart()
			wants("inbox/alice@example.com/2") // all of it comes again
			wants("")
			put("inbox/alice@example.com/3")
			wants("inbox/alice@example.com/3")
			if err := <-ended; err != nil {
				t.Errorf("the watch ended with %v", err)
			}
		})
	}
}
