package grpcpipe

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// idleClients, set in the environment, turns the test binary into a process
// that holds so many idle MultiPipes, so that a benchmark sees the memory of
// the server's side alone.
const idleClients = "GRPCPIPE_IDLE_CLIENTS"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(idleClients)); err == nil {
		if err := holdClients(os.Args[len(os.Args)-1], n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// holdClients opens n MultiPipes, each on a connection of its own, says so with
// one line, and holds them until standard input ends.
func holdClients(addr string, n int) error {
	for i := range n {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		ctx := metadata.AppendToOutgoingContext(context.Background(),
			"authorization", "Bearer demo", "wg2-msisdn", strconv.Itoa(12025550000+i))
		st, err := wgtwo.NewWebTerminalServiceClient(conn).MultiPipe(ctx)
		if err != nil {
			return err
		}
		if _, err := st.Header(); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	_, err := bufio.NewReader(os.Stdin).ReadByte()
	_ = err // its end is what was waited for
	return nil
}

// bareServer is what grpc-go alone needs: the service with a handler that
// reads, and no options.
type bareServer struct {
	wgtwo.UnimplementedWebTerminalServiceServer
}

func (bareServer) MultiPipe(st stream) error {
	if err := st.SendHeader(nil); err != nil {
		return err
	}
	for {
		if _, err := st.Recv(); err != nil {
			return err
		}
	}
}

// BenchmarkIdleMultiPipe measures the memory of one idle MultiPipe on its own
// connection, with its share of the adapter's host and of the bus in memory,
// beside bare grpc-go's in the same run.
func BenchmarkIdleMultiPipe(b *testing.B) {
	const n = 1000
	for b.Loop() {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		bare := grpc.NewServer()
		wgtwo.RegisterWebTerminalServiceServer(bare, bareServer{})
		go func() { _ = bare.Serve(ln) }()
		floor := perStream(b, ln.Addr().String(), n)
		bare.Stop()

		addr, stop := serveOnBus(b)
		got := perStream(b, addr, n)
		stop()
		b.ReportMetric(got, "B/stream")
		b.ReportMetric(floor, "floor-B/stream")
		b.ReportMetric(got/floor, "x-floor")
	}
}

// serveOnBus runs the adapter as it runs in an exchange: in a host, on the bus
// in memory, with a directory that knows every number.
func serveOnBus(b *testing.B) (addr string, stop func()) {
	b.Helper()
	broker := membus.NewServer()
	identity := func(kind, node string) *bus.Bus {
		x, err := bus.New(broker.Connect(), kind, node)
		if err != nil {
			b.Fatal(err)
		}
		return x
	}
	_, err := identity("directory", "d1").ServeDirectory(
		func(_ *callv1.Identity, q *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)) {
			number := q.GetAuthenticate().GetCredentials().GetBearer().GetMsisdn()
			respond(&callv1.DirectoryReply{Principal: &callv1.Principal{Subscriber: number[1:], Party: &callv1.Party{
				Subscriber: number[1:], Addresses: []string{"tel:" + number, "sip:u" + number[1:] + "@example.com"}, DisplayName: number,
			}}})
		})
	if err != nil {
		b.Fatal(err)
	}
	me := identity(Kind, "n1")
	cfg := Defaults()
	cfg.Listen = "127.0.0.1:0"
	var a *Adapter
	spec := Spec()
	spec.New = func(_ kit.Config, h kit.Host) (kit.Adapter, error) {
		a = New(cfg, h)
		return a, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- kit.Run(ctx, spec, cfg, kit.Env{
			Bus: me, Terminals: bus.NewTerminals(me), Nodes: bus.NewNodes(me, time.Second, 3*time.Second),
			Key: schema.NewIDKey([]byte("bench")),
		}, func() { close(ready) })
	}()
	select {
	case <-ready:
	case err := <-done:
		b.Fatal(err)
	}
	return a.Addr(ctx).String(), func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

// perStream gives the memory that a server in this process needs for each of n
// idle streams of another.
func perStream(b *testing.B, addr string, n int) float64 {
	b.Helper()
	before := inUse()
	cmd := exec.Command(os.Args[0], addr) //nolint:gosec // this very binary
	cmd.Env = append(os.Environ(), idleClients+"="+strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		b.Fatalf("clients: %q, %v", line, err)
	}
	after := inUse()
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		b.Error(err)
	}
	return float64(after-before) / float64(n)
}

// inUse is the heap and the stacks after a full collection.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse) //nolint:gosec // far below the limit
}
