package signaling_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest/stubmedia"
	"github.com/tandem-rtc/tandem/bus/localbus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
)

// sdp is of the size of a browser's audio offer.
var sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 127.0.0.1\r\n" +
	"a=rtpmap:111 opus/48000/2\r\na=mid:0\r\na=sendrecv\r\na=setup:actpass\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\n" +
	"a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 " + strings.Repeat("AB:", 31) + "AB\r\n" +
	strings.Repeat("a=x-filler:a line as long as those that browsers send today\r\n", 16)

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
		local  router
	}{
		{"embedded", natstest.Embedded, localbus.NewRouter()},
		{"embedded-by-broker", natstest.Embedded, direct{}},
		{"external", natstest.External, direct{}},
	} {
		for _, inFlight := range []int{1, 64} {
			b.Run(fmt.Sprintf("nats=%s/in-flight=%d", where.name, inFlight), func(b *testing.B) {
				x := start(b, where.server(b), where.local, stubmedia.Config{Connects: stubmedia.OnDemand})
				benchmarkCalls(b, x, inFlight)
			})
		}
	}
}

// BenchmarkEstablishedCall adds what follows when media connects: two facts,
// one commit, two events.
func BenchmarkEstablishedCall(b *testing.B) {
	x := start(b, natstest.Embedded(b), localbus.NewRouter(), stubmedia.Config{})
	benchmarkCalls(b, x, 64)
}

func benchmarkCalls(b *testing.B, x *exchange, inFlight int) {
	callers := x.terminals("caller")
	x.terminals("called")
	x.calls(callers, inFlight, inFlight*4) // warm up
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu := x.nats.CPU()
	b.ResetTimer()
	delays := x.calls(callers, inFlight, b.N)
	b.StopTimer()
	used := x.nats.CPU() - cpu
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

// terminals signs all subscribers of one side in.
func (x *exchange) terminals(side string) []*callv1.Terminal {
	var out []*callv1.Terminal
	for i := range pairs {
		t, _, err := x.host.Attach(context.Background(), &callv1.Terminal{Subscriber: fmt.Sprint(side, i), Rings: true})
		must(x.tb, err)
		out = append(out, t)
	}
	return out
}

// calls makes n calls, inFlight at a time, and gives the delay from the accept
// to the delivery of each.
func (x *exchange) calls(callers []*callv1.Terminal, inFlight, n int) []time.Duration {
	var next atomic.Int64
	delays := make([]time.Duration, n)
	var work sync.WaitGroup
	for i := range min(inFlight, pairs) {
		work.Go(func() {
			for {
				c := int(next.Add(1)) - 1
				if c >= n {
					return
				}
				delays[c] = x.call(i, callers[i])
			}
		})
	}
	work.Wait()
	return delays
}

// call makes one call on pair i.
func (x *exchange) call(i int, caller *callv1.Terminal) time.Duration {
	from, to := x.line.calling[i], x.line.called[i]
	began := time.Now()
	placed := make(chan *callv1.Reply, 1)
	go func() {
		placed <- x.accept(caller.GetSubscriber(), "", &callv1.Command{Body: &callv1.Command_Offer{Offer: &callv1.Offer{
			To: fmt.Sprintf("sip:called%d@bench.test", i), Sdp: sdp, Terminal: caller,
			Caller: &callv1.Party{Subscriber: caller.GetSubscriber(), Addresses: []string{"sip:x@bench.test"}},
		}}})
	}()
	in := x.next(to, func(e *callv1.Event) bool { return e.GetIncoming() != nil })
	delay := time.Since(began)
	leg, calling := in.GetLegId(), (<-placed).GetLegId()
	called := in.GetSubscriber()
	x.accept(called, leg, &callv1.Command{Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}})
	x.next(from, func(e *callv1.Event) bool { return e.GetAlerting() != nil })
	x.accept(called, leg, &callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: sdp}}})
	x.next(from, func(e *callv1.Event) bool { return e.GetAnswered() != nil })
	x.accept(caller.GetSubscriber(), calling, &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}})
	x.next(to, func(e *callv1.Event) bool { return e.GetEnded() != nil })
	return delay
}

func (x *exchange) accept(who, leg string, c *callv1.Command) *callv1.Reply {
	var reply *callv1.Reply
	c.Principal, c.LegId = who, leg
	x.host.Accept(context.Background(), c, kit.Ref{Scope: "line"}, func(r *callv1.Reply, err error) {
		if err != nil {
			x.tb.Errorf("%T: %v", c.GetBody(), err)
		}
		reply = r
	})
	return reply
}

// next waits for an event, passing over those that media makes.
func (x *exchange) next(from <-chan *callv1.Event, fits func(*callv1.Event) bool) *callv1.Event {
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		select {
		case e := <-from:
			if fits(e) {
				return e
			}
			if e.GetEstablished() == nil {
				x.tb.Errorf("out of turn: %v", e)
			}
		case <-limit.C:
			x.tb.Error("an event did not come")
			runtime.Goexit()
		}
	}
}

// TestTheBenchmarkedCall keeps the benchmark honest: what it measures is a call.
func TestTheBenchmarkedCall(t *testing.T) {
	x := start(t, natstest.Embedded(t), localbus.NewRouter(), stubmedia.Config{})
	callers := x.terminals("caller")
	x.terminals("called")
	x.calls(callers, 8, 32)
}
