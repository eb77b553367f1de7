package sylkrtc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// peer is one WebSocket connection with its accounts and sessions.
//
// Its goroutines: run reads; in carries requests out, one after the other; out
// writes. The last two live only while they have something to do. Deliver
// comes on the host's goroutines.
type peer struct {
	a      *adapter
	ws     *websocket.Conn
	v      version
	remote string
	ctx    context.Context // ends with the connection
	cut    context.CancelFunc
	in     lane[any] // *frame, failure, ack, ring, anew or disconnect
	out    lane[outbound]
	pinged time.Time // guarded by adapter.mu

	rate  bucket      // the reader's
	noisy bool        // the reader's: there were too many of those
	signs bucket      // the reader's: of pings and pongs
	talk  bucket      // the request goroutine's: of messaging
	bad   strikes     // the reader's: messages that were no requests
	over  int         // the reader's: requests in a row that were too many
	late  *time.Timer // the reader's: ends the connection when a message takes too long
	deaf  bool        // the reader's: nothing is listened to any more

	mu       sync.Mutex // never held while anything blocks
	accounts map[string]*account
	sessions map[string]*session // by the client's name for them
	legs     map[string]*session // the same, by leg
	ended    []*session          // those that have ended, oldest first
	closing  bool                // this side closes the connection
	gone     bool                // no event can be told any more
}

// outbound is something for the wire: a message, a close frame, or, with
// neither, a mark that all before it is written.
type outbound struct {
	text []byte
	end  *websocket.CloseError
	done chan<- error // buffered; nil if nobody waits
}

const (
	goingAway = websocket.StatusGoingAway
	// maxQueued requests, or this many bytes of them, wait for one connection;
	// then it is not read.
	maxQueued      = 64
	maxQueuedBytes = 512 << 10
	// maxUnsent is how many bytes may wait for one client, whatever the number of
	// messages.
	maxUnsent = 8 << 20
)

func newPeer(a *adapter, ws *websocket.Conn, v version, remote string) *peer {
	p := &peer{a: a, ws: ws, v: v, remote: remote, pinged: time.Now()}
	p.ctx, p.cut = context.WithCancel(a.work)
	p.rate = bucket{level: float64(a.cfg.Burst), at: time.Now()}
	p.signs = p.rate
	p.in.init(maxQueued, maxQueuedBytes, func(job any) {
		_ = p.rescue(func() error { p.carryOut(job); return nil }) // the connection is cut
	})
	p.out.init(a.cfg.SendQueue, maxUnsent, p.write)
	return p
}

// run serves the connection until it ends.
func (p *peer) run() {
	defer p.a.remove(p)
	log := p.a.log.With("remote", p.remote)
	log.Info("connected", "protocol", string(p.v))
	p.send(ready{})
	err := p.rescue(p.read)

	p.mu.Lock()
	p.gone = true
	why, code := p.whyGone(err)
	p.mu.Unlock()
	p.cut()
	p.in.close()
	_ = p.ws.CloseNow() // it has ended one way or the other
	for _, o := range p.out.close() {
		o.report(errGone)
	}
	p.detachAll(why) // now, whatever command is still under way
	p.in.wait()
	p.out.wait()
	p.detachAll(why) // what that command attached
	log.Info("disconnected", "signed_out", why == kit.SignedOut, "status", int(code), "cause", err)
}

// whyGone tells a client that left from a connection that broke. A page that
// is closed or reloaded says 1001, WebSocket.close() sends no status.
func (p *peer) whyGone(err error) (kit.DetachReason, websocket.StatusCode) {
	code := websocket.CloseStatus(err)
	switch code {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		if !p.closing {
			return kit.SignedOut, code
		}
	}
	return kit.Lost, code
}

var errGone = schema.Errorf(callv1.Code_CODE_GONE, "the connection has ended")

// read takes messages until the connection ends.
func (p *peer) read() error {
	for {
		kind, text, err := p.message()
		if errors.Is(err, websocket.ErrMessageTooBig) {
			p.a.host.Metrics().Count("messages_too_long", 1)
		}
		if err != nil {
			return err
		}
		if !p.receive(kind, text) {
			return errors.New("closed for what the client sent")
		}
	}
}

// receive takes one message; false ends the connection.
func (p *peer) receive(kind websocket.MessageType, text []byte) bool {
	if p.deaf {
		return true // read on, or the close handshake could not be
	}
	fr, err := p.parse(kind, text)
	switch within := p.rate.take(p.a.cfg.Rate, p.a.cfg.Burst, time.Now()); {
	case within:
		p.over = 0
	case fr != nil && mustPass(fr.body):
		p.pace(fr.body)
	default:
		return p.tooMany(fr, err)
	}
	var bad *badFrame
	var wrong *badField
	switch {
	case errors.As(err, &bad):
		return p.notARequest(bad)
	case errors.As(err, &wrong):
		return p.in.pushWait(failure{wrong.transaction, wrong.text}, len(wrong.text))
	}
	if _, ok := fr.body.(ping); ok {
		// A ping asks whether the connection lives, not how long requests take:
		// it does not wait for those before it.
		p.send(ack{fr.transaction})
		return true
	}
	return p.in.pushWait(fr, len(text))
}

func (p *peer) parse(kind websocket.MessageType, text []byte) (*frame, error) {
	if kind != websocket.MessageText {
		return nil, &badFrame{salvage(text), "invalid binary message"}
	}
	return parse(p.v, text)
}

// notARequest counts what is no request; after too many it ends the connection.
func (p *peer) notARequest(bad *badFrame) bool {
	count := p.bad.add(time.Now())
	p.a.host.Metrics().Count("bad_messages", 1)
	p.a.log.Info("bad message", "remote", p.remote, "why", bad.text, "count", count)
	if bad.transaction != "" && !p.in.pushWait(failure{bad.transaction, bad.text}, len(bad.text)) {
		return false
	}
	if p.a.cfg.MaxBad > 0 && count >= p.a.cfg.MaxBad {
		return p.disconnect("too many bad messages")
	}
	return true
}

// disconnect ends the connection of a client that does not follow the protocol,
// once what it asked before is answered.
func (p *peer) disconnect(why string) bool {
	p.deaf = true
	return p.in.pushWait(disconnect{why}, 0)
}

type disconnect struct{ why string }
