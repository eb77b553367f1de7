package kittest

import (
	"context"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// peerRules: peers that are not what they should be.
var peerRules = []behaviour{
	{name: "wrong credentials are refused, and right ones serve", run: func(k *rig) {
		c := k.dial()
		err := c.SignIn(k.ctx(), Alice.Wrong())
		if code := schema.CodeOf(err); code != callv1.Code_CODE_UNAUTHENTICATED && code != callv1.Code_CODE_FORBIDDEN {
			k.t.Errorf("wrong credentials: %v; want CODE_UNAUTHENTICATED", err)
		}
		if len(k.tables.of(Alice.Subscriber)) != 0 {
			k.t.Errorf("a terminal was attached")
		}
		alice, t := k.signIn(Alice)
		k.place(alice, t, Alice, Bob).answered().over()
	}},
	{name: "secrets are not logged", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		k.place(alice, t, Alice, Bob).answered().over()
		_ = k.dial().SignIn(k.ctx(), Bob.Wrong())
		k.signIn(Bob)
		for _, secret := range []string{Alice.HA1, Alice.Token, Bob.HA1, Bob.Token, Bob.Wrong().Token} {
			if strings.Contains(k.log.String(), secret) {
				k.t.Errorf("the log has %q", secret)
			}
		}
	}},
	{name: "a peer that names another's call is told there is no such call", needs: []Ability{Names}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		carol, carols := k.signIn(Carol)
		mallory, _ := k.signIn(Bob)
		k.owner.answerAll(func(a *asked) bool {
			if a.c.GetPrincipal() == Bob.Subscriber {
				a.refuse(callv1.Code_CODE_NOT_FOUND)
				return true
			}
			return false
		})
		placed := k.place(alice, t, Alice, Carol)
		rings := k.incoming(carol, carols, Carol, Alice)
		for _, name := range []string{rings.call.ID(), placed.legID, placed.callID, placed.call.ID()} {
			stolen := &line{k: k, call: mallory.Named(name)}
			stolen.do(OpHangUp)
			stolen.refused(OpHangUp, callv1.Code_CODE_NOT_FOUND)
		}
		stolen := &line{k: k, call: mallory.Named(rings.call.ID())}
		stolen.do(OpAnswer)
		stolen.refused(OpAnswer, callv1.Code_CODE_NOT_FOUND)
		k.notAsked()
		k.silent(rings.call, "when another named it")
		rings.takes().over()
		placed.answered().over()
	}},
	{name: "a call that never was is no such call", needs: []Ability{Names}, run: func(k *rig) {
		alice, t := k.signIn(Alice)
		k.owner.answerAll(func(a *asked) bool {
			if a.c.GetOffer() == nil {
				a.refuse(callv1.Code_CODE_NOT_FOUND)
				return true
			}
			return false
		})
		for _, name := range []string{
			"6ba7b810-9dad-41d1-80b4-00c04fd430c8",           // somebody's UUID
			schema.LegID(k.key.NewCallID("bob", "never"), 2), // one of ours
		} {
			l := &line{k: k, call: alice.Named(name)}
			l.do(OpHangUp)
			l.refused(OpHangUp, callv1.Code_CODE_NOT_FOUND)
		}
		k.owner.answerAll(nil)
		k.place(alice, t, Alice, Bob).answered().over()
	}},
	{name: "bad input disturbs nobody", run: func(k *rig) {
		if len(k.h.BadInput) == 0 {
			k.t.Fatalf("the harness has no bad input")
		}
		bob, bobs := k.signIn(Bob)
		for _, bad := range k.h.BadInput {
			ok := k.t.Run(bad.Name, func(t T) {
				k := k.as(t)
				good := k.place(bob, bobs, Bob, Carol)
				alice, terminal := k.signIn(Alice)
				if err := bad.Send(k.ctx(), alice); err != nil {
					t.Errorf("%v", err)
				}
				k.notAsked()
				if !bad.Closes {
					k.place(alice, terminal, Alice, Carol).answered().ends(callv1.Reason_REASON_NORMAL)
				}
				k.silent(good.call, "when another peer sent bad input")
				good.answered().ends(callv1.Reason_REASON_NORMAL)
				alice.Close()
				if k.can(NoticesLoss) {
					k.detached(terminal)
				}
			})
			if !ok {
				break
			}
		}
	}},
	{name: "a slow peer delays nobody else", needs: []Ability{NoticesStall}, run: func(k *rig) {
		const most, never = 400, -1
		slow, slows := k.signIn(Alice)
		bob, t := k.signIn(Bob)
		k.owner.answerAll(func(a *asked) bool {
			if a.c.GetPrincipal() == Alice.Subscriber { // is given up
				a.carryOut()
				return true
			}
			return false
		})
		slow.Stall()
		took := make(chan int, 1)
		go func() { // ring until the wire takes no more, each call with a large description
			for n := range most {
				m := k.calling(slows, Alice)
				e := m.invite(Bob)
				e.GetIncoming().Sdp += "a=x-fill:" + strings.Repeat("x", 60<<10) + "\r\n"
				for _, e := range []*callv1.Event{e, m.event(ended(callv1.Reason_REASON_CANCELLED))} {
					switch ack, err := m.send(e); {
					case err != nil:
						took <- never
						return
					case ack.GetError() != nil:
						took <- n
						return
					}
				}
			}
			took <- most
		}()
		worst, stalled := time.Duration(0), false
		late := time.After(eventTimeout + k.h.Patience)
		for !stalled {
			began := time.Now()
			k.incoming(bob, t, Bob, Alice).ends(callv1.Reason_REASON_CANCELLED)
			worst = max(worst, time.Since(began))
			select {
			case n := <-took:
				stalled = true
				switch n {
				case never:
					k.t.Errorf("an event for a peer that does not read was not answered: Deliver blocks longer than its context")
				case most:
					k.t.Errorf("the node took %d large events for a peer that does not read", n)
				}
			case <-late:
				k.t.Fatalf("the slow peer's events are still not answered")
			default:
			}
		}
		if worst > limits().DeliverTimeout {
			k.t.Errorf("another peer's event took %v", worst)
		}
		k.place(bob, t, Bob, Carol).answered().over()
	}},
}

// as is the rig for a part of its test.
func (k *rig) as(t T) *rig {
	c := *k
	c.t = t
	return &c
}

func contextFor(k *rig, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(k.t.Context(), d)
}
