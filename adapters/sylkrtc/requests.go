package sylkrtc

import (
	"context"

	"github.com/coder/websocket"
)

// carryOut does what a client asked, one request at a time.
func (p *peer) carryOut(job any) {
	fr, ok := job.(*frame)
	if !ok {
		p.carryOutOther(job)
		return
	}
	t := fr.transaction
	switch r := fr.body.(type) {
	case *accountAdd:
		p.addAccount(t, r)
	case *accountRemove:
		p.removeAccount(t, r.account)
	case *accountRegister:
		p.register(t, r.account)
	case *accountUnregister:
		p.unregister(t, r.account)
	case *sessionCreate:
		p.create(t, r)
	case *sessionAnswer:
		p.answer(t, r)
	case *sessionTrickle:
		p.trickle(t, r)
	case *sessionTerminate:
		p.terminate(t, r)
	case *sessionDTMF:
		p.dtmf(t, r)
	default:
		p.send(failure{t, fr.name + " is not supported"})
	}
}

func (p *peer) carryOutOther(job any) {
	switch j := job.(type) {
	case failure:
		p.send(j)
	case ack:
		p.send(j)
	case ring:
		p.ring(j.s)
	case disconnect:
		p.closeWith(websocket.StatusPolicyViolation, j.why)
	}
}

// commands gives the context that commands are sent with. It outlasts the
// connection: a command whose outcome nobody waits for would have to be undone.
func (p *peer) commands() context.Context { return p.a.work }
