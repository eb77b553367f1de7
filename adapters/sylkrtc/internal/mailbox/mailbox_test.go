package mailbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

const account = "sip:alice@example.com"

var roomy = Limits{Items: 1000, Bytes: 1 << 20, Age: time.Hour, Waiting: 1000}

// clock is a time that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func open(t *testing.T, l Limits) (*Boxes, *memory, *clock) {
	t.Helper()
	s, c := newMemory(), &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	b := New(s, l, c.now)
	must(t, b.Make(t.Context(), account))
	return b, s, c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func message(id, contact string) *Item {
	return &Item{ID: id, Direction: Incoming, Contact: contact, Content: "x", ContentType: "text/plain"}
}

func ids(items []Item) string {
	var out []string
	for _, it := range items {
		out = append(out, it.ID)
	}
	return strings.Join(out, " ")
}

func TestMakeTwice(t *testing.T) {
	b, s, _ := open(t, roomy)
	must(t, b.Deliver(t.Context(), account, message("m", "bob@x"), false))
	puts := s.puts
	must(t, b.Make(t.Context(), account))
	if box, err := b.Get(t.Context(), account); err != nil || len(box.Waiting) != 1 || s.puts != puts {
		t.Errorf("made anew: %+v, %v", box, err)
	}
	if _, err := b.Get(t.Context(), "sip:nobody@x"); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("no box: %v", err)
	}
	if err := b.Deliver(t.Context(), "sip:nobody@x", message("m", "bob@x"), false); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("no box: %v", err)
	}
}

func TestDeliverOnce(t *testing.T) {
	b, _, _ := open(t, roomy)
	ctx := t.Context()
	tell := Tell{Kind: "message"}
	for range 3 {
		must(t, b.Deliver(ctx, account, message("m", "bob@x"), false, tell))
	}
	must(t, b.Deliver(ctx, account, message("m", "carol@x"), false, tell))
	box, err := b.Get(ctx, account)
	must(t, err)
	if box.N != 2 || len(box.Tells) != 2 || len(box.Waiting) != 2 || box.Items != 2 {
		t.Errorf("the box is %+v", box)
	}
	must(t, b.Update(ctx, account, func(box *Box) bool { return box.Delivered(Ref{"m", "bob@x"}, Ref{"other", "bob@x"}) }))
	if box, _ = b.Get(ctx, account); !slices.Equal(box.Waiting, []Ref{{"m", "carol@x"}}) {
		t.Errorf("waiting are %v", box.Waiting)
	}
	must(t, b.Deliver(ctx, account, message("m", "bob@x"), true, tell)) // its sender cannot know
	if box, _ = b.Get(ctx, account); box.N != 3 || len(box.Waiting) != 2 || box.Items != 2 {
		t.Errorf("the box is %+v", box)
	}
}

func TestDeliverFull(t *testing.T) {
	l := roomy
	l.Waiting = 2
	b, _, _ := open(t, l)
	for n := range 2 {
		must(t, b.Deliver(t.Context(), account, message(fmt.Sprint(n), "bob@x"), false))
	}
	err := b.Deliver(t.Context(), account, message("2", "bob@x"), false)
	if schema.CodeOf(err) != callv1.Code_CODE_OVERLOAD {
		t.Errorf("got %v", err)
	}
	must(t, b.Deliver(t.Context(), account, message("1", "bob@x"), false)) // is there
	if items, _ := b.Find(t.Context(), account, "2"); len(items) != 0 {
		t.Errorf("stored: %v", items)
	}
}

// The order of a history is that of adding, whatever clocks say.
func TestOrder(t *testing.T) {
	b, _, c := open(t, roomy)
	for n := range 10 {
		must(t, b.Deliver(t.Context(), account, message(fmt.Sprint(n), "bob@x"), false))
		c.add(-time.Second)
	}
	all, err := b.List(t.Context(), account)
	must(t, err)
	if got := ids(all); got != "0 1 2 3 4 5 6 7 8 9" {
		t.Errorf("the order is %s", got)
	}
}

func TestTrim(t *testing.T) {
	for name, l := range map[string]Limits{
		"items": {Items: 16, Bytes: 1 << 20, Age: time.Hour, Waiting: 100},
		"bytes": {Items: 1000, Bytes: 16 * 257, Age: time.Hour, Waiting: 100},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, c := open(t, l)
			for n := range 100 {
				c.add(time.Second)
				it := message(fmt.Sprint(n), "bob@x")
				must(t, b.Deliver(t.Context(), account, it, false))
				if n >= 3 { // the first three wait on
					must(t, b.Update(t.Context(), account, func(box *Box) bool { return box.Delivered(it.Ref()) }))
				}
			}
			all, err := b.List(t.Context(), account)
			must(t, err)
			box, _ := b.Get(t.Context(), account)
			if len(all) > 16 || len(all) < 13 || !strings.HasPrefix(ids(all), "0 1 2 ") || !strings.HasSuffix(ids(all), " 99") ||
				box.Items != len(all) || len(box.Waiting) != 3 {
				t.Errorf("left are %s; the box counts %d, waiting %d", ids(all), box.Items, len(box.Waiting))
			}
			c.add(2 * time.Hour)
			if all, _ = b.List(t.Context(), account); len(all) != 0 {
				t.Errorf("too old: %s", ids(all))
			}
			if same, _ := b.Find(t.Context(), account, "99"); len(same) != 0 {
				t.Errorf("too old: %v", same)
			}
			must(t, b.Trim(t.Context(), account))
			if box, _ = b.Get(t.Context(), account); box.Items != 0 || box.Bytes != 0 || len(box.Waiting) != 0 {
				t.Errorf("the box is %+v", box)
			}
		})
	}
}

// Who chooses ids that have one hash fills one shelf and nothing else.
func TestShelfFull(t *testing.T) {
	l := roomy
	l.Items, l.Bytes, l.Waiting = 100_000, 1<<30, 100_000
	b, s, _ := open(t, l)
	want := shelfKey(account, "0")
	added := 0
	for n := 0; added < 8; n++ {
		if id := fmt.Sprint(n); shelfKey(account, id) == want {
			it := message(id, "bob@x")
			it.Content = strings.Repeat("\x00", 64<<10) // six bytes each in JSON
			must(t, b.Deliver(t.Context(), account, it, false))
			added++
		}
	}
	if n := len(s.values[want].Value); n > maxValue {
		t.Errorf("the shelf has %d bytes", n)
	}
}

func TestTells(t *testing.T) {
	b, _, c := open(t, roomy)
	ctx := t.Context()
	for n := range 300 {
		must(t, b.Tell(ctx, account, Tell{Kind: fmt.Sprint(n)}))
	}
	box, _ := b.Get(ctx, account)
	if len(box.Tells) != maxTells || box.N != 300 {
		t.Fatalf("%d of %d are kept", len(box.Tells), box.N)
	}
	for _, row := range []struct {
		n      uint64
		got    int
		missed bool
	}{{300, 0, false}, {299, 1, false}, {300 - maxTells, maxTells, false}, {300 - maxTells - 1, maxTells, true}, {0, maxTells, true}, {1000, 0, false}} {
		tells, missed := box.Since(row.n)
		if len(tells) != row.got || missed != row.missed {
			t.Errorf("since %d: %d, missed %v", row.n, len(tells), missed)
		}
	}
	c.add(time.Minute)
	must(t, b.Tell(ctx, account, Tell{Kind: "a"}, Tell{Kind: "b"}))
	if box, _ = b.Get(ctx, account); len(box.Tells) != 2 || box.Tells[1].N != 302 {
		t.Errorf("after a while: %+v", box.Tells)
	}
	body, _ := json.Marshal(strings.Repeat("x", 20<<10))
	for range 10 {
		must(t, b.Tell(ctx, account, Tell{Body: body}))
	}
	if box, _ = b.Get(ctx, account); len(box.Tells) > 4 {
		t.Errorf("%d large ones are kept", len(box.Tells))
	}
	if tells, missed := (&Box{N: 5}).Since(3); tells != nil || !missed {
		t.Error("nothing is kept, and nothing missed")
	}
}

func TestEdit(t *testing.T) {
	b, _, _ := open(t, roomy)
	ctx := t.Context()
	must(t, b.Deliver(ctx, account, message("m", "bob@x"), false))
	must(t, b.Deliver(ctx, account, message("m", "carol@x"), false))
	changed, removed, err := b.Edit(ctx, account, "m", func(it *Item) Verdict {
		if it.Contact == "bob@x" {
			return Removed
		}
		it.State = "read"
		return Changed
	})
	if err != nil || changed != 1 || removed != 1 {
		t.Errorf("%d changed, %d removed, %v", changed, removed, err)
	}
	if all, _ := b.List(ctx, account); len(all) != 1 || all[0].State != "read" || all[0].Changed == 0 {
		t.Errorf("left is %+v", all)
	}
	fresh, err := b.Replace(ctx, account, &Item{ID: "m", Contact: "bob@x", Content: "mark"})
	if !fresh || err != nil {
		t.Errorf("fresh %v, %v", fresh, err)
	}
	if fresh, _ = b.Replace(ctx, account, &Item{ID: "m", Contact: "bob@x", Content: "again"}); fresh {
		t.Error("replaced as a new one")
	}
	if all, _ := b.List(ctx, account); len(all) != 2 || all[1].Content != "again" {
		t.Errorf("left is %+v", all)
	}
}

func TestFlash(t *testing.T) {
	b, s, c := open(t, roomy)
	ctx := t.Context()
	must(t, b.PutFlash(ctx, account, "f", json.RawMessage(`"secret"`)))
	if got, err := b.Flash(ctx, account, "f"); string(got) != `"secret"` || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := b.Flash(ctx, account, "other"); got != nil || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	must(t, b.SweepFlashes(ctx, time.Minute))
	if got, _ := b.Flash(ctx, account, "f"); got == nil {
		t.Error("gone too soon")
	}
	c.add(2 * time.Minute)
	must(t, b.SweepFlashes(ctx, time.Minute))
	must(t, b.DropFlash(ctx, account, "f"))
	for key, i := range s.values {
		if strings.Contains(string(i.Value), "secret") {
			t.Errorf("%s is kept", key)
		}
	}
}

// However many write at once, nothing is lost and nothing counted twice.
func TestConcurrently(t *testing.T) {
	b, _, _ := open(t, roomy)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 25 {
				must2(t, b.Deliver(context.Background(), account, message(fmt.Sprint(w, "-", n), "bob@x"), false, Tell{Kind: "message"}))
			}
		})
	}
	wg.Wait()
	all, err := b.List(t.Context(), account)
	must(t, err)
	box, _ := b.Get(t.Context(), account)
	if len(all) != 200 || box.Items != 200 || box.N != 200 || box.Bytes != 200*257 {
		t.Errorf("%d items, the box is %d, %d, %d bytes", len(all), box.Items, box.N, box.Bytes)
	}
}

func must2(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}

// A writer that dies, or loses its connection, between two writes leaves a message
// that is delivered when its sender tries again, once more at most.
func TestDiesAtEveryStep(t *testing.T) {
	died := errors.New("died")
	for step := range 4 {
		b, s, _ := open(t, roomy)
		n := 0
		s.before = func(string) error {
			if n++; n == step+1 {
				return schema.Errorf(callv1.Code_CODE_RETRY, "%w", died)
			}
			return nil
		}
		first := b.Deliver(t.Context(), account, message("m", "bob@x"), true, Tell{Kind: "message"})
		if again := b.Deliver(t.Context(), account, message("m", "bob@x"), true, Tell{Kind: "message"}); again != nil && first == nil {
			must(t, b.Deliver(t.Context(), account, message("m", "bob@x"), true, Tell{Kind: "message"}))
		}
		box, err := b.Get(t.Context(), account)
		must(t, err)
		all, _ := b.List(t.Context(), account)
		if len(all) != 1 || len(box.Waiting) != 1 || box.N < 1 {
			t.Errorf("died at %d: %d items, the box is %+v", step, len(all), box)
		}
	}
}

// A history and a model of it agree, whatever is done in whatever order.
func TestModel(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // to be repeated
		b, _, c := open(t, roomy)
		ctx := t.Context()
		model := map[Ref]string{}
		contacts := []string{"bob@x", "carol@x"}
		for range 200 {
			c.add(time.Millisecond)
			ref := Ref{fmt.Sprint(r.IntN(40)), contacts[r.IntN(2)]}
			switch r.IntN(4) {
			case 0, 1:
				if _, there := model[ref]; !there {
					model[ref] = ""
				}
				must(t, b.Deliver(ctx, account, message(ref.ID, ref.Contact), false))
				must(t, b.Update(ctx, account, func(box *Box) bool { return box.Delivered(ref) }))
			case 2:
				state := fmt.Sprint(r.IntN(5))
				if _, there := model[ref]; there {
					model[ref] = state
				}
				_, _, err := b.Edit(ctx, account, ref.ID, func(it *Item) Verdict {
					if it.Contact != ref.Contact {
						return Keep
					}
					it.State = state
					return Changed
				})
				must(t, err)
			case 3:
				if r.IntN(10) > 0 {
					continue
				}
				_, err := b.Sweep(ctx, account, func(it *Item) Verdict {
					if it.Contact == ref.Contact {
						return Removed
					}
					return Keep
				})
				must(t, err)
				for k := range model {
					if k.Contact == ref.Contact {
						delete(model, k)
					}
				}
			}
		}
		all, err := b.List(ctx, account)
		must(t, err)
		box, _ := b.Get(ctx, account)
		if len(all) != len(model) || box.Items != len(model) {
			t.Fatalf("seed %d: %d items, counted %d, want %d", seed, len(all), box.Items, len(model))
		}
		for _, it := range all {
			if state, there := model[it.Ref()]; !there || state != it.State {
				t.Errorf("seed %d: %+v, want state %q", seed, it, state)
			}
		}
	}
}
