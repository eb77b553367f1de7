package sylkrtc

import (
	"context"

	"github.com/coder/websocket"
)

// carryOut does what a client asked, one request at a time.
func (p *peer) carryOut(job any) {
	switch j := job.(type) {
	case *frame:
		if _, is := j.body.(unsupported); is {
			p.send(failure{j.transaction, j.name + " is not supported"})
			return
		}
		j.body.carryOut(p, j.transaction)
	case failure:
		p.send(j)
	case ack:
		p.send(j)
	case ring:
		p.ring(j.s)
	case anew:
		p.declineAnew(j)
	case disconnect:
		p.closeWith(websocket.StatusPolicyViolation, j.why)
	}
}

// commands gives the context that commands are sent with. It outlasts the
// connection: a command whose outcome nobody waits for would have to be undone.
func (p *peer) commands() context.Context { return p.a.work }

func (r *accountAdd) carryOut(p *peer, t string)        { p.addAccount(t, r) }
func (r *accountRemove) carryOut(p *peer, t string)     { p.removeAccount(t, r.account) }
func (r *accountRegister) carryOut(p *peer, t string)   { p.register(t, r.account) }
func (r *accountUnregister) carryOut(p *peer, t string) { p.unregister(t, r.account) }
func (r *sessionCreate) carryOut(p *peer, t string)     { p.create(t, r) }
func (r *sessionAnswer) carryOut(p *peer, t string)     { p.answer(t, r) }
func (r *sessionTrickle) carryOut(p *peer, t string)    { p.trickle(t, r) }
func (r *sessionTerminate) carryOut(p *peer, t string)  { p.terminate(t, r) }
func (r *sessionUpdate) carryOut(p *peer, t string)     { p.update(t, r) }
func (r *sessionDTMF) carryOut(p *peer, t string)       { p.dtmf(t, r) }

func (ping) carryOut(p *peer, t string)        { p.send(ack{t}) }
func (unsupported) carryOut(p *peer, t string) { p.send(failure{t, "not supported"}) }
