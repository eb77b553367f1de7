package phone

import (
	"context"
	"time"
)

// toPhone asks the exchange to move the call to the subscriber's phone. It says
// InCall once the phone has answered, or TRY_AGAIN.
func (c *conversation) toPhone() {
	c.push = nil
	c.pushing = true
	c.say("asking for the phone")
	c.send(toPhoneMessage(c.box.id))
}

// onInCall: the call is at another terminal. It is where this phone wanted it, or is
// fetched back after the line was down.
func (c *conversation) onInCall(ctx context.Context) {
	switch {
	case c.pushing:
		c.end(Transferred, "the call goes on at the phone")
	case c.lost != nil:
		c.lost = stopped(c.lost)
		c.pullBack(ctx)
	case !c.line.o.Single:
		c.end(RemoteHangUp, "the call has moved to another terminal")
	}
}

// pullBack takes the call to a transport of its own on the new line; the former one
// carries it until the answer.
func (c *conversation) pullBack(ctx context.Context) {
	fresh, err := newPeer(c.sound, isLoopback(c.line.o.Server))
	if err == nil {
		if c.sdp, err = fresh.offer(ctx); err != nil {
			fresh.close()
		}
	}
	if err != nil {
		c.log.Error("no new media", "error", err)
		c.end(MediaFailed, "media could not be made anew")
		return
	}
	c.former, c.peer, c.pulling = c.peer, fresh, true
	c.setup = time.NewTimer(mediaTimeout)
	c.began = time.Now()
	c.say("pulling the call back")
	c.send(c.offer())
}

// leaveFormer ends the transport that a new one replaces. Only then does that hear:
// what is heard is measured by one at a time.
func (c *conversation) leaveFormer() {
	if c.former != nil {
		c.former.close()
		c.former = nil
	}
}
