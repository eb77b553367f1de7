package kit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestStore(t *testing.T) {
	n := start(t, nil)
	s := n.host.Store()
	for _, key := range []string{"plain", "a.b", "!room:example.org", "é", "a=b"} {
		if _, _, err := s.Get(n.ctx(), key); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
			t.Errorf("%q, absent: %v", key, err)
		}
		first, err := s.Put(n.ctx(), key, []byte("one"), 0)
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		if _, err := s.Put(n.ctx(), key, []byte("two"), 0); schema.CodeOf(err) != callv1.Code_CODE_CONFLICT {
			t.Errorf("%q, there already: %v", key, err)
		}
		second, err := s.Put(n.ctx(), key, []byte("two"), first)
		if err != nil {
			t.Errorf("%q: %v", key, err)
		}
		if v, r, err := s.Get(n.ctx(), key); err != nil || string(v) != "two" || r != second {
			t.Errorf("%q: %q at %d, %v", key, v, r, err)
		}
		if err := s.Delete(n.ctx(), key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
		if err := s.Delete(n.ctx(), key); err != nil {
			t.Errorf("%q, again: %v", key, err)
		}
		if _, err := s.Put(n.ctx(), key, []byte("three"), 0); err != nil {
			t.Errorf("%q, after its removal: %v", key, err)
		}
	}
	if _, err := s.Put(n.ctx(), "", nil, 0); schema.CodeOf(err) != callv1.Code_CODE_INVALID {
		t.Errorf("no key: %v", err)
	}
	n.broker.Stop()
	defer n.broker.Start()
	if _, _, err := s.Get(n.ctx(), "plain"); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("the bus is away: %v", err)
	}
}

func TestKeysHaveParts(t *testing.T) {
	n := start(t, nil)
	s := n.host.Store()
	for _, key := range []string{"/a", "a/", "a//b", "/"} {
		if _, err := s.Put(n.ctx(), key, nil, 0); schema.CodeOf(err) != callv1.Code_CODE_INVALID {
			t.Errorf("%q: %v", key, err)
		}
	}
	if err := s.Watch(n.ctx(), "a//b", nil); schema.CodeOf(err) != callv1.Code_CODE_INVALID {
		t.Errorf("watched: %v", err)
	}
}

// watch is a Watch of a store, whose items come by channel.
type watch struct {
	items chan kit.Item
	ended chan error
	stop  context.CancelFunc
}

func (n *node) watch(prefix string) *watch {
	ctx, stop := context.WithCancel(n.ctx())
	w := &watch{items: make(chan kit.Item, 100), ended: make(chan error, 1), stop: stop}
	go func() {
		w.ended <- n.host.Store().Watch(ctx, prefix, func(i kit.Item) bool {
			w.items <- i
			return string(i.Value) != "enough"
		})
	}()
	return w
}

// wants requires the next items; "" is the one without a key.
func (w *watch) wants(n *node, keys ...string) (last kit.Item) {
	n.t.Helper()
	ctx := n.ctx()
	for _, key := range keys {
		select {
		case last = <-w.items:
			if last.Key != key {
				n.t.Fatalf("watched %+v, want %q", last, key)
			}
		case <-ctx.Done():
			n.t.Fatalf("%q was not watched", key)
		}
	}
	return last
}

func (n *node) put(key, value string, revision uint64) uint64 {
	n.t.Helper()
	r, err := n.host.Store().Put(n.ctx(), key, []byte(value), revision)
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

func TestAWatchSeesWhatIsAndWhatChanges(t *testing.T) {
	n := start(t, nil)
	const mine = "inbox/alice@example.com"
	n.put(mine+"/1", "one", 0)
	n.put("inbox/bob/1", "bob's", 0)
	n.put("inbox/alice@example.community/1", "another's", 0)
	two := n.put(mine+"/2.x/é", "two", 0)
	w := n.watch(mine)
	w.wants(n, mine+"/1")
	if i := w.wants(n, mine+"/2.x/é"); string(i.Value) != "two" || i.Revision != two || i.Deleted {
		t.Errorf("watched %+v", i)
	}
	w.wants(n, "")
	three := n.put(mine+"/2.x/é", "three", two)
	if i := w.wants(n, mine+"/2.x/é"); string(i.Value) != "three" || i.Revision != three {
		t.Errorf("watched %+v", i)
	}
	n.put("inbox/bob/2", "bob's", 0)
	if err := n.host.Store().Delete(n.ctx(), mine+"/1"); err != nil {
		t.Fatal(err)
	}
	if i := w.wants(n, mine+"/1"); !i.Deleted {
		t.Errorf("watched %+v", i)
	}
	n.broker.Restart()
	w.wants(n, mine+"/2.x/é", "")
	n.put("inbox/zoe/1", "enough", 0) // which ends the watch of all
	all := n.watch("")
	all.wants(n, "inbox/bob/1", "inbox/alice@example.community/1", mine+"/2.x/é", "inbox/bob/2", "inbox/zoe/1")
	if err := <-all.ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	w.stop()
	if err := <-w.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestAWatchWaitsForTheBus(t *testing.T) {
	n := start(t, nil)
	n.broker.Stop()
	w := n.watch("a")
	late := n.watch("b")
	late.stop()
	if err := <-late.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	n.broker.Start()
	w.wants(n, "")
	n.put("a/1", "one", 0)
	w.wants(n, "a/1")
}
