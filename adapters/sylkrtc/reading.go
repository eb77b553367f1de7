package sylkrtc

import (
	"io"
	"time"

	"github.com/coder/websocket"
)

// strangersMessage is the longest message that is read before an account of the
// connection has signed in. There is room for a session description.
const strangersMessage = 128 << 10

// closing is how long reading pauses while another goroutine closes a connection,
// which otherwise starts one more for each frame.
const closing = 5 * time.Millisecond

// message reads one message. However slowly a client may send nothing, what it has
// begun must come to its end in time: it holds memory.
func (p *peer) message() (websocket.MessageType, []byte, error) {
	kind, r, err := p.ws.Reader(p.ctx)
	if err != nil {
		return 0, nil, err //nolint:wrapcheck // read looks at it
	}
	if p.late == nil {
		p.late = time.AfterFunc(p.a.cfg.ReadTimeout, p.tooLate)
	} else {
		p.late.Reset(p.a.cfg.ReadTimeout)
	}
	defer p.late.Stop()
	text, err := io.ReadAll(r)
	return kind, text, err //nolint:wrapcheck // as above
}

func (p *peer) tooLate() {
	p.a.host.Metrics().Count("slow_clients", 1)
	p.a.log.Info("client sends too slowly", "remote", p.remote)
	p.cut()
}

// trust lets a client send messages as long as the configuration says.
func (p *peer) trust() { p.ws.SetReadLimit(int64(p.a.cfg.MaxMessage)) }

// control takes note of a ping or pong, which are no requests and cost as much. A
// client that sends them without end is cut off.
func (p *peer) control() bool {
	if p.noisy { // more of them were here already
		time.Sleep(closing)
		return false
	}
	if p.signs.take(p.a.cfg.Rate, p.a.cfg.Burst, time.Now()) {
		return true
	}
	p.noisy = true
	p.a.host.Metrics().Count("rate_limited", 1)
	p.a.log.Info("too many pings", "remote", p.remote)
	p.cut()
	return false
}
