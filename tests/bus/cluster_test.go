package bus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
)

// newCluster starts three servers in this process that form one cluster over
// loopback.
func newCluster(t testing.TB) []*embedded {
	t.Helper()
	ports := freePorts(t, 3)
	var routes []string
	for _, p := range ports {
		routes = append(routes, "nats://"+net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
	}
	var nodes []*embedded
	for i, p := range ports {
		e := &embedded{t: t, opts: server.Options{
			ServerName: "n" + strconv.Itoa(i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: p},
			Routes:  server.RoutesFromStr(strings.Join(routes, ",")),
		}}
		e.begin()
		t.Cleanup(e.stop)
		nodes = append(nodes, e)
	}
	return nodes
}

// freePorts gives ports that are free now: a clustered server must be told all
// routes before it starts.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // a TCP listener's
	}
	return ports
}

// Three replicas keep the rules too: compare-and-set by leaders, one winner
// (NATS tells the others by another error), batches that are all or nothing.
func TestCluster(t *testing.T) {
	nodes := newCluster(t)
	var conns []*natsbus.Conn
	for i, n := range nodes {
		c := connector(t, n, func(c *natsbus.Config) { c.Replicas, c.Node = 3, fmt.Sprintf("c%d", i) })()
		conns = append(conns, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	until(t, "the cluster has its leaders", func() bool {
		_, err := conns[0].Records().Usage(ctx)
		return err == nil
	})
	t.Run("ReadYourWritesEverywhere", func(t *testing.T) {
		seq := uint64(0)
		for i := range 30 {
			got, err := conns[i%3].Records().Commit(ctx, bus.Write{Subject: "call.v1.rec.1.x", Data: []byte{byte(i)}, Expect: seq})
			if err != nil {
				t.Fatal(err)
			}
			seq = got[0]
			r, err := conns[(i+1)%3].Records().Load(ctx, "call.v1.rec.1.x")
			if err != nil || r.Seq != seq || r.Data[0] != byte(i) {
				t.Fatal(r, err)
			}
			n := 0
			err = conns[(i+2)%3].Records().Scan(ctx, "call.v1.rec.1.*", func(r bus.Record) bool { n += int(r.Data[0]) + 1; return true })
			if err != nil || n != i+1 {
				t.Fatal(n, err)
			}
		}
	})
	t.Run("OneOfManyWins", func(t *testing.T) {
		for round := range 10 {
			var won, lost int
			var mu sync.Mutex
			var running sync.WaitGroup
			for i := range 12 {
				running.Go(func() {
					id := fmt.Sprintf("%d-%d", round, i)
					writes := []bus.Write{{Subject: "call.v1.pair.claim." + strconv.Itoa(round), Data: []byte(id)}}
					if i%2 == 0 {
						writes = append(writes, bus.Write{Subject: "call.v1.rec.2." + id})
					}
					_, err := conns[i%3].Records().Commit(ctx, writes...)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						won++
					case errors.Is(err, bus.ErrConflict):
						lost++
					default:
						t.Error(err)
					}
				})
			}
			running.Wait()
			if won != 1 || lost != 11 {
				t.Errorf("%d won, %d lost", won, lost)
			}
		}
		n := 0
		if err := conns[0].Records().Scan(ctx, "call.v1.rec.2.*", func(bus.Record) bool { n++; return true }); err != nil || n > 10 {
			t.Fatal(n, err)
		}
	})
	t.Run("ALostServerIsNoticedByItsClientsOnly", func(t *testing.T) {
		kv, err := conns[0].KV(ctx, bus.KVConfig{Bucket: "nodes", Memory: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Put(ctx, "k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		nodes[2].stop()
		until(t, "its client notices", func() bool { return errors.Is(conns[2].Publish("a", nil), bus.ErrUnavailable) })
		// If it led a stream, another takes over in some seconds.
		until(t, "memory survives in the others", func() bool { _, err := kv.Get(ctx, "k"); return err == nil })
		until(t, "the journal takes writes", func() bool {
			r, err := conns[1].Records().Load(ctx, "call.v1.rec.1.x")
			if err != nil {
				return false
			}
			_, err = conns[1].Records().Commit(ctx, bus.Write{Subject: "call.v1.rec.1.x", Data: r.Data, Expect: r.Seq})
			return err == nil
		})
	})
}

// BenchmarkCommitReplicated is BenchmarkCommit on three replicas in one process.
func BenchmarkCommitReplicated(b *testing.B) {
	connect := connector(b, newCluster(b)[0], func(c *natsbus.Config) { c.Replicas = 3 })
	for _, bench := range []struct {
		name    string
		prepare func(*testing.B, func() *natsbus.Conn) func(int) error
	}{{"One", commitOne}, {"Two", commitTwo}} {
		b.Run(bench.name, func(b *testing.B) {
			f := bench.prepare(b, connect)
			for deadline := time.Now().Add(20 * time.Second); f(0) != nil; {
				if time.Now().After(deadline) {
					b.Fatal("the cluster does not start")
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := f(0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
