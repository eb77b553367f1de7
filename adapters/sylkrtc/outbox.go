package sylkrtc

import (
	"context"

	"github.com/coder/websocket"
)

// send queues a message for the client. It does not block. A client that lets
// too many pile up loses its connection.
func (p *peer) send(m any) { p.sendWith(m, nil) }

// sendWith is send with somebody to be told when the message is written. A
// message that the version cannot say counts as written.
func (p *peer) sendWith(m any, done chan<- error) {
	var text []byte
	if m != nil {
		text, _ = encode(p.v, m, p.a.cfg.BareOriginator)
	}
	if text == nil && done == nil {
		return
	}
	p.queue(outbound{text: text, done: done})
}

func (p *peer) queue(o outbound) {
	ok, closed := p.out.push(o, len(o.text))
	if ok {
		return
	}
	o.report(errGone)
	if !closed {
		p.a.host.Metrics().Count("slow_clients", 1)
		p.a.log.Info("client too slow", "remote", p.remote)
		p.cut()
	}
}

func (o outbound) report(err error) {
	if o.done != nil {
		o.done <- err
	}
}

// write puts one thing on the wire. It is called by one goroutine at a time.
func (p *peer) write(o outbound) {
	switch {
	case o.end != nil:
		if err := p.ws.Close(o.end.Code, o.end.Reason); err != nil {
			p.a.log.Debug("close", "remote", p.remote, "error", err)
		}
		p.cut()
	case o.text != nil:
		ctx, cancel := context.WithTimeout(context.Background(), p.a.cfg.WriteTimeout)
		err := p.ws.Write(ctx, websocket.MessageText, o.text)
		cancel()
		if err != nil {
			o.report(errGone)
			p.cut()
			return
		}
		o.report(nil)
	default:
		o.report(nil)
	}
}

// closeWith closes the connection once all that is queued is written. It does
// not block.
func (p *peer) closeWith(code websocket.StatusCode, reason string) {
	p.mu.Lock()
	already := p.closing
	p.closing = true
	p.mu.Unlock()
	if !already {
		p.queue(outbound{end: &websocket.CloseError{Code: code, Reason: reason}})
	}
}

// ping asks for a sign of life and cuts a connection that gives none.
func (p *peer) ping() {
	ctx, cancel := context.WithTimeout(p.ctx, p.a.cfg.PongTimeout)
	defer cancel()
	if err := p.ws.Ping(ctx); err != nil && p.ctx.Err() == nil {
		p.a.host.Metrics().Count("dead_clients", 1)
		p.a.log.Info("client gave no sign of life", "remote", p.remote)
		p.cut()
	}
}
