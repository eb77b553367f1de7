package dendrite

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// TestCallsOfTheTestClient: the client that tests of the adapter use calls one like it
// on a real homeserver, in both versions, several pairs at once.
func TestCallsOfTheTestClient(t *testing.T) {
	t.Parallel()
	s := Start(t, Options{})
	var pairs sync.WaitGroup
	for n := range 4 {
		version := []string{matrixtest.V0, matrixtest.V1}[n%2]
		pairs.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			if err := callBetween(ctx, s.URL, version, n); err != nil {
				t.Errorf("version %s: %v", version, err)
			}
		})
	}
	pairs.Wait()
}

func callBetween(ctx context.Context, url, version string, n int) error {
	options := matrixtest.Options{
		Homeserver: url, Ghosts: "ghost_", Secret: Secret, Version: version, Accepts: true, Trickle: n > 1,
	}
	alice, bob := matrixtest.Dial(options), matrixtest.Dial(options)
	defer alice.Close()
	defer bob.Close()
	number := fmt.Sprintf("+9990000%d", n)
	for c, name := range map[*matrixtest.Client]string{alice: fmt.Sprintf("alice%d", n), bob: "ghost_" + number[1:]} {
		if err := c.SignIn(ctx, kittest.Account{AOR: name, Token: "password of " + name}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	a, err := matrixtest.Kit(alice, nil).Call(ctx, kittest.Account{AOR: number}, kittest.SDP("alice"))
	if err != nil {
		return err
	}
	b, err := matrixtest.Kit(bob, nil).Incoming(ctx)
	if err != nil {
		return err
	}
	if err := b.Answer(ctx, kittest.SDP("bob")); err != nil {
		return err
	}
	if h, err := a.Next(ctx); err != nil || h.What != kittest.Answered {
		return fmt.Errorf("heard %+v, %w", h, err)
	}
	if err := a.HangUp(ctx); err != nil {
		return err
	}
	for {
		switch h, err := b.Next(ctx); {
		case err != nil:
			return err
		case h.What == kittest.Accepted:
			continue
		case h.What != kittest.Ended || h.Reason != callv1.Reason_REASON_NORMAL:
			return fmt.Errorf("heard %+v", h)
		}
		if err := alice.Complaints(); err != nil {
			return err
		}
		return bob.Complaints()
	}
}
