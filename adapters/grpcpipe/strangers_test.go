package grpcpipe

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// A crowd at sign-in on one connection is bounded, and holds up no other
// connection.
func TestSignInsOfOneConnection(t *testing.T) {
	h := newFakeHost()
	arrived, release := make(chan struct{}, 64), make(chan struct{})
	h.signingIn = func(ctx context.Context, token string) {
		if token == "slow" {
			arrived <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
	}
	s := serve(t, h)
	c := wgtwo.NewWebTerminalServiceClient(dial(t, s.addr))
	open := func() (leave context.CancelFunc) {
		t.Helper()
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer slow"))
		if _, err := c.MultiPipe(ctx); err != nil {
			t.Fatal(err)
		}
		return cancel
	}
	first := open()
	for range signInsPerConnection + 1 {
		open()
	}
	for range signInsPerConnection {
		receive(t, arrived, "a sign-in")
	}
	s.signIn(t, true, alice) // while two wait
	if n := len(arrived); n > 0 {
		t.Fatalf("%d more than %d sign-ins of one connection are under way", n, signInsPerConnection)
	}
	first() // one that leaves makes room, whether it waited or not
	close(release)
	receive(t, arrived, "a sign-in that waited")
}

// Streams that need no sign-in are bounded, for one connection and for all.
func TestStreamsWithoutSignIn(t *testing.T) {
	s := serve(t, newFakeHost(), func(c *Config) { c.MaxAskers = askersPerConnection + 1 })
	watch := func(conn *grpc.ClientConn) codes.Code {
		t.Helper()
		w, err := healthv1.NewHealthClient(conn).Watch(t.Context(), &healthv1.HealthCheckRequest{})
		if err == nil {
			_, err = w.Recv()
		}
		return status.Code(err)
	}
	one, other := dial(t, s.addr), dial(t, s.addr)
	for range askersPerConnection {
		if got := watch(one); got != codes.OK {
			t.Fatalf("a watch: %v", got)
		}
	}
	if got := watch(one); got != codes.ResourceExhausted {
		t.Errorf("one more of a connection: %v", got)
	}
	s.host.counted(t, "streams_refused")
	if got := watch(other); got != codes.OK {
		t.Errorf("one of another connection: %v", got)
	}
	if got := watch(other); got != codes.ResourceExhausted {
		t.Errorf("one more of all: %v", got)
	}
	for what, want := range map[*grpc.ClientConn]codes.Code{one: codes.ResourceExhausted, other: codes.OK} {
		r, err := healthv1.NewHealthClient(what).Check(t.Context(), &healthv1.HealthCheckRequest{})
		if status.Code(err) != want || err == nil && r.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("a check beside the watches: %v, %v; want %v", r, err, want)
		}
	}
	_ = one.Close()
	for end := time.Now().Add(patience); watch(other) != codes.OK; {
		if time.Now().After(end) {
			t.Fatal("room that was given back is not there")
		}
	}
	s.signIn(t, true, alice)
}

// A connection without a stream ends, and one that answers no ping; and it has so
// many streams at once.
func TestConnectionsThatAreOfNoUse(t *testing.T) {
	for _, tt := range []struct {
		what   string
		change func(*Config)
		acks   bool // whether pings are answered
	}{
		{"no stream", func(c *Config) { c.Idle = 200 * time.Millisecond }, true},
		{"no answer to a ping", func(c *Config) { c.PingEvery, c.PingTimeout = time.Second, 100*time.Millisecond }, false},
	} {
		s := serve(t, newFakeHost(), tt.change, func(c *Config) { c.PerConnection = 7 })
		conn := s.connect(t)
		if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
			t.Fatal(err)
		}
		f := http2.NewFramer(conn, conn)
		if err := f.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		streams := uint32(0)
		for {
			frame, err := f.ReadFrame()
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Fatalf("%s: the connection stays", tt.what)
			}
			if err != nil {
				break
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if n, ok := frame.Value(http2.SettingMaxConcurrentStreams); ok {
					streams = n
				}
			case *http2.PingFrame:
				if tt.acks && !frame.IsAck() {
					_ = f.WritePing(true, frame.Data)
				}
			}
		}
		if streams != 7 {
			t.Errorf("%s: the client is told of %d streams at once", tt.what, streams)
		}
	}
}

// What needs no sign-in has to be said in time: a request that never comes to its
// end holds memory, and a watch its connection.
func TestSlowRequestsWithoutSignIn(t *testing.T) {
	s := serve(t, newFakeHost(), func(c *Config) { c.Handshake, c.Idle = 500*time.Millisecond, 600*time.Millisecond })
	for _, tt := range []struct {
		method string
		whole  bool
	}{{healthv1.Health_Check_FullMethodName, false}, {healthv1.Health_Watch_FullMethodName, false}, {healthv1.Health_Watch_FullMethodName, true}} {
		conn := s.connect(t)
		f := http2.NewFramer(conn, conn)
		if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
			t.Fatal(err)
		}
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		for _, h := range [][2]string{
			{":method", "POST"}, {":scheme", "http"}, {":path", tt.method}, {":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"},
		} {
			if err := enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
				t.Fatal(err)
			}
		}
		message := []byte{0, 0, 0, 0, 0}
		if !tt.whole {
			message = []byte{0, 0, 0, 0, 9, 1}
		}
		for _, err := range []error{
			f.WriteSettings(), f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}),
			f.WriteData(1, false, message),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for ended := false; !ended; {
			frame, err := f.ReadFrame()
			if err != nil {
				t.Fatalf("%s, whole: %v: the stream stays: %v", tt.method, tt.whole, err)
			}
			switch frame := frame.(type) {
			case *http2.HeadersFrame:
				ended = frame.StreamEnded()
			case *http2.RSTStreamFrame:
				ended = true
			}
		}
	}
}
