package directory

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestSeedIsIdempotent(t *testing.T) {
	broker := membus.NewServer()
	n := start(t, broker, config())
	before, listed := n.cache.revision, n.List()
	n.stop()
	n = start(t, broker, config())
	if n.cache.revision != before {
		t.Errorf("the second start wrote: revision %d, was %d", n.cache.revision, before)
	}
	if !reflect.DeepEqual(n.List(), listed) {
		t.Errorf("the second start changed the directory:\n%v\n%v", listed, n.List())
	}
}

func TestSeedFollowsTheConfiguration(t *testing.T) {
	broker := membus.NewServer()
	n := start(t, broker, config())
	if err := n.Put(t.Context(), Subscriber{ID: "erin", Addresses: []string{"tel:+12025550105"}, Tokens: []string{"erin-token"}}); err != nil {
		t.Fatal(err)
	}
	n.stop()

	cfg := config()
	cfg.Subscribers = slices.DeleteFunc(cfg.Subscribers, func(s Subscriber) bool { return s.ID == "dave@home" })
	cfg.Subscribers[0].Password = "new"
	cfg.Subscribers[0].Addresses = []string{"sip:alice@example.org", "tel:+12025550103"} // swaps numbers with carol
	cfg.Subscribers[2].Addresses = []string{"tel:+12025550101"}
	cfg.ServiceTokens = cfg.ServiceTokens[:1]
	n = start(t, broker, cfg)
	_, err := n.password("alice@example.org", "alice", "wonderland")
	wantCode(t, err, callv1.Code_CODE_UNAUTHENTICATED)
	if _, err := n.password("alice@example.org", "alice", "new"); err != nil {
		t.Errorf("new password: %v", err)
	}
	for token, code := range map[string]callv1.Code{
		"dave-token": callv1.Code_CODE_UNAUTHENTICATED, "all-token": callv1.Code_CODE_UNAUTHENTICATED, "erin-token": 0,
	} {
		_, err := n.token(token, "")
		wantCode(t, err, code)
	}
	for address, who := range map[string]string{
		"tel:+12025550103": "alice", "tel:+12025550101": "carol", "tel:+12025550105": "erin",
		"sip:al@example.org": "", "sip:dave-home@alias.invalid": "", "matrix:u/carol:example.org": "",
	} {
		if p, _ := n.resolve(address); p.GetSubscriber() != who {
			t.Errorf("%s is %q, want %q", address, p.GetSubscriber(), who)
		}
	}
}

func TestSeedRefusesAnAddressOfAnother(t *testing.T) {
	broker := membus.NewServer()
	n := start(t, broker, config())
	if err := n.Put(t.Context(), Subscriber{ID: "erin", Addresses: []string{"tel:+12025550105"}}); err != nil {
		t.Fatal(err)
	}
	n.stop()
	cfg := config()
	cfg.Subscribers = append(cfg.Subscribers, Subscriber{ID: "frank", Addresses: []string{"tel:+12025550105"}})
	_, err := launch(t, broker, cfg)
	if err == nil || !strings.Contains(err.Error(), `tel:+12025550105 belongs to subscriber "erin"`) {
		t.Errorf("start: %v", err)
	}
	n = start(t, broker, config())
	if p, _ := n.resolve("tel:+12025550105"); p.GetSubscriber() != "erin" {
		t.Errorf("the number is %q's now", p.GetSubscriber())
	}
}

func TestEdit(t *testing.T) {
	broker := membus.NewServer()
	n := start(t, broker, config())
	ctx := t.Context()
	erin := Subscriber{ID: "erin", Addresses: []string{"sip:erin@example.org"}, Password: "secret"}
	if err := n.Put(ctx, erin); err != nil {
		t.Fatal(err)
	}
	if p, err := n.password("erin@example.org", "erin", "secret"); err != nil || p.GetSubscriber() != "erin" {
		t.Errorf("sign-in after Put: %v, %v", p, err)
	}
	alias := n.number(t, "erin")
	erin.Addresses = []string{"tel:+12025550105", "sip:erin@example.org"}
	if err := n.Put(ctx, erin); err != nil {
		t.Fatal(err)
	}
	if p, _ := n.resolve(alias); p.GetSubscriber() != "erin" || slices.Contains(p.GetAddresses(), alias) {
		t.Errorf("the alias %s must resolve and not be shown any more: %v", alias, p)
	}
	wantCode(t, n.Put(ctx, Subscriber{ID: "frank", Addresses: []string{"tel:+12025550106", "tel:+12025550105"}}), callv1.Code_CODE_CONFLICT)
	if p, err := n.resolve("tel:+12025550106"); err == nil {
		t.Errorf("a refused Put left an address behind: %v", p)
	}
	wantCode(t, n.Put(ctx, Subscriber{ID: "frank", Tokens: []string{"alice-token"}}), callv1.Code_CODE_CONFLICT)
	wantCode(t, n.Put(ctx, Subscriber{ID: "alice"}), callv1.Code_CODE_REJECTED)
	wantCode(t, n.Put(ctx, Subscriber{ID: "no spaces"}), callv1.Code_CODE_INVALID)
	wantCode(t, n.Remove(ctx, "alice"), callv1.Code_CODE_REJECTED)
	wantCode(t, n.Remove(ctx, "nobody"), callv1.Code_CODE_NOT_FOUND)
	if err := n.Remove(ctx, "erin"); err != nil {
		t.Fatal(err)
	}
	_, err := n.password("erin@example.org", "erin", "secret")
	wantCode(t, err, callv1.Code_CODE_UNAUTHENTICATED)
	for _, a := range []string{"tel:+12025550105", "sip:erin@example.org", alias} {
		if _, err := n.resolve(a); err == nil {
			t.Errorf("%s still resolves", a)
		}
	}
	if err := n.Put(ctx, Subscriber{ID: "erin"}); err != nil {
		t.Fatal(err)
	}
	if got := n.number(t, "erin"); got != alias {
		t.Errorf("the alias changed from %s to %s", alias, got)
	}
	n.stop()
	wantCode(t, n.Put(ctx, erin), callv1.Code_CODE_RETRY)
}

func TestLimitOfSubscribers(t *testing.T) {
	cfg := config()
	cfg.MaxSubscribers = 4
	broker := membus.NewServer()
	n := start(t, broker, cfg)
	wantCode(t, n.Put(t.Context(), Subscriber{ID: "erin"}), callv1.Code_CODE_OVERLOAD)
	cfg.MaxSubscribers = 3
	if err := cfg.Validate(); err == nil {
		t.Error("four subscribers pass for three")
	}
}

// Aliases collide when the range is small; each subscriber still gets its own.
func TestAliasCollisions(t *testing.T) {
	cfg := Defaults()
	cfg.AliasPrefix, cfg.AliasDigits, cfg.MaxSubscribers = "+155500", 2, 50
	for i := range 50 {
		cfg.Subscribers = append(cfg.Subscribers, Subscriber{ID: fmt.Sprintf("s%d", i)})
	}
	cfg.Subscribers[1].ID, cfg.Subscribers[2].ID = "a@b", "a+b" // meet in a-b@alias.invalid
	n := start(t, membus.NewServer(), cfg)
	numbers := map[string]bool{}
	for _, s := range n.List() {
		if len(s.Aliases) != 2 {
			t.Fatalf("%s has aliases %v", s.ID, s.Aliases)
		}
		for _, a := range s.Aliases {
			if numbers[a] {
				t.Errorf("%s was given twice", a)
			}
			numbers[a] = true
		}
	}
	if !numbers["sip:a-b@alias.invalid"] || !numbers["sip:a-b-2@alias.invalid"] {
		t.Errorf("account aliases: %v", numbers)
	}
}

// Many writers of one bucket: every address ends with exactly one owner, and
// everybody who was told so has it.
func TestConcurrentWriters(t *testing.T) {
	broker := membus.NewServer()
	cfg := Defaults()
	cfg.AliasPrefix, cfg.AliasDigits, cfg.MaxSubscribers = "+155500", 2, 40
	a, b := start(t, broker, cfg), start(t, broker, cfg)
	var wg sync.WaitGroup
	got := make([]bool, 16)
	for i := range got {
		wg.Go(func() {
			n := []*node{a, b}[i%2]
			err := n.Put(t.Context(), Subscriber{ID: fmt.Sprint("s", i), Addresses: []string{fmt.Sprintf("tel:+1202555010%d", i/4)}})
			got[i] = err == nil
			if err != nil && schema.CodeOf(err) != callv1.Code_CODE_CONFLICT {
				t.Errorf("s%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for number := range 4 {
		p, _ := a.resolve(fmt.Sprintf("tel:+1202555010%d", number))
		for i := number * 4; i < number*4+4; i++ {
			if got[i] && p.GetSubscriber() != fmt.Sprint("s", i) {
				t.Errorf("s%d was given the number of %v", i, p)
			}
		}
	}
	if err := b.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a.List(), b.List()) {
		t.Errorf("two nodes disagree:\n%v\n%v", a.List(), b.List())
	}
}

// A claim whose subscriber does not list the address is void; a start repairs
// what a dead writer left.
func TestUnfinishedWrites(t *testing.T) {
	broker := membus.NewServer()
	n := start(t, broker, config())
	ctx := t.Context()
	if err := n.Put(ctx, Subscriber{ID: "erin", Addresses: []string{"tel:+12025550105"}}); err != nil {
		t.Fatal(err)
	}
	kv := n.store.kv
	if _, err := kv.Put(ctx, addrKey("tel:+12025550106"), encode(claim{"erin"})); err != nil { // claimed, not listed
		t.Fatal(err)
	}
	if err := kv.Delete(ctx, addrKey("tel:+12025550105")); err != nil { // listed, not claimed
		t.Fatal(err)
	}
	if _, err := kv.Put(ctx, "sub.junk", []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(ctx, "other.key", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := n.catchUp(ctx); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"tel:+12025550105", "tel:+12025550106"} {
		if p, err := n.resolve(address); err == nil {
			t.Errorf("%s resolves to %v", address, p)
		}
	}
	n.stop()
	n = start(t, broker, config())
	if p, err := n.resolve("tel:+12025550105"); p.GetSubscriber() != "erin" {
		t.Errorf("not repaired: %v", err)
	}
	if err := n.Put(ctx, Subscriber{ID: "frank", Addresses: []string{"tel:+12025550106"}}); err != nil {
		t.Errorf("a void claim stands in the way: %v", err)
	}
}

// After an outage the view is had again; what went meanwhile is gone.
func TestOutage(t *testing.T) {
	c := newCache()
	put := func(id string, rev uint64) {
		c.apply(bus.Entry{Key: subKey(id), Value: encode(&subscriberRecord{ID: id, Tokens: []string{hashToken(id).String()}}), Revision: rev})
	}
	put("a", 1)
	put("b", 2)
	c.apply(bus.Entry{})
	put("c", 3)
	c.apply(bus.Entry{}) // a full view without a and b
	if c.subs["a"] != nil || c.subs["b"] != nil || c.subs["c"] == nil || len(c.tokens) != 1 {
		t.Errorf("cache: %v, %v", c.subs, c.tokens)
	}
	c.apply(bus.Entry{Key: subKey("c"), Deleted: true, Revision: 4})
	if len(c.subs)+len(c.tokens)+len(c.keys) != 0 {
		t.Errorf("cache after the removal: %v, %v, %v", c.subs, c.tokens, c.keys)
	}
}

func TestRunEndsWithItsBus(t *testing.T) {
	broker := membus.NewServer()
	d := broker.Connect()
	b, err := bus.New(d, "directory", "d1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(config(), Env{Bus: b, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context(), func() { d.(*membus.Conn).Kill() }) }()
	if err := <-done; !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Run: %v", err)
	}
}
