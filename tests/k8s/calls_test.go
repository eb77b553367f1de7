package k8s

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/tests/internal/livecall"
	"github.com/tandem-rtc/tandem/tests/k8s/lab"
	"github.com/tandem-rtc/tandem/tests/pairs/voice"
)

// Two demo accounts, and users of the homeserver.
var (
	alice = kittest.Account{Subscriber: "alice", AOR: "alice@demo.test", HA1: sylkrtctest.HA1("alice@demo.test", "demo"), MSISDN: "+12025550101", Token: "demo"}
	carol = kittest.Account{Subscriber: "carol", AOR: "carol@demo.test", HA1: sylkrtctest.HA1("carol@demo.test", "demo"), MSISDN: "+12025550103", Token: "demo"}
	dora  = kittest.Account{Subscriber: "dora", AOR: "dora@matrix.test", MSISDN: "+12025550144", Token: "a password of dora's"}
	ella  = kittest.Account{Subscriber: "ella", AOR: "ella@matrix.test", MSISDN: "+12025550145", Token: "a password of ella's"}
)

// access is how the exchange is reached from outside.
type access struct {
	tls  *tls.Config // nil: without
	user kittest.Account
}

var plain = access{user: dora}

// call places calls in both directions between protocols from outside the cluster,
// through the ports of its node.
func call(t *testing.T, how access) {
	t.Helper()
	sylk := livecall.Side{Name: "sylk", Account: alice, Client: connect(t, alice, func(ctx context.Context) (kittest.Client, error) {
		scheme := "ws"
		if how.tls != nil {
			scheme = "wss"
		}
		c, err := sylkrtctest.Dial(ctx, scheme+"://"+nodePort(t, namespace, "tandem-sylkrtc")+"/webrtcgateway/ws", sylkrtctest.V2, sylkrtctest.Options{TLS: how.tls})
		if err != nil {
			return nil, err
		}
		return sylkrtctest.Kit(c, sylkrtctest.NewRings()), nil
	})}
	defer sylk.Client.Close()
	wg2 := livecall.Side{Name: "wg2", Account: carol, Client: connect(t, carol, func(ctx context.Context) (kittest.Client, error) {
		if how.tls != nil {
			return grpcpipetest.DialTLS(ctx, nodePort(t, namespace, "tandem-grpcpipe"), true, how.tls)
		}
		return grpcpipetest.Dial(ctx, nodePort(t, namespace, "tandem-grpcpipe"), true)
	})}
	defer wg2.Client.Close()
	mx := livecall.Side{Name: "matrix", Account: how.user, Client: connect(t, how.user, func(context.Context) (kittest.Client, error) {
		return matrixtest.Kit(matrixtest.Dial(matrixtest.Options{
			Homeserver: "http://" + nodePort(t, homeserver, "dendrite"), Version: matrixtest.V1, Secret: accounts,
			Bot: "@" + matrix.BotLocalpart + ":matrix.test", Ghosts: matrix.GhostPrefix, Accepts: true,
		}), nil), nil
	})}
	defer mx.Client.Close()
	outside := func(ip net.IP) bool { return ip.String() == lab.Address }
	for _, c := range [][2]livecall.Side{{sylk, wg2}, {wg2, sylk}, {mx, wg2}, {wg2, mx}} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := livecall.PlaceIn(ctx, &voice.Room{Address: outside}, c[0], c[1])
		cancel()
		if err != nil {
			look(t)
			t.Fatal(err)
		}
	}
}

// nodePort is where a service is reached from outside.
func nodePort(t *testing.T, namespace, service string) string {
	t.Helper()
	return net.JoinHostPort(lab.Address, kubectl(t, "-n", namespace, "get", "service", service, "-o", "jsonpath={.spec.ports[0].nodePort}"))
}

func connect(t *testing.T, a kittest.Account, dial func(context.Context) (kittest.Client, error)) (client kittest.Client) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		c, err := dial(ctx)
		if err == nil {
			if err = c.SignIn(ctx, a); err == nil {
				cancel()
				return c
			}
			c.Close()
		}
		cancel()
		select {
		case <-tick.C:
		case <-deadline:
			look(t)
			t.Fatalf("%s cannot sign in: %v", a.Subscriber, err)
		}
	}
}
