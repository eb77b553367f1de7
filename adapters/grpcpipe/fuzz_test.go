package grpcpipe

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// shownCall is a call of another terminal's that the fuzzed one is shown.
func shownCall() string { return newFakeHost().key.CallID("somebody", "test", "2") }

// FuzzMessages feeds a terminal's bytes, message by message, to a Pipe and a
// MultiPipe with a call each, before an owner that refuses at random. Whatever
// comes, commands name legs of this exchange and the terminal's own subscriber,
// the owner never sees an Offer for an id of ours, and what is remembered stays
// within bounds.
func FuzzMessages(f *testing.F) {
	known := schema.LegID(newFakeHost().key.CallID("somebody", "test", "1"), 2)
	seed := func(verdict uint8, ms ...*message) {
		var b []byte
		for _, m := range ms {
			one, err := proto.Marshal(m)
			if err != nil {
				f.Fatal(err)
			}
			b = append(append(b, byte(len(one)>>8), byte(len(one))), one...)
		}
		f.Add(b, verdict)
	}
	seed(0, &message{}, wireOffer(uuid1, "v=0", "+"+bob), wireBye(uuid1), wireBye(uuid1))
	seed(1, wireRinging(known), wireAnswer(known, "v=0"), wireBye(known), toPhone(known))
	seed(2, wireOffer(known, "v=0", "+"+bob), wireOffer("", "", ""), wireIdle(uuid1), wireError("", errUnknown))
	seed(4, wireOffer(uuid1, "v=0", bob), wireOffer(uuid1, "v=0", bob), wireAnswer(uuid2, "v=0"), &message{CallId: uuid2})
	seed(9, wireBye("nonsense"), wireRinging(uuid2), wireOffer(uuid2, "v=0", "+0"))
	call, _, _ := schema.SplitLegID(known)
	seed(0, wireAnswer(known, "v=0"), wireOffer(known, "v=0", ""), toPhone(known), wireError(known, errUnknown), wireBye(known))
	seed(0, wireBye(known), wireOffer(call, "v=0", ""), wireOffer(call, "v=0", ""), wireOffer(shownCall(), "v=0", "+"+bob), wireBye(shownCall()))
	seed(5, wireOffer(uuid1, "v=0", "+"+bob), wireOffer(uuid1, "v=0", ""), wireOffer(call, "v=0", ""))
	f.Fuzz(func(t *testing.T, data []byte, verdict uint8) {
		for _, multi := range []bool{false, true} {
			fuzzSession(t, data, verdict, multi, known)
		}
	})
}

func fuzzSession(t *testing.T, data []byte, verdict uint8, multi bool, known string) {
	h := newFakeHost()
	h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
		if c.GetPrincipal() != "s1" {
			t.Errorf("command of %q", c.GetPrincipal())
		}
		if c.GetOffer() != nil && h.key.Ours(c.GetOffer().GetRef()) {
			t.Errorf("an id of ours made a call: %v", c)
		}
		if !h.key.Ours(c.GetLegId()) {
			t.Errorf("command for leg %q", c.GetLegId())
		}
		if code := callv1.Code(verdict % 32); code > 0 && int(code) < len(callv1.Code_name) {
			return nil, schema.Errorf(code, "no")
		}
		if verdict > 127 {
			return &callv1.Reply{LegId: c.GetLegId(), LegState: callv1.LegState_LEG_STATE_ENDED}, nil
		}
		return nil, nil
	}
	cfg := Defaults()
	cfg.MaxCalls = 4
	a := New(cfg, h)
	x, err := a.enter(&callv1.Principal{Subscriber: "s1"}, multi)
	if err != nil {
		t.Fatal(err)
	}
	x.start(t.Context(), func(*message) error { return nil })
	terminal := &callv1.Terminal{Id: x.id, Subscriber: "s1"}
	x.open(nil)
	a.opened(x, terminal)
	show := inCall(shownCall(), 1, "+"+bob)
	show.TerminalId, show.Subscriber = x.id, "s1"
	for _, e := range []*callv1.Event{show, event(terminal, known, 1, incoming("v=0", "+"+alice)), event(terminal, known, 2, reofferEvent("v=0"))} {
		if err := a.Deliver(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; len(data) > 2 && n < 50; n++ {
		size := min(int(data[0])<<8|int(data[1]), len(data)-2)
		m := &message{}
		if proto.Unmarshal(data[2:2+size], m) == nil {
			if err := x.handle(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		data = data[2+size:]
		x.mu.Lock()
		if len(x.calls) > cfg.MaxCalls || len(x.recent) > keepRecent {
			t.Errorf("%d calls, %d ended ones", len(x.calls), len(x.recent))
		}
		x.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	x.close(ctx)
	x.out.flush(ctx)
	if ctx.Err() != nil {
		t.Error("the session does not settle")
	}
	x.out.stop()
	a.leave(x)
	if len(a.sessions)+len(a.streams)+len(a.legs)+a.count != 0 {
		t.Errorf("left behind: %d sessions, %d subscribers, %d legs", len(a.sessions), len(a.streams), len(a.legs))
	}
}
