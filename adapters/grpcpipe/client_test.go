package grpcpipe

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// server is a running adapter on a fake host.
type server struct {
	host *fakeHost
	a    *Adapter
	addr string
	stop context.CancelFunc
	done chan error
}

// serve runs an adapter for a test and checks that it drains.
func serve(t testing.TB, h *fakeHost, change ...func(*Config)) *server {
	t.Helper()
	cfg := Defaults()
	cfg.Listen = "127.0.0.1:0"
	for _, f := range change {
		f(cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{host: h, a: New(cfg, h), stop: cancel, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() { s.done <- s.a.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-s.done:
		t.Fatal(err)
	}
	s.addr = s.a.Addr(ctx).String()
	t.Cleanup(func() {
		cancel()
		if err := <-s.done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// pipe is a terminal's side of a stream.
type pipe struct {
	t        testing.TB
	stream   grpc.BidiStreamingClient[message, message]
	cancel   context.CancelFunc
	conn     *grpc.ClientConn
	terminal *callv1.Terminal
}

// connect opens a connection without gRPC, for what no gRPC client does.
func (s *server) connect(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func dial(t testing.TB, addr string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	if len(opts) == 0 {
		opts = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	}
	conn, err := grpc.NewClient(addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// open opens a stream on a connection of its own; md are metadata pairs.
func (s *server) open(t testing.TB, multi bool, md ...string) *pipe {
	t.Helper()
	conn := dial(t, s.addr)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	ctx = metadata.AppendToOutgoingContext(ctx, md...)
	c := wgtwo.NewWebTerminalServiceClient(conn)
	p := &pipe{t: t, cancel: cancel, conn: conn}
	var err error
	if multi {
		p.stream, err = c.MultiPipe(ctx)
	} else {
		p.stream, err = c.Pipe(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// signIn opens a stream of the subscriber with a number and waits until it is
// attached.
func (s *server) signIn(t *testing.T, multi bool, number string) *pipe {
	t.Helper()
	p := s.open(t, multi, "authorization", "Bearer demo", "wg2-msisdn", number)
	if multi {
		if _, err := p.stream.Header(); err != nil {
			t.Fatal(err)
		}
	} else {
		p.hears("idle id=")
	}
	p.terminal = receive(t, s.host.attached, "the terminal's attach")
	return p
}

func (p *pipe) send(m *message) {
	p.t.Helper()
	if err := p.stream.Send(m); err != nil {
		p.t.Fatal(err)
	}
}

// hears checks the next message, in the form that show gives it.
func (p *pipe) hears(want string) {
	p.t.Helper()
	m, err := p.stream.Recv()
	if err != nil {
		p.t.Fatalf("the stream ended with %v instead of %q", err, want)
	}
	if got := show(m); got != want {
		p.t.Fatalf("heard %q, want %q", got, want)
	}
}

// ends checks that the stream ends, and gives its status.
func (p *pipe) ends() *status.Status {
	p.t.Helper()
	m, err := p.stream.Recv()
	if err == nil {
		p.t.Fatalf("heard %q instead of the stream's end", show(m))
	}
	return status.Convert(err)
}

func show(m *message) string { return grpcpipetest.Show(m) }

func toPhone(id string) *message { return grpcpipetest.ToPhone(id) }

const (
	alice = "12025550101"
	bob   = "12025550102"
	uuid1 = "b5289ac4-d254-4d75-8b45-a8c5f5cf47b0"
	uuid2 = "0c9d6e0e-3f13-4a57-9d7f-2b7a3f0f6a11"
)
