package deploy

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/tests/internal/livecall"
)

// The demo accounts.
var (
	alice = kittest.Account{Subscriber: "alice", AOR: "alice@demo.test", HA1: sylkrtctest.HA1("alice@demo.test", "demo"), MSISDN: "+12025550101", Token: "demo"}
	carol = kittest.Account{Subscriber: "carol", AOR: "carol@demo.test", HA1: sylkrtctest.HA1("carol@demo.test", "demo"), MSISDN: "+12025550103", Token: "demo"}
)

// dora is a user of the demo's homeserver.
var dora = kittest.Account{Subscriber: "dora", AOR: "dora@matrix.test", Token: "a password of dora's"}

// people are terminals that are signed in.
type people struct{ sylk, wg2, matrix livecall.Side }

// signIn signs a terminal of each protocol in, as soon as the exchange takes it.
func (p *project) signIn(t *testing.T) *people {
	t.Helper()
	w := &people{
		sylk: livecall.Side{Name: "sylk", Account: p.alice, Client: p.connect(t, p.alice, func(ctx context.Context) (kittest.Client, error) {
			c, err := sylkrtctest.Dial(ctx, fmt.Sprintf("ws://%s:%d/webrtcgateway/ws", p.host, p.sylk), sylkrtctest.V2, sylkrtctest.Options{})
			if err != nil {
				return nil, err
			}
			return sylkrtctest.Kit(c, sylkrtctest.NewRings()), nil
		})},
		wg2: livecall.Side{Name: "wg2", Account: p.carol, Client: p.connect(t, p.carol, func(ctx context.Context) (kittest.Client, error) {
			return grpcpipetest.Dial(ctx, fmt.Sprintf("%s:%d", p.host, p.grpc), true)
		})},
	}
	if p.accounts != "" {
		w.matrix = livecall.Side{Name: "matrix", Account: dora, Client: p.connect(t, dora, func(context.Context) (kittest.Client, error) {
			return matrixtest.Kit(matrixtest.Dial(matrixtest.Options{
				Homeserver: fmt.Sprintf("http://127.0.0.1:%d", p.matrix), Version: matrixtest.V1, Secret: p.accounts,
				Bot: "@" + matrix.BotLocalpart + ":matrix.test", Ghosts: matrix.GhostPrefix, Accepts: true,
			}), nil), nil
		})}
	}
	return w
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
	if w.matrix.Client != nil {
		w.matrix.Client.Close()
	}
}

// call places calls in all directions.
func (p *project) call(t *testing.T) {
	t.Helper()
	if err := p.tryCall(t); err != nil {
		t.Fatal(err)
	}
}

// tryCall does the same and gives the first error.
func (p *project) tryCall(t *testing.T) error {
	t.Helper()
	w := p.signIn(t)
	defer w.close()
	calls := [][2]livecall.Side{{w.sylk, w.wg2}, {w.wg2, w.sylk}}
	if w.matrix.Client != nil {
		calls = append(calls, [2]livecall.Side{w.matrix, w.wg2})
	}
	for _, c := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := livecall.Place(ctx, c[0], c[1])
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}
