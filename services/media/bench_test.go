package media

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// The benchmarks run the media node in a process of its own (child_test.go), so
// that what the terminals cost is not counted. Each reports the node's figures,
// and as bare-… the same for a process that holds two plain pion PeerConnections
// in the node's place.

// BenchmarkCall is an audio call between two pion terminals, from the offer
// until it is torn down: cpu-ms/call is the node's CPU time, p50-ms and p99-ms
// the time from the offer to both legs being connected.
func BenchmarkCall(b *testing.B) {
	for _, kind := range []string{childNode, childBare} {
		b.Run(kind, func(b *testing.B) {
			ch := startChild(b, kind)
			cert := certificate(b)
			benchCall(b, ch, cert) // warm
			times := make([]time.Duration, 0, b.N)
			before := ch.usage(b)
			b.ResetTimer()
			for range b.N {
				times = append(times, benchCall(b, ch, cert))
			}
			b.StopTimer()
			after := ch.usage(b)
			slices.Sort(times)
			prefix := ""
			if kind == childBare {
				prefix = "bare-"
			}
			b.ReportMetric(float64(after.since(before))/float64(time.Millisecond)/float64(b.N), prefix+"cpu-ms/call")
			b.ReportMetric(ms(times[len(times)/2]), prefix+"p50-ms")
			b.ReportMetric(ms(times[len(times)*99/100]), prefix+"p99-ms")
		})
	}
}

// BenchmarkHeldCall holds calls and reports the memory of one (kB/call, resident)
// and what an idle one costs (idle-cpu-ms/s).
func BenchmarkHeldCall(b *testing.B) {
	const calls = 100
	for _, kind := range []string{childNode, childBare} {
		b.Run(kind, func(b *testing.B) {
			ch := startChild(b, kind)
			cert := certificate(b)
			benchCall(b, ch, cert)
			for range b.N {
				before := ch.usage(b)
				held := make([]*benchedCall, 0, calls)
				for range calls {
					held = append(held, openCall(b, ch, cert))
				}
				after := ch.usage(b)
				<-time.After(2 * time.Second) // what is measured is time passing
				later := ch.usage(b)
				for _, h := range held {
					h.close(b, ch)
				}
				prefix := ""
				if kind == childBare {
					prefix = "bare-"
				}
				b.ReportMetric(float64(after.Resident-before.Resident)/1000/calls, prefix+"kB/call")
				b.ReportMetric(float64(after.Heap-before.Heap)/1000/calls, prefix+"heap-kB/call")
				b.ReportMetric(float64(after.Stack-before.Stack)/1000/calls, prefix+"stack-kB/call")
				b.ReportMetric(float64(after.Goroutines-before.Goroutines)/calls, prefix+"goroutines/call")
				b.ReportMetric(float64(later.since(after))/float64(time.Millisecond)/2/calls, prefix+"idle-cpu-ms/s")
			}
		})
	}
}

// BenchmarkForward sends 160-byte packets, 50 a second per stream both ways, and
// reports the node's CPU for 1,000 packets forwarded.
func BenchmarkForward(b *testing.B) {
	const calls, rounds = 50, 100
	ch := startChild(b, childNode)
	cert := certificate(b)
	held := make([]*benchedCall, 0, calls)
	for range calls {
		held = append(held, openCall(b, ch, cert))
	}
	p := &rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, 160)}
	var before, after usage
	b.ResetTimer()
	for range b.N {
		before = ch.usage(b)
		tick := time.NewTicker(20 * time.Millisecond)
		for range rounds {
			p.SequenceNumber++
			p.Timestamp += 960
			for _, h := range held {
				_ = h.a.Tracks["audio"].WriteRTP(p)
				_ = h.b.Tracks["audio"].WriteRTP(p)
			}
			<-tick.C
		}
		tick.Stop()
		after = ch.usage(b)
	}
	b.StopTimer()
	b.ReportMetric(float64(after.since(before))/float64(time.Millisecond)/(2*calls*rounds/1000), "cpu-ms/1000-packets")
	for _, h := range held {
		h.close(b, ch)
	}
}

// since is the CPU time used between two measurements.
func (u usage) since(before usage) time.Duration { return u.CPU - before.CPU - before.Measuring }

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// benchedCall is a call of a benchmark.
type benchedCall struct {
	call
	a, b *mediatest.Client
	took time.Duration
}

func benchOptions(cert *webrtc.Certificate) mediatest.Options {
	return mediatest.Options{Audio: webrtc.MimeTypeOpus, Certificate: cert, Bare: true}
}

func openCall(b *testing.B, ch *child, cert *webrtc.Certificate) *benchedCall {
	b.Helper()
	h := &benchedCall{call: newCall(), a: benchClient(b, cert), b: benchClient(b, cert)}
	offer := check[string](b)(h.a.Offer())
	start := time.Now()
	toCallee := ch.offer(b, h.call, offer)
	answer := check[string](b)(h.b.Answer(toCallee))
	if err := h.a.Take(ch.answer(b, h.call, answer)); err != nil {
		b.Fatal(err)
	}
	for name, c := range map[string]<-chan struct{}{"caller": h.a.Connected(), "callee": h.b.Connected()} {
		closedIn(b, fmt.Sprintf("%s connected", name), c)
	}
	h.took = time.Since(start)
	return h
}

func (h *benchedCall) close(b *testing.B, ch *child) {
	b.Helper()
	ch.release(b, h.call)
	h.a.Close()
	h.b.Close()
}

func benchCall(b *testing.B, ch *child, cert *webrtc.Certificate) time.Duration {
	b.Helper()
	h := openCall(b, ch, cert)
	h.close(b, ch)
	return h.took
}

func benchClient(b *testing.B, cert *webrtc.Certificate) *mediatest.Client {
	b.Helper()
	c, err := mediatest.New(benchOptions(cert))
	if err != nil {
		b.Fatal(err)
	}
	return c
}
