package media

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

func TestNodeAnnouncesItsLegs(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen, gone := make(chan bus.Node, 64), make(chan struct{})
	go func() {
		_ = bus.NewNodes(r.owner, time.Second, time.Second).Watch(ctx, func(n bus.Node, up bool) {
			switch {
			case n.Kind != "media":
			case up:
				seen <- n
			default:
				close(gone)
			}
		}, func() {})
	}()
	if n := wait(seen); n.Node != "m1" || n.Load != 0 || n.Draining || n.Instance == "" {
		t.Errorf("announced %+v", n)
	}
	c := newCall()
	_, offer := offerOf(t)
	r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	for n := wait(seen); n.Load != 2; n = wait(seen) {
		if n.Node == "" {
			t.Fatal("load was not announced")
		}
	}
	r.stop()
	closedIn(t, "node left", gone)
}

func TestLimitsRefuseAsOverload(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxLegs = 2 })
	c := newCall()
	_, offer := offerOf(t)
	r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	if got := code(r.do(c, "third", 1, opMakeOffer(c.leg(3), c.leg(1)))); got != callv1.Code_CODE_OVERLOAD {
		t.Errorf("third leg: %v", got)
	}
	r.must(c, opRelease(c.leg(2)))
	r.must(c, opMakeOffer(c.leg(3), c.leg(1)))

	r = newRig(t, func(c *Config) { c.MaxSDP, c.MaxLines = 3000, 2 })
	if got := code(r.do(c, "long", 1, opTakeOffer(c.leg(1), offer+strings.Repeat("a=x\r\n", 1000)))); got != callv1.Code_CODE_INVALID {
		t.Errorf("long offer: %v", got)
	}
	if got := code(r.do(c, "lines", 1, opTakeOffer(c.leg(1), offer+strings.Repeat("m=audio 0 RTP/AVP 0\r\n", 3)))); got != callv1.Code_CODE_INVALID {
		t.Errorf("many lines: %v", got)
	}
}

func TestDrainingNodeKeepsItsCallsAndTakesNoNewOnes(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Drain = patience })
	o := mediatest.Options{Audio: "audio/opus"}
	a, b := client(t, o), client(t, o)
	c := newCall()
	r.connect(c, a, b)
	stopped := make(chan struct{})
	go func() { defer close(stopped); r.stop() }()
	until(t, "draining", func() bool { return r.s.node().Draining })
	if got := code(r.do(newCall(), "new", 1, opTakeOffer(newCall().leg(1), "v=0"))); got != callv1.Code_CODE_OVERLOAD {
		t.Errorf("new call: %v", got)
	}
	send(t, a, "audio")
	until(t, "the call goes on", func() bool { return b.Audio.Load() > 5 })
	r.must(c, opRelease(c.leg(1)), opRelease(c.leg(2)))
	closedIn(t, "stopped once the last leg ended", stopped)
}

func TestNothingIsLeftBehind(t *testing.T) {
	r := newRig(t)
	o := mediatest.Options{Audio: "audio/opus", Video: "video/VP8"}
	for i := range 3 {
		a, b := client(t, o), client(t, o)
		c := newCall()
		r.setUp(c, a, b)
		closedIn(t, "caller connected", a.Connected())
		closedIn(t, "callee connected", b.Connected())
		if i == 0 {
			r.must(c, opRelease(c.leg(1)), opRelease(c.leg(2)))
		}
		a.Close()
		b.Close()
	}
	// One whose terminal restarts ICE, and then is another client.
	again := newCall()
	x, y := &party{client(t, o), again.leg(1), 1}, &party{client(t, o), again.leg(2), 1}
	r.setUp(again, x.Client, y.Client)
	for range 3 {
		if err := x.Take(r.reoffer(again, x, y, check[string](t)(x.Restart()))[1].GetSdp()); err != nil {
			t.Fatal(err)
		}
		old := x.Client
		x.Client = client(t, o)
		if err := x.Take(r.reoffer(again, x, y, check[string](t)(x.Offer()))[1].GetSdp()); err != nil {
			t.Fatal(err)
		}
		old.Close()
	}
	x.Close()
	y.Close()
	// Legs in every other state: offered, offering, expected.
	c := newCall()
	a, offer := offerOf(t)
	r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
	r.candidates(c.leg(7), &callv1.Candidate{Candidate: "x"})
	a.Close()
	r.stop()
	until(t, "all goroutines ended", func() bool { return len(ours()) == 0 })
	for _, g := range ours() {
		t.Errorf("left:\n%s", g)
	}
}

// ours are the stacks of goroutines that belong to a leg, a terminal or a node.
func ours() []string {
	buf := make([]byte, 4<<20)
	var list []string
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "github.com/pion") || strings.Contains(g, "services/media.(*Service)") || strings.Contains(g, "services/media/internal") {
			list = append(list, g)
		}
	}
	return list
}

// slowEngine is an engine whose legs can block.
type slowEngine struct {
	engine
	block atomic.Pointer[chan struct{}]
}

func (e *slowEngine) New(events leg.Events) leg.Leg { return slowLeg{e.engine.New(events), e} }

type slowLeg struct {
	leg.Leg
	e *slowEngine
}

func (l slowLeg) TakeOffer(text string) (leg.Outcome, error) {
	if c := l.e.block.Swap(nil); c != nil {
		<-*c
	}
	return l.Leg.TakeOffer(text)
}

func TestBlockedLegHurtsOnlyItsCall(t *testing.T) {
	r := newRig(t)
	slow := &slowEngine{engine: r.s.engine}
	r.s.engine = slow
	gate := make(chan struct{})
	slow.block.Store(&gate)
	blocked, free := newCall(), newCall()
	_, offer := offerOf(t)
	ask := func(id string) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		reply, err := r.owner.Media(ctx, "m1", &callv1.MediaCommand{Id: id, CallId: blocked.id, Epoch: 1, Ops: []*callv1.MediaOp{opTakeOffer(blocked.leg(1), offer)}})
		if err != nil {
			return err
		}
		return errors.Join(schema.FromProto(reply.GetError()), schema.FromProto(&callv1.Error{Code: code(reply)}))
	}
	var wg sync.WaitGroup
	var overload atomic.Int32
	for i := range 60 { // more than may wait for one call
		wg.Go(func() {
			if err := ask(fmt.Sprint(i)); schema.CodeOf(err) == callv1.Code_CODE_OVERLOAD {
				overload.Add(1)
			}
		})
	}
	// The queue can be full before its first job runs: another call's leg must
	// not be the one that meets the gate.
	until(t, "the leg is blocked", func() bool { return slow.block.Load() == nil })
	until(t, "the queue is full and the rest refused", func() bool { return overload.Load() >= 20 })
	for range 20 {
		c := newCall()
		r.must(c, opTakeOffer(c.leg(1), offer))
	}
	r.must(free, opTakeOffer(free.leg(1), offer), opMakeOffer(free.leg(2), free.leg(1)))
	close(gate)
	wg.Wait()
	if n := overload.Load(); n > 40 {
		t.Errorf("%d of 60 were refused", n)
	}
}

func TestSerialKeepsOrderPerKey(t *testing.T) {
	s := newSerial(1000, 1000)
	var mu sync.Mutex
	got := map[string][]int{}
	for i := range 300 {
		key := string(rune('a' + i%3))
		if !s.do(key, func() { mu.Lock(); got[key] = append(got[key], i); mu.Unlock() }) {
			t.Fatal("no room")
		}
	}
	s.close()
	for key, list := range got {
		for i := range len(list) - 1 {
			if list[i] > list[i+1] {
				t.Fatalf("%s: %d before %d", key, list[i], list[i+1])
			}
		}
	}
	if len(got) != 3 || len(got["a"]) != 100 || len(s.queues) != 0 || s.count != 0 {
		t.Errorf("keys %d, first %d, queues %d, count %d", len(got), len(got["a"]), len(s.queues), s.count)
	}
	if s.do("a", func() {}) {
		t.Error("closed")
	}
}

func TestConfig(t *testing.T) {
	good := Defaults()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for field, change := range map[string]func(*Config){
		"listen":         func(c *Config) { c.Listen = "7900" },
		"external_ip[1]": func(c *Config) { c.ExternalIP = []string{"192.0.2.1", "192.0.2.256"} },
		"interfaces[0]":  func(c *Config) { c.Interfaces = []string{"[a"} },
		"max_legs":       func(c *Config) { c.MaxLegs = -1 },
		"uncommitted":    func(c *Config) { c.Uncommitted = -1 },
		"codecs":         func(c *Config) { c.Codecs = []string{"opus", "mp3"} },
	} {
		c := Defaults()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), field+":") {
			t.Errorf("%s: %v", field, err)
		}
	}
	for address, good := range map[string]bool{
		"192.0.2.1": true, "192.0.2.1:7900": true, "2001:db8::1": true, "[2001:db8::1]:7900": true, "localhost": true,
		"media": true, "media-0.tandem.svc.cluster.local.": true, "media:30790": true,
		"": false, "192.0.2": false, "192.0.2.256:1": false, "media:http": false, "media:65536": false, "-media": false, "a b": false,
	} {
		c := Defaults()
		c.ExternalIP = []string{address}
		if err := c.Validate(); (err == nil) != good {
			t.Errorf("external_ip %q: %v", address, err)
		}
	}
	b, err := bus.New(membus.NewServer().Connect(), "media", "m")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() (*Service, error){
		"no bus":       func() (*Service, error) { return New(Config{Listen: "127.0.0.1:0"}, Env{}) },
		"bad listen":   func() (*Service, error) { return New(Config{Listen: "x"}, Env{Bus: b}) },
		"not our host": func() (*Service, error) { return New(Config{Listen: "192.0.2.1:0"}, Env{Bus: b}) },
		"unknown name": func() (*Service, error) {
			return New(Config{Listen: "127.0.0.1:0", ExternalIP: []string{"tandem.invalid"}}, Env{Bus: b})
		},
	} {
		if s, err := f(); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		}
	}
	for _, listen := range []string{"0.0.0.0:0", "127.0.0.1:0"} {
		s, err := New(Config{Listen: listen, IPv6: true}, Env{Bus: b})
		if err != nil {
			t.Fatal(err)
		}
		if s.Addr().Port() == 0 {
			t.Errorf("%s: port 0", listen)
		}
		s.Close()
	}
}
