package phone

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// Patience of a phone.
const (
	// registerTimeout is how long Call waits for its line.
	registerTimeout = 10 * time.Second
	// mediaTimeout is how long media may take to connect after the answer.
	mediaTimeout = 15 * time.Second
	// lineTimeout is how long a MultiPipe's call waits for its line to be back.
	lineTimeout = 60 * time.Second
	// sayTimeout is how long something may take to be sent.
	sayTimeout = 2 * time.Second
	// settleTimeout is how long the exchange may take to read a Bye.
	settleTimeout = time.Second
)

// conversation is one call from its beginning to its end. One goroutine uses
// it.
type conversation struct {
	line   *line
	box    *inbox
	caller bool
	say    func(format string, args ...any) // tells people
	log    *slog.Logger
	sound  *sound
	peer   *peer
	began  time.Time // when the Offer was sent, or came
	res    Result

	sdp       string        // our first description
	remote    string        // the other side's last one
	again     bool          // the Offer was repeated after the line was down
	pulling   bool          // the Offer takes the call over from another terminal
	pushing   bool          // the subscriber's phone was asked for
	former    *peer         // in use until the answer, when the call is pulled back
	hangAfter time.Duration // after media is connected; 0 never
	// toPhoneAfter is when to give the call away, after media is connected; 0 never.
	toPhoneAfter time.Duration

	answer, setup, hang, push, lost *time.Timer // nil until they run
}

// run follows the call to its end. ctx ends it by hanging up.
func (c *conversation) run(ctx context.Context) {
	defer c.line.finish(c.box)
	defer c.stopTimers()
	heard := c.sound.heard
	for c.res.Reason == "" {
		var connected <-chan struct{}
		if c.res.State != Established {
			connected = c.peer.connected
		}
		select {
		case <-ctx.Done():
			c.hangUp(c.given())
		case e := <-c.box.in:
			c.on(ctx, e)
		case <-c.line.ended:
			c.end(ConnectionLost, "the line is down: %v", c.line.err)
		case <-connected:
			c.connected()
		case <-heard:
			heard = nil
			c.say("audio arrives")
		case <-c.peer.failed:
			c.hangUp(MediaFailed)
		case <-fired(c.answer):
			if c.caller {
				c.hangUp(NoAnswer)
			} else {
				c.answer = nil
				c.sayAnswer()
			}
		case <-fired(c.setup):
			c.hangUp(MediaFailed)
		case <-fired(c.hang):
			c.hangUp(LocalHangUp)
		case <-fired(c.push):
			c.toPhone()
		case <-fired(c.lost):
			c.end(ConnectionLost, "the line did not come back")
		}
	}
	c.leaveFormer()
	c.peer.close()
	if err := c.sound.close(&c.res); err != nil {
		c.log.Warn("a file was not finished", "error", err)
	}
}

// given is the reason when the user ends the call.
func (c *conversation) given() Reason {
	switch {
	case c.talking():
		return LocalHangUp
	case c.caller:
		return Cancelled
	}
	return Rejected
}

// on takes what the line or the exchange says.
func (c *conversation) on(ctx context.Context, e event) {
	switch {
	case e.lost && c.line.o.Single && !c.talking():
		c.end(ConnectionLost, "the line is down, and a Pipe's call that nobody has answered with it")
		return
	case e.lost:
		stopped(c.lost)
		c.lost = time.NewTimer(lineTimeout)
		return
	case e.back:
		c.resume()
		return
	}
	switch body := e.m.GetMessage().(type) {
	case *wgtwo.WebTerminalMessage_Ringing:
		if c.caller && c.res.State == Calling {
			c.res.State = Ringing
			c.say("ringing")
		}
	case *wgtwo.WebTerminalMessage_Answer:
		c.onAnswer(body.Answer.GetSdp())
	case *wgtwo.WebTerminalMessage_Bye:
		c.onBye()
	case *wgtwo.WebTerminalMessage_Offer:
		c.onOffer(ctx, body.Offer.GetSdp())
	case *wgtwo.WebTerminalMessage_Error:
		c.onError(body.Error.GetErr())
	case *wgtwo.WebTerminalMessage_InCall:
		c.onInCall(ctx)
	case *wgtwo.WebTerminalMessage_Idle:
		if c.lost != nil {
			c.end(ConnectionLost, "the line is back, and the call is over")
		}
	}
}

// talking reports whether the call is answered.
func (c *conversation) talking() bool { return c.res.State == Answered || c.res.State == Established }

// offer is the message that begins the call here.
func (c *conversation) offer() *message {
	if c.pulling {
		return offerMessage(c.box.id, c.sdp, "")
	}
	return offerMessage(c.box.id, c.sdp, c.res.Peer)
}

func (c *conversation) onAnswer(sdp string) {
	if !c.pulling && (!c.caller || c.talking()) {
		return
	}
	c.pulling = false
	c.leaveFormer()
	if c.res.SetupMS == 0 {
		c.res.SetupMS = milliseconds(time.Since(c.began))
	}
	c.res.State = Answered
	c.say("answered after %.0f ms", milliseconds(time.Since(c.began)))
	c.answer = stopped(c.answer)
	c.setup = time.NewTimer(mediaTimeout)
	c.remote = sdp
	if err := c.peer.accept(sdp); err != nil {
		c.log.Error("the answer cannot be used", "error", err)
		c.hangUp(MediaFailed)
	}
}

func (c *conversation) onBye() {
	switch {
	case c.talking():
		c.end(RemoteHangUp, "the other side hung up")
	case c.caller:
		c.end(Refused, "refused")
	default:
		c.end(Cancelled, "the caller gave up, or another terminal answered")
	}
}

// onOffer answers a new description for a call in progress. One of another
// transport gets a new PeerConnection.
func (c *conversation) onOffer(ctx context.Context, sdp string) {
	if !c.talking() || c.pulling {
		return
	}
	if newTransport(c.remote, sdp) {
		fresh, err := newPeer(c.sound, isLoopback(c.line.o.Server))
		if err != nil {
			c.log.Error("no new media", "error", err)
			return
		}
		c.peer.close()
		c.peer = fresh
	}
	c.remote = sdp
	answer, err := c.peer.answer(ctx, sdp)
	if err != nil {
		c.log.Error("the new offer cannot be used", "error", err)
		c.hangUp(MediaFailed)
		return
	}
	c.send(answerMessage(c.box.id, answer))
	c.say("renegotiated")
}

func (c *conversation) onError(code wgtwo.Error_Code) {
	pending := c.pulling || c.caller && (c.res.State == Calling || c.res.State == Ringing)
	switch {
	case c.pushing && code == wgtwo.Error_TRY_AGAIN:
		c.pushing = false
		c.say("the phone does not take the call; it goes on here")
	case code == wgtwo.Error_INVALID_CALL_ID || code == wgtwo.Error_NOT_INCALL:
		c.end(NoSuchCall, "the exchange knows no such call")
	case !pending || c.again:
		c.log.Warn("the exchange reports an error", "code", code.String())
	case code == wgtwo.Error_TRY_AGAIN:
		c.end(TryAgain, "refused for now: try again later")
	case code == wgtwo.Error_RATE_LIMIT_HIT:
		c.end(RateLimited, "refused: too many messages")
	default:
		c.end(ProtocolError, "refused: %s", code)
	}
}

// resume repeats what may have been lost with the former stream. An exchange
// that knows it already answers with an error and keeps the call.
func (c *conversation) resume() {
	if c.lost == nil {
		return
	}
	if c.line.o.Single {
		return // it is told next whether the call is still there
	}
	c.lost = stopped(c.lost)
	switch {
	case c.caller && c.res.State == Calling:
		c.again = true
		c.send(c.offer())
	case !c.caller && c.res.State == Answered:
		c.send(answerMessage(c.box.id, c.sdp))
	}
}

func (c *conversation) connected() {
	c.res.State = Established
	c.say("connected after %.0f ms", milliseconds(time.Since(c.began)))
	c.setup = stopped(c.setup)
	if c.res.ConnectedMS > 0 {
		return // again, after the line was down
	}
	c.res.ConnectedMS = milliseconds(time.Since(c.began))
	if c.hangAfter > 0 {
		c.hang = time.NewTimer(c.hangAfter)
	}
	if c.toPhoneAfter > 0 {
		c.push = time.NewTimer(c.toPhoneAfter)
	}
}

// sayAnswer takes a call that rings.
func (c *conversation) sayAnswer() {
	c.send(answerMessage(c.box.id, c.sdp))
	c.res.SetupMS = milliseconds(time.Since(c.began))
	c.res.State = Answered
	c.say("answered")
	c.setup = time.NewTimer(mediaTimeout)
}

// hangUp ends the call by this side's doing. The exchange reads the Bye before
// it sees the media go, or it might take that for the reason.
func (c *conversation) hangUp(why Reason) {
	c.send(byeMessage(c.box.id))
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	c.line.settle(ctx)
	cancel()
	c.end(why, "%s", map[Reason]string{
		LocalHangUp: "hung up", Cancelled: "gave up", Rejected: "refused the call",
		NoAnswer: "nobody answered", MediaFailed: "media did not connect, or was lost",
	}[why])
}

func (c *conversation) end(why Reason, format string, args ...any) {
	c.res.Reason = why
	c.say("ended: %s", fmt.Sprintf(format, args...))
}

// send writes a message, also when the user wants to leave.
func (c *conversation) send(m *message) {
	ctx, cancel := context.WithTimeout(context.Background(), sayTimeout)
	defer cancel()
	if err := c.line.send(ctx, m); err != nil {
		c.log.Warn("not sent", "error", err)
	}
}

func (c *conversation) stopTimers() {
	for _, t := range []*time.Timer{c.answer, c.setup, c.hang, c.push, c.lost} {
		stopped(t)
	}
}

// fired gives a timer's channel, nil if there is no timer.
func fired(t *time.Timer) <-chan time.Time {
	if t == nil {
		return nil
	}
	return t.C
}

// stopped stops a timer and forgets it.
func stopped(t *time.Timer) *time.Timer {
	if t != nil {
		t.Stop()
	}
	return nil
}
