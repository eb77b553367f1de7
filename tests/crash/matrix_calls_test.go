package crash_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/internal/line"
)

// everyPoint makes the call f in peace, and then again for each point that the adapter
// has passed, where it dies. After each, nothing may be left, and nothing have been
// said twice.
func (o world) everyPoint(t *testing.T, name string, f func(t *testing.T, r *rooms)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		r := o.start(t)
		r.one(t, "never", f)
		if !o.fresh { // the first makes rooms that the others find
			r.one(t, "never", f)
		}
		points := r.child.rearm("never")
		if len(points) < 10 {
			t.Errorf("only %q", points)
		}
		died, tried := 0, 0
		for i, p := range points {
			if o.half > 0 && i%2 != o.half-1 {
				continue
			}
			tried++
			if o.fresh {
				r.pair = (r.pair + 1) % line.Pairs
			}
			if r.one(t, p, f) {
				died++
			}
			if t.Failed() {
				return
			}
		}
		// What happens side by side does not always happen as often.
		if died < tried*3/4 {
			t.Errorf("died at %d points of %d", died, tried)
		}
	})
}

// one makes the call f, during which the adapter dies at a point, if it comes to it.
func (r *rooms) one(t *testing.T, point string, f func(t *testing.T, r *rooms)) (died bool) {
	t.Run(point, func(t *testing.T) {
		r.child.rearm("never") // it runs, and goes on
		until(t, "alice can be called", r.reachable)
		before := len(r.said(t))
		r.child.rearm(point)
		f(t, r)
		until(t, "nothing is left", r.settled)
		died = r.child.where() != ""
		if !died && point != "never" {
			t.Log("it was not passed")
		}
		noneTwice(t, r.said(t)[before:])
		if err := r.client.Complaints(); err != nil {
			t.Error(err)
		}
	})
	return died
}

// called and calling are what the line has heard.
func (r *rooms) called() <-chan *callv1.Event  { return r.x.Called[r.pair] }
func (r *rooms) calling() <-chan *callv1.Event { return r.x.Calling[r.pair] }

// calls has alice call the line.
func (r *rooms) calls(t *testing.T) (kittest.Call, leg) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	k, err := r.alice.Call(ctx, kittest.Account{AOR: strings.TrimPrefix(line.Number("called", r.pair), "tel:")}, kittest.SDP("alice"))
	must(t, err)
	in := next(t, r.called(), "incoming")
	return k, leg{in.GetSubscriber(), in.GetLegId()}
}

// leg is one of the line.
type leg struct{ subscriber, id string }

// isCalled has the line call alice.
func (r *rooms) isCalled(t *testing.T) leg {
	t.Helper()
	caller := fmt.Sprint("caller", r.pair)
	reply := r.x.Accept(caller, "", &callv1.Command{Body: &callv1.Command_Offer{Offer: &callv1.Offer{
		To: "matrix:u/" + r.account.AOR + ":" + line.MatrixServer, Sdp: line.SDP(), Terminal: r.callers[r.pair],
		Caller: &callv1.Party{Subscriber: caller, Addresses: []string{line.Number("caller", r.pair)}},
	}}})
	if reply == nil {
		t.FailNow()
	}
	return leg{caller, reply.GetLegId()}
}

// rung is the call that rings at alice's.
func (r *rooms) rung(t *testing.T) kittest.Call {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	k, err := r.alice.Incoming(ctx)
	must(t, err)
	return k
}

// does sends a command of a leg of the line.
func (r *rooms) does(l leg, c *callv1.Command) { r.x.Accept(l.subscriber, l.id, c) }

// hears requires what a call of alice's says next.
func hears(t *testing.T, k kittest.Call, want kittest.What) kittest.Heard {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h, err := k.Next(ctx)
	if err != nil || h.What != want {
		t.Fatalf("heard %+v, %v, want %s", h, err, want)
	}
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
