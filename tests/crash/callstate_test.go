package crash_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/bus/faultbus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/internal/line"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
)

// callState is the child: it may die before and after each commit, and before
// and after each delivery.
func callState(ctx context.Context, ready func()) error {
	b, err := connect(ctx, "callstate", func(point func(string)) faultbus.Hooks {
		delivery := func(when string) faultbus.Hook {
			return func(op faultbus.Op) error {
				if strings.HasPrefix(op.Subject, "call.v1.ev.") {
					point(when + " a delivery")
				}
				return nil
			}
		}
		commit := func(when string) faultbus.Hook {
			return func(faultbus.Op) error { point(when + " a commit"); return nil }
		}
		return faultbus.Hooks{
			BeforeCommit: commit("before"), AfterCommit: commit("after"),
			BeforeRequest: delivery("before"), AfterRequest: delivery("after"),
		}
	})
	if err != nil {
		return err
	}
	return line.RunCallState(ctx, b, ready)
}

// TestCallStateKilledAtEveryStep: whatever the step at which call state is
// killed, the call is answered, established and hung up normally, and each
// terminal gets each event once.
func TestCallStateKilledAtEveryStep(t *testing.T) {
	steps := everyPoint(t, func(t *testing.T, point int) (died string) {
		server := natstest.External(t)
		x := line.Start(t, server, line.Options{NoCallState: true})
		x.AttachOne("called", 0)
		caller := x.AttachOne("caller", 0)
		c := start(t, "callstate", server.Config().URL, point)
		wholeCall(t, x, caller)
		return c.where()
	})
	if steps < 16 {
		t.Errorf("only %d steps in a whole call", steps)
	}
}

// everyPoint runs f for point after point until a process lives through it.
func everyPoint(t *testing.T, f func(t *testing.T, point int) (died string)) (steps int) {
	for point := 1; point < 100; point++ {
		died := ""
		ok := t.Run(fmt.Sprint("point ", point), func(t *testing.T) {
			died = f(t, point)
			t.Log("died", died)
		})
		if !ok || died == "" {
			return point - 1
		}
	}
	t.Error("no end of steps")
	return 0
}

// wholeCall makes a call and counts what its terminals are shown.
func wholeCall(t *testing.T, x *line.Exchange, caller *callv1.Terminal) {
	from, to := x.Calling[0], x.Called[0]
	placed := make(chan *callv1.Reply, 1)
	go func() { placed <- x.Accept(caller.GetSubscriber(), "", line.Offer(0, caller)) }()
	in := next(t, to, "incoming")
	calling := (<-placed).GetLegId()
	x.Accept(in.GetSubscriber(), in.GetLegId(), &callv1.Command{Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}})
	next(t, from, "alerting")
	x.Accept(in.GetSubscriber(), in.GetLegId(), &callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: line.SDP()}}})
	next(t, from, "answered")
	next(t, from, "established")
	next(t, to, "established")
	x.Accept(caller.GetSubscriber(), calling, &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}})
	next(t, to, "ended")
	for _, more := range []<-chan *callv1.Event{from, to} {
		select {
		case e := <-more:
			t.Errorf("one event too many: %s", name(e))
		default:
		}
	}
}
