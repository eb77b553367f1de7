package grpcpipe

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/services/callstate"
)

// Terminals of this adapter in a whole exchange: real call state, stub media, the
// wire. What is checked is the wire, message by message.

// office is an exchange with nodes of this adapter.
type office struct {
	t *testing.T
	x *kittest.Exchange
	// pipes and multis are two nodes, so that nothing is settled within one.
	pipes, multis *kittest.ExchangeNode
}

func openOffice(t *testing.T) *office {
	t.Helper()
	kittest.NoGoroutinesLeft(kittest.FromT(t))
	cfg := callstate.DefaultConfig()
	cfg.Grace = 5 * time.Second
	x := kittest.NewExchange(kittest.FromT(t), kittest.ExchangeConfig{CallState: &cfg})
	return &office{t: t, x: x, pipes: x.Node("pipes", node(false)), multis: x.Node("multis", node(true))}
}

func (o *office) signIn(multi bool, a kittest.Account) *grpcpipetest.Client {
	o.t.Helper()
	n := o.pipes
	if multi {
		n = o.multis
	}
	c, _ := n.SignIn(a)
	return c.(*grpcpipetest.Client)
}

func (o *office) ctx() context.Context {
	ctx, cancel := context.WithTimeout(o.t.Context(), patience)
	o.t.Cleanup(cancel)
	return ctx
}

func (o *office) do(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// hears wants the next thing that a call hears.
func (o *office) hears(c kittest.Call, want kittest.What) kittest.Heard {
	o.t.Helper()
	h, err := c.Next(o.ctx())
	o.do(err)
	if h.What != want {
		o.t.Fatalf("heard %+v, want %s", h, want)
	}
	return h
}

// rings waits for a call.
func (o *office) rings(c *grpcpipetest.Client) *grpcpipetest.Call {
	o.t.Helper()
	k, err := c.Incoming(o.ctx())
	o.do(err)
	return k.(*grpcpipetest.Call)
}

// shows waits for a status: the other party's number, "" for Idle. It gives the
// call's name.
func (o *office) shows(c *grpcpipetest.Client, peer string) string {
	o.t.Helper()
	s, err := c.NextStatus(o.ctx())
	o.do(err)
	if s.InCall != (peer != "") || s.Peer != peer {
		o.t.Fatalf("shown %+v, want %q", s, peer)
	}
	return s.Call
}

// talk has from call to, whose first terminal answers.
func (o *office) talk(from *grpcpipetest.Client, to kittest.Account, at *grpcpipetest.Client) (placed, taken *grpcpipetest.Call) {
	o.t.Helper()
	k, err := from.Call(o.ctx(), to, kittest.SDP("offer"))
	o.do(err)
	taken = o.rings(at)
	o.do(taken.Answer(o.ctx(), kittest.SDP("answer")))
	o.hears(k, kittest.Answered)
	return k.(*grpcpipetest.Call), taken
}

func (o *office) pull(c *grpcpipetest.Client, name string) *grpcpipetest.Call {
	o.t.Helper()
	k, err := c.Pull(o.ctx(), name, kittest.SDP("pull"))
	o.do(err)
	o.hears(k, kittest.Answered)
	return k.(*grpcpipetest.Call)
}

// A call goes from a Pipe to a MultiPipe and back, and each hears what the other has.
func TestCallMoves(t *testing.T) {
	o := openOffice(t)
	bob := o.signIn(true, kittest.Bob)
	pipe, multi := o.signIn(false, kittest.Alice), o.signIn(true, kittest.Alice)
	placed, taken := o.talk(pipe, kittest.Bob, bob)
	name := o.shows(multi, kittest.Bob.MSISDN)
	for range 2 {
		moved := o.pull(multi, name)
		o.hears(placed, kittest.Ended)
		o.shows(pipe, kittest.Bob.MSISDN)
		placed = o.pull(pipe, "")
		o.hears(moved, kittest.Ended)
		if again := o.shows(multi, kittest.Bob.MSISDN); again != name {
			t.Errorf("the call is %s, was %s", again, name)
		}
	}
	o.do(taken.HangUp(o.ctx()))
	o.hears(placed, kittest.Ended)
	o.shows(multi, "")
}

// All terminals of a subscriber ring; those that did not answer hear Bye, then
// InCall, and Idle in the end.
func TestForkInExchange(t *testing.T) {
	o := openOffice(t)
	alice := o.signIn(false, kittest.Alice)
	first, pipe, multi := o.signIn(true, kittest.Bob), o.signIn(false, kittest.Bob), o.signIn(true, kittest.Bob)
	k, err := alice.Call(o.ctx(), kittest.Bob, kittest.SDP("offer"))
	o.do(err)
	taken, onPipe, onMulti := o.rings(first), o.rings(pipe), o.rings(multi)
	o.do(taken.Answer(o.ctx(), kittest.SDP("answer")))
	o.hears(k, kittest.Answered)
	o.hears(onPipe, kittest.Ended)
	o.hears(onMulti, kittest.Ended)
	o.shows(pipe, kittest.Alice.MSISDN)
	o.shows(multi, kittest.Alice.MSISDN)
	o.do(k.HangUp(o.ctx()))
	o.hears(taken, kittest.Ended)
	o.shows(pipe, "")
	o.shows(multi, "")
}

// ToPhone moves the call to the phone (Carol's); it comes back by a pull.
func TestPushInExchange(t *testing.T) {
	for _, multi := range []bool{false, true} {
		o := openOffice(t)
		bob, carol, alice := o.signIn(true, kittest.Bob), o.signIn(false, kittest.Carol), o.signIn(multi, kittest.Alice)
		placed, taken := o.talk(alice, kittest.Bob, bob)

		o.do(placed.Push(o.ctx()))
		phone := o.rings(carol)
		if phone.From() != kittest.Bob.MSISDN {
			t.Errorf("the phone shows %s", phone.From())
		}
		o.do(placed.Push(o.ctx()))
		o.hears(placed, kittest.PushFailed) // the second
		o.do(phone.Reject(o.ctx(), 0))
		o.hears(placed, kittest.PushFailed)

		o.do(placed.Push(o.ctx()))
		phone = o.rings(carol)
		o.do(phone.Answer(o.ctx(), kittest.SDP("phone")))
		o.hears(placed, kittest.Transferred)
		o.do(taken.HangUp(o.ctx()))
		o.hears(phone, kittest.Ended)
		o.shows(alice, "")
	}
}

// A Pipe that is lost in a call is shown it when it comes back, and pulls it; a
// MultiPipe goes on with it by its name, with an Offer or without.
func TestComesBackInExchange(t *testing.T) {
	o := openOffice(t)
	bob := o.signIn(true, kittest.Bob)
	alice := o.signIn(false, kittest.Alice)
	_, taken := o.talk(alice, kittest.Bob, bob)
	alice.Close()
	alice = o.signIn(false, kittest.Alice)
	o.shows(alice, kittest.Bob.MSISDN)
	placed := o.pull(alice, "")

	bob.Close()
	bob = o.signIn(true, kittest.Bob)
	again := bob.Named(taken.ID()).(*grpcpipetest.Call)
	o.do(again.Reoffer(o.ctx(), kittest.SDP("back")))
	o.hears(again, kittest.ReofferAnswered)
	o.do(placed.HangUp(o.ctx()))
	o.hears(again, kittest.Ended)

	k, _ := o.talk(bob, kittest.Alice, alice)
	bob.Close()
	bob = o.signIn(true, kittest.Bob)
	rest := bob.Named(k.ID()).(*grpcpipetest.Call)
	o.do(rest.HangUp(o.ctx()))
}

// Both sides renegotiate, and each may refuse.
func TestReofferInExchange(t *testing.T) {
	for _, multi := range []bool{false, true} {
		o := openOffice(t)
		alice, bob := o.signIn(multi, kittest.Alice), o.signIn(multi, kittest.Bob)
		placed, taken := o.talk(alice, kittest.Bob, bob)
		for n, k := range []*grpcpipetest.Call{placed, taken} {
			o.do(k.Reoffer(o.ctx(), kittest.SDP("again")))
			if h := o.hears(k, kittest.ReofferAnswered); h.SDP == "" {
				t.Errorf("side %d is answered with nothing", n)
			}
		}
		o.do(placed.HangUp(o.ctx()))
		o.hears(taken, kittest.Ended)
	}
}
