package exchange

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe"
	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/demo"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/natsconf"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/phone"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// How the echo terminal is kept up.
const (
	// echoWait is how long the process's readiness waits for it.
	echoWait = 10 * time.Second
	// echoPause and echoLongest are the pauses before it is started again.
	echoPause, echoLongest = time.Second, 30 * time.Second
)

// grpc gives the WG2 adapter's configuration, nil if the process does not have
// that role.
func (x *Exchange) grpc() *grpcpipe.Config {
	for _, a := range x.cfg.Adapters {
		if c, ok := a.Config.(*grpcpipe.Config); ok && x.cfg.Has(a.Spec.Kind) {
			return c
		}
	}
	return nil
}

// hasEcho reports whether this process runs the echo terminal: the one with the
// WG2 adapter does.
func (x *Exchange) hasEcho() bool { return x.cfg.Demo && x.grpc() != nil }

// toOurselves says how the echo terminal reaches our own gRPC port.
func (x *Exchange) toOurselves() phone.Connection {
	c := phone.Connection{Server: onLoopback(x.Address(grpcpipe.Kind)), Token: x.echo, MSISDN: demo.Echo, Plaintext: true}
	if files := x.grpc().TLS; files.On() {
		c.Plaintext, c.Trusts = false, func(shown *x509.Certificate) bool { return holds(files, shown) }
	}
	return c
}

// holds reports whether a certificate is the one in the files now. The name that it
// is for is the one that customers use, which is not how we reach ourselves, and
// its authority may be one that only they know.
func holds(files port.TLS, shown *x509.Certificate) bool {
	ours, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	return err == nil && bytes.Equal(ours.Certificate[0], shown.Raw)
}

// runEcho runs the terminal that answers the echo number. It is a client of our
// own gRPC port like any other, and a failure of it is no failure of the
// process.
func (x *Exchange) runEcho(ctx context.Context, ready func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.keepEcho(ctx)
	}()
	x.awaitEcho(ctx)
	ready()
	<-done
	return nil
}

// keepEcho starts the terminal again and again until ctx ends.
func (x *Exchange) keepEcho(ctx context.Context) {
	log := x.logger("echo")
	for pause := echoPause; ; pause = min(2*pause, echoLongest) {
		began := time.Now()
		status := phone.Listen(ctx, phone.ListenOptions{
			Connection: x.toOurselves(), Echo: true, Unmeasured: true,
		}, io.Discard, io.Discard, log)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > echoLongest {
			pause = echoPause
		}
		log.Warn("the echo terminal ended, starting it again", "status", status, "after", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// awaitEcho waits, not for ever, until the echo number can be called.
func (x *Exchange) awaitEcho(ctx context.Context) {
	if x.cfg.NATS.Identities != "" {
		return // no identity of this process may read who is there
	}
	waiting, cancel := context.WithTimeout(ctx, echoWait)
	defer cancel()
	seen := false
	b, err := bus.New(x.conn, natsconf.Admin, x.cfg.Node)
	if err == nil {
		err = bus.NewTerminals(b).Watch(waiting, func(t *callv1.Terminal, up bool) {
			if up && t.GetSubscriber() == demo.EchoID {
				seen = true
				cancel()
			}
		}, func() {})
	}
	if !seen && ctx.Err() == nil {
		x.logger("echo").Warn("the echo number cannot be called yet", "error", fmt.Sprint(err))
	}
}

// onLoopback gives where a port of this process is reached from itself.
func onLoopback(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
