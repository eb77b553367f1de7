package matrixtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest/callspec"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Kit makes a client one of the conformance kit's. rings is what its node's Spec was
// wrapped with, so that Ring has a meaning; without it Ring does nothing, as the
// adapter says by itself that a call alerts.
func Kit(c *Client, rings *kittest.Alerts) kittest.Client { return &kitClient{c, rings} }

// Beneath gives the client beneath one that Kit made; nil for another's.
func Beneath(c kittest.Client) *Client {
	if k, ok := c.(*kitClient); ok {
		return k.Client
	}
	return nil
}

type kitClient struct {
	*Client
	rings *kittest.Alerts
}

// of is a call as the kit has it: with what its version can do.
func (c *kitClient) of(k *Call) kittest.Call {
	if c.o.Version == V0 {
		return &kitCall{k, c.rings}
	}
	return &kitCall1{kitCall{k, c.rings}}
}

// Call implements kittest.Client. A room with the other side is made if there is none.
func (c *kitClient) Call(ctx context.Context, to kittest.Account, sdp string) (kittest.Call, error) {
	k, err := c.Place(ctx, addressOf(to.AOR, to.MSISDN), sdp)
	if err != nil {
		return nil, err
	}
	return c.of(k), nil
}

// ErrDeclined: who was to be called does not come into the room.
var ErrDeclined = errors.New("the invitation was declined")

// Place calls an address. Who would stand for one that nobody has gives ErrDeclined.
func (c *Client) Place(ctx context.Context, address, sdp string) (*Call, error) {
	_, server, _ := strings.Cut(c.api.user, ":")
	ghost := GhostOf(c.o.Ghosts, address, server)
	room := c.roomWith(ghost)
	joined := room != ""
	if !joined {
		var err error
		if room, err = c.api.createRoom(ctx, ghost); err != nil {
			return nil, err
		}
	}
	if !joined && !c.o.AtOnce {
		switch came, err := c.joins(ctx, room, ghost); {
		case err != nil:
			return nil, err
		case !came:
			return nil, fmt.Errorf("%s: %w", ghost, ErrDeclined)
		}
	}
	return c.place(ctx, room, ghost, sdp)
}

func (c *Client) place(ctx context.Context, room, ghost, sdp string) (*Call, error) {
	id := rand.Text()
	if c.o.CallID != nil {
		id = c.o.CallID()
	}
	sdp, candidates := c.split(sdp)
	first, err := json.Marshal(c.invite(id, ghost, sdp))
	if err != nil {
		return nil, err
	}
	k := &Call{c: c, room: room, id: id, outgoing: true, sender: ghost, first: first}
	c.mu.Lock()
	c.calls[id] = k
	c.mu.Unlock()
	if err := c.send(ctx, room, callspec.Invite, k.first); err != nil {
		return nil, err
	}
	return k, k.trickle(ctx, candidates)
}

// Incoming implements kittest.Client. A call on the line is there once it is said who
// calls.
func (c *kitClient) Incoming(ctx context.Context) (kittest.Call, error) {
	k, err := c.Rung(ctx)
	if err != nil {
		return nil, err
	}
	return c.of(k), nil
}

// Rung waits for the next call that rings.
func (c *Client) Rung(ctx context.Context) (*Call, error) {
	var k *Call
	err := c.until(ctx, func() bool {
		if len(c.rung) == 0 || c.rung[0].from == "" && !c.rung[0].identified && !c.rung[0].over {
			return false
		}
		k, c.rung = c.rung[0], c.rung[1:]
		return true
	})
	return k, err
}

// Named implements kittest.Client. A call that the device knows is in its room, any
// other in the line.
func (c *kitClient) Named(id string) kittest.Call {
	c.mu.Lock()
	k := c.calls[id]
	c.mu.Unlock()
	if k == nil {
		k = &Call{c: c.Client, id: id, room: c.roomWith(c.o.Bot)}
		c.mu.Lock()
		c.calls[id] = k
		c.mu.Unlock()
	}
	return c.of(k)
}

// kitCall is a call of version 0.
type kitCall struct {
	*Call
	rings *kittest.Alerts
}

// Ring implements kittest.Call.
func (k *kitCall) Ring(ctx context.Context) error {
	if k.rings == nil {
		return nil
	}
	return k.rings.Release(ctx, k.id, func(*callv1.Reply, error) {})
}

// DTMF implements kittest.Call.
func (k *Call) DTMF(context.Context, string) error {
	return errors.New("no event says digits")
}

// kitCall1 adds what version 1 can do.
type kitCall1 struct{ kitCall }

// Reoffer implements kittest.Reofferer.
func (k *kitCall1) Reoffer(ctx context.Context, sdp string) error { return k.now().reoffer(ctx, sdp) }

// AnswerReoffer implements kittest.ReofferTaker.
func (k *kitCall1) AnswerReoffer(ctx context.Context, sdp string) error {
	now := k.now()
	now.c.mu.Lock()
	again := now.again
	now.again = ""
	now.c.mu.Unlock()
	err := now.negotiate(ctx, "answer", strings.ReplaceAll(sdp, "a=setup:actpass", "a=setup:passive"))
	if err != nil || again == "" {
		return err
	}
	return now.reoffer(ctx, again)
}

func (k *Call) reoffer(ctx context.Context, sdp string) error {
	k.c.mu.Lock()
	k.offering = sdp
	k.c.mu.Unlock()
	return k.negotiate(ctx, "offer", sdp)
}

// negotiate sends a description in a call. Its candidates are in it: they are those
// of before.
func (k *Call) negotiate(ctx context.Context, kind, sdp string) error {
	return k.say(ctx, callspec.Negotiate, map[string]any{"description": description{kind, sdp}, "lifetime": 60000})
}
