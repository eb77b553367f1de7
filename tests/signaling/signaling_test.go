package signaling_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest/stubmedia"
	"github.com/tandem-rtc/tandem/bus/localbus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/internal/line"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
)

// BenchmarkCall is a complete call: offer, ringing, answer, bye. "embedded" is
// "tandem serve" with all roles: NATS in process for what is stored, requests
// between roles handed over directly. "embedded-by-broker" sends those through
// NATS as well, "external" through a nats-server process.
//
//	calls/core-s  calls per second of CPU, of all processes involved
//	cpu-ms/call   the same, turned round
//	p50-us p99-us from Accept of the offer to Deliver of the incoming call
func BenchmarkCall(b *testing.B) {
	for _, where := range []struct {
		name   string
		server func(testing.TB) natstest.Server
		local  *localbus.Router
	}{
		{"embedded", natstest.Embedded, localbus.NewRouter()},
		{"embedded-by-broker", natstest.Embedded, nil},
		{"external", natstest.External, nil},
	} {
		for _, inFlight := range []int{1, 64} {
			b.Run(fmt.Sprintf("nats=%s/in-flight=%d", where.name, inFlight), func(b *testing.B) {
				x := line.Start(b, where.server(b), line.Options{
					Local: where.local, Media: stubmedia.Config{Connects: stubmedia.OnDemand},
				})
				benchmarkCalls(b, x, inFlight)
			})
		}
	}
}

// BenchmarkEstablishedCall adds what follows when media connects: two facts,
// one commit, two events.
func BenchmarkEstablishedCall(b *testing.B) {
	x := line.Start(b, natstest.Embedded(b), line.Options{Local: localbus.NewRouter()})
	benchmarkCalls(b, x, 64)
}

// gcPercent is what "tandem serve" sets.
const gcPercent = 400

func benchmarkCalls(b *testing.B, x *line.Exchange, inFlight int) {
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	}
	callers := x.Attach("caller")
	x.Attach("called")
	calls(x, callers, inFlight, inFlight*4) // warm up
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu := x.NATS.CPU()
	b.ResetTimer()
	delays := calls(x, callers, inFlight, b.N)
	b.StopTimer()
	used := x.NATS.CPU() - cpu
	runtime.ReadMemStats(&after)
	slices.Sort(delays)
	n := float64(b.N)
	b.ReportMetric(n/used.Seconds(), "calls/core-s")
	b.ReportMetric(used.Seconds()*1000/n, "cpu-ms/call")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/n, "B/call")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/call")
	b.ReportMetric(float64(delays[len(delays)/2].Nanoseconds())/1000, "p50-us")
	b.ReportMetric(float64(delays[len(delays)*99/100].Nanoseconds())/1000, "p99-us")
}

// calls makes n calls, inFlight at a time, and gives the delay from the accept
// to the delivery of each.
func calls(x *line.Exchange, callers []*callv1.Terminal, inFlight, n int) []time.Duration {
	var next atomic.Int64
	delays := make([]time.Duration, n)
	var work sync.WaitGroup
	for i := range min(inFlight, line.Pairs) {
		work.Go(func() {
			for {
				c := int(next.Add(1)) - 1
				if c >= n {
					return
				}
				delays[c] = call(x, i, callers[i])
			}
		})
	}
	work.Wait()
	return delays
}

// patience bounds one call.
const patience = 30 * time.Second

// call makes one call on pair i.
func call(x *line.Exchange, i int, caller *callv1.Terminal) time.Duration {
	from, to := x.Calling[i], x.Called[i]
	limit := time.NewTimer(patience)
	defer limit.Stop()
	began := time.Now()
	placed := make(chan *callv1.Reply, 1)
	go func() { placed <- x.Accept(caller.GetSubscriber(), "", line.Offer(i, caller)) }()
	in := x.NextBefore(limit.C, to, func(e *callv1.Event) bool { return e.GetIncoming() != nil })
	delay := time.Since(began)
	leg, calling := in.GetLegId(), (<-placed).GetLegId()
	called := in.GetSubscriber()
	x.Accept(called, leg, &callv1.Command{Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}})
	x.NextBefore(limit.C, from, func(e *callv1.Event) bool { return e.GetAlerting() != nil })
	x.Accept(called, leg, &callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: line.SDP()}}})
	x.NextBefore(limit.C, from, func(e *callv1.Event) bool { return e.GetAnswered() != nil })
	x.Accept(caller.GetSubscriber(), calling, &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}})
	x.NextBefore(limit.C, to, func(e *callv1.Event) bool { return e.GetEnded() != nil })
	return delay
}

// TestTheBenchmarkedCall keeps the benchmark honest: what it measures is a call.
func TestTheBenchmarkedCall(t *testing.T) {
	x := line.Start(t, natstest.Embedded(t), line.Options{Local: localbus.NewRouter()})
	callers := x.Attach("caller")
	x.Attach("called")
	calls(x, callers, 8, 32)
}
