package deploy

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/tests/internal/livecall"
)

// The demo accounts.
var (
	alice = kittest.Account{Subscriber: "alice", AOR: "alice@demo.test", HA1: sylkrtctest.HA1("alice@demo.test", "demo"), MSISDN: "+12025550101", Token: "demo"}
	carol = kittest.Account{Subscriber: "carol", AOR: "carol@demo.test", HA1: sylkrtctest.HA1("carol@demo.test", "demo"), MSISDN: "+12025550103", Token: "demo"}
)

// people are terminals that are signed in.
type people struct{ sylk, wg2 livecall.Side }

// signIn signs a terminal of each protocol in, as soon as the exchange takes it.
func (p *project) signIn(t *testing.T) *people {
	t.Helper()
	return &people{
		sylk: livecall.Side{Name: "sylk", Account: alice, Client: p.connect(t, alice, func(ctx context.Context) (kittest.Client, error) {
			c, err := sylkrtctest.Dial(ctx, fmt.Sprintf("ws://127.0.0.1:%d/webrtcgateway/ws", p.sylk), sylkrtctest.V2, sylkrtctest.Options{})
			if err != nil {
				return nil, err
			}
			return sylkrtctest.Kit(c, sylkrtctest.NewRings()), nil
		})},
		wg2: livecall.Side{Name: "wg2", Account: carol, Client: p.connect(t, carol, func(ctx context.Context) (kittest.Client, error) {
			return grpcpipetest.Dial(ctx, fmt.Sprintf("127.0.0.1:%d", p.grpc), true)
		})},
	}
}

func (p *project) connect(t *testing.T, a kittest.Account, dial func(context.Context) (kittest.Client, error)) (client kittest.Client) {
	t.Helper()
	eventually(t, a.Subscriber+" signed in", func() (bool, string) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c, err := dial(ctx)
		if err == nil {
			if err = c.SignIn(ctx, a); err == nil {
				client = c
				return true, ""
			}
			c.Close()
		}
		return false, err.Error()
	})
	return client
}

func (w *people) close() {
	w.sylk.Client.Close()
	w.wg2.Client.Close()
}

// call places calls in all directions.
func (p *project) call(t *testing.T) {
	t.Helper()
	w := p.signIn(t)
	defer w.close()
	for _, c := range [][2]livecall.Side{{w.sylk, w.wg2}, {w.wg2, w.sylk}} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := livecall.Place(ctx, c[0], c[1])
		cancel()
		if err != nil {
			t.Fatal(err)
		}
	}
}
