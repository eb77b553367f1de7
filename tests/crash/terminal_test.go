package crash_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	common "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/common/v0"
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/tests/internal/line"
)

// terminal is a MultiPipe client that comes back when its stream breaks, with
// the calls it knows.
type terminal struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // ends with the test
	conn *grpc.ClientConn

	sending sync.Mutex // one Send at a time

	mu     sync.Mutex
	stream grpc.BidiStreamingClient[wgtwo.WebTerminalMessage, wgtwo.WebTerminalMessage]
	got    []*wgtwo.WebTerminalMessage
	offers func(*wgtwo.WebTerminalMessage)
	last   []*wgtwo.WebTerminalMessage // what is said again on each new stream
	more   chan struct{}               // closed and replaced with each change
}

func dial(t *testing.T, addr, side string, pair int) *terminal {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(context.Background(),
		"authorization", fmt.Sprintf("Bearer token-of-%s%d", side, pair)))
	p := &terminal{t: t, ctx: ctx, conn: conn, more: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			p.connect()
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = conn.Close()
		<-done
	})
	p.until("a stream", func() bool { return p.stream != nil })
	return p
}

// connect opens a stream and reads it until it breaks.
func (p *terminal) connect() {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	p.conn.Connect()
	stream, err := wgtwo.NewWebTerminalServiceClient(p.conn).MultiPipe(ctx, grpc.WaitForReady(true))
	if err == nil {
		_, err = stream.Header() // the terminal is signed in
	}
	if err != nil {
		return
	}
	var again []*wgtwo.WebTerminalMessage
	p.change(func() { p.stream, again = stream, p.last })
	for _, m := range again {
		_ = p.send(stream, m) // should this stream break too, the next one gets it
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			p.change(func() { p.stream = nil })
			return
		}
		p.change(func() { p.got = append(p.got, m) })
		p.mu.Lock()
		offers := p.offers
		p.mu.Unlock()
		if m.GetOffer() != nil && offers != nil {
			go offers(m)
		}
	}
}

func (p *terminal) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.more)
	p.more = make(chan struct{})
}

// answering has f called with each offer, and with those that came already.
func (p *terminal) answering(f func(*wgtwo.WebTerminalMessage)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offers = f
	for _, m := range p.got {
		if m.GetOffer() != nil {
			go f(m)
		}
	}
}

// say sends a message, on the next stream if this one breaks.
func (p *terminal) say(m *wgtwo.WebTerminalMessage) {
	var stream grpc.BidiStreamingClient[wgtwo.WebTerminalMessage, wgtwo.WebTerminalMessage]
	p.until("a stream", func() bool { stream = p.stream; return stream != nil })
	if err := p.send(stream, m); err != nil {
		p.until("another stream", func() bool { return p.stream != nil && p.stream != stream })
		p.say(m)
	}
}

func (p *terminal) send(stream grpc.BidiStreamingClient[wgtwo.WebTerminalMessage, wgtwo.WebTerminalMessage], m *wgtwo.WebTerminalMessage) error {
	p.sending.Lock()
	defer p.sending.Unlock()
	return stream.Send(m)
}

// insist says a message that nothing acknowledges: what is sent on a stream just
// when its server dies is lost, so it is said again on each further stream.
func (p *terminal) insist(m *wgtwo.WebTerminalMessage) {
	p.change(func() { p.last = append(p.last[:len(p.last):len(p.last)], m) })
	p.say(m)
}

func (p *terminal) wait(what string, fits func(*wgtwo.WebTerminalMessage) bool) {
	p.t.Helper()
	p.until(what, func() bool {
		for _, m := range p.got {
			if fits(m) {
				return true
			}
		}
		return false
	})
}

// until waits, called with the lock free, until holds, called with it held.
func (p *terminal) until(what string, holds func() bool) {
	p.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		p.mu.Lock()
		ok, more := holds(), p.more
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-more:
		case <-limit.C:
			p.mu.Lock()
			defer p.mu.Unlock()
			p.t.Errorf("%s: not in time; got %v", what, p.got)
			return
		case <-p.ctx.Done():
			return
		}
	}
}

// noneTwice requires that nothing was shown twice for one call.
func (p *terminal) noneTwice() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := map[string]bool{}
	for _, m := range p.got {
		key := fmt.Sprintf("%T %s", m.GetMessage(), m.GetCallId())
		if seen[key] {
			p.t.Errorf("twice: %s", key)
		}
		seen[key] = true
	}
}

func offer(id, to string) *wgtwo.WebTerminalMessage {
	return &wgtwo.WebTerminalMessage{CallId: id, Message: &wgtwo.WebTerminalMessage_Offer{
		Offer: &wgtwo.Offer{Sdp: line.SDP(), Msisdn: &common.PhoneNumber{E164: to}},
	}}
}
