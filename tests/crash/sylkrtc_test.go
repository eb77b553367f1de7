package crash_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/internal/line"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
)

// TestSylkRTCAdapterOfTheCalledKilled: the sylkRTC adapter of the called account
// is killed at each event in turn. The client signs in again; the call can be
// answered and is hung up normally, and no session is shown twice.
func TestSylkRTCAdapterOfTheCalledKilled(t *testing.T) {
	steps := everyPoint(t, func(t *testing.T, point int) string {
		server := natstest.External(t)
		x := line.Start(t, server, line.Options{})
		caller := x.AttachOne("caller", 0)
		addr := freeAddr(t)
		c := start(t, "sylkrtc", server.Config().URL, point, envAddr+"="+addr)
		died := c.first()
		shown, ended := answering(t, "ws://"+addr+"/webrtcgateway/ws", "called0@line.test")

		placed := make(chan *callv1.Reply, 1)
		go func() { placed <- x.Accept(caller.GetSubscriber(), "", line.Offer(0, caller)) }()
		next(t, x.Calling[0], "alerting")
		next(t, x.Calling[0], "answered")
		next(t, x.Calling[0], "established")
		x.Accept(caller.GetSubscriber(), (<-placed).GetLegId(), &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}})
		select { // what comes before the end has come
		case <-ended:
		case <-died:
		case <-time.After(patience):
			t.Error("the called does not hear the end")
		}
		seen := map[string]bool{}
		for {
			select {
			case session := <-shown:
				if seen[session] {
					t.Errorf("session %s was shown twice", session)
				}
				seen[session] = true
				continue
			default:
			}
			break
		}
		return c.where()
	})
	if steps < 2 {
		t.Errorf("only %d steps", steps)
	}
}

// answering is a client that is signed in, answers what comes, and signs in again
// whenever its connection breaks. It gives the sessions that it was shown, and those
// whose end it heard.
func answering(t *testing.T, url, account string) (shown, ended <-chan string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	calls, ends, signedIn, done := make(chan string, 16), make(chan string, 16), make(chan struct{}, 16), make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := answerOnce(ctx, url, account, calls, ends, signedIn); err != nil {
				select {
				case <-time.After(20 * time.Millisecond): // until it is up again
				case <-ctx.Done():
				}
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-signedIn:
	case <-time.After(patience):
		t.Fatal("the client cannot sign in")
	}
	return calls, ends
}

func answerOnce(ctx context.Context, url, account string, shown, ended chan<- string, signedIn chan<- struct{}) error {
	c, err := sylkrtctest.Dial(ctx, url, sylkrtctest.V2, sylkrtctest.Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SignIn(ctx, account, "x"); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	signedIn <- struct{}{}
	for {
		m, err := c.Next(ctx, func(m sylkrtctest.Message) bool {
			return m.Event == "incoming-session" && m.Account == account || m.Event == "state" && m.State == "terminated"
		})
		if err != nil {
			return err
		}
		if m.State == "terminated" {
			ended <- m.Session
			continue
		}
		shown <- m.Session
		if err := c.Answer(ctx, m.Session, line.SDP()); err != nil {
			return err
		}
	}
}
