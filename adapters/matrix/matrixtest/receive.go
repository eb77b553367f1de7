package matrixtest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest/callspec"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// content is what is read of a call event.
type content struct {
	CallID      string          `json:"call_id"`
	Party       string          `json:"party_id"`
	Version     json.RawMessage `json:"version"`
	Invitee     string          `json:"invitee"`
	Lifetime    int64           `json:"lifetime"`
	Offer       description     `json:"offer"`
	Answer      description     `json:"answer"`
	Description description     `json:"description"`
	Selected    string          `json:"selected_party_id"`
	Reason      string          `json:"reason"`
	Identity    struct {
		ID   string `json:"id"`
		Name string `json:"display_name"`
	} `json:"asserted_identity"`
}

type description struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

func (c *content) isV0() bool { return string(c.Version) == "0" }

// take takes what /sync has brought, and does what follows from it.
func (c *Client) take(s *synced, replay bool) {
	c.gate.Lock()
	defer c.gate.Unlock()
	c.mu.Lock()
	var then []func(context.Context) error
	for room, r := range s.Rooms.Join {
		for _, e := range append(r.State.Events, r.Timeline.Events...) {
			then = append(then, c.event(room, e, replay)...)
		}
	}
	for room := range s.Rooms.Leave {
		delete(c.members, room)
	}
	for room := range s.Rooms.Invite {
		if c.o.Accepts {
			then = append(then, func(ctx context.Context) error { return c.api.join(ctx, room) })
		}
	}
	if replay {
		c.ringLate()
	}
	c.news()
	c.mu.Unlock()
	for _, do := range then {
		if err := do(c.life); err != nil && c.life.Err() == nil {
			c.mu.Lock()
			c.complain("what followed could not be sent: %w", err)
			c.mu.Unlock()
		}
	}
}

// ringLate has the calls ring that rang already when the device signed in. c.mu is
// held.
func (c *Client) ringLate() {
	for _, k := range c.calls {
		if !k.outgoing && !k.over && !k.answered {
			c.rung = append(c.rung, k)
		}
	}
}

// event takes an event, and gives what is to be done. c.mu is held.
func (c *Client) event(room string, e event, replay bool) []func(context.Context) error {
	if e.Type == "m.room.member" && e.StateKey != nil {
		var m struct {
			Membership string `json:"membership"`
		}
		if json.Unmarshal(e.Content, &m) == nil {
			if c.members[room] == nil {
				c.members[room] = map[string]string{}
			}
			c.members[room][*e.StateKey] = m.Membership
		}
		return nil
	}
	if !callspec.IsCall(e.Type) {
		return nil
	}
	var x content
	if err := json.Unmarshal(e.Content, &x); err != nil {
		if e.Sender != c.api.user {
			c.complain("%s: %w", e.Type, err)
		}
		return nil
	}
	k := c.calls[x.CallID]
	if e.Sender == c.api.user {
		c.own(room, e, x, k, replay)
		return nil
	}
	if err := callspec.Check(e.Type, e.Content); err != nil {
		c.complain("%s sent %w", e.Sender, err)
	}
	if e.Type == callspec.Invite {
		return c.invited(room, e, x, k, replay)
	}
	if k == nil || k.over {
		return nil
	}
	if k.outgoing && k.sender != "" && k.sender != e.Sender || !k.outgoing && k.sender != e.Sender {
		c.complain("%s of %s, who is not in the call", e.Type, e.Sender)
	}
	if k.outgoing && x.isV0() != (c.o.Version == V0) {
		c.complain("%s in version %s of a call that was made in version %s", e.Type, x.Version, c.o.Version)
	}
	return k.told(e, x)
}

// own takes an event of the user's own, by another device or by this one. c.mu is
// held.
func (c *Client) own(room string, e event, x content, k *Call, replay bool) {
	if k == nil {
		if replay && e.Type == callspec.Invite {
			c.calls[x.CallID] = &Call{c: c, room: room, id: x.CallID, outgoing: true}
		}
		return
	}
	mine := x.Party == c.party && x.Party != ""
	if mine || k.outgoing || k.over || k.answered && !replay {
		return
	}
	switch {
	case e.Type == callspec.Answer && replay:
		k.answered = true
	case e.Type == callspec.Answer && (x.isV0() || c.o.Version == V0):
		k.end(callv1.Reason_REASON_ANSWERED_ELSEWHERE)
	case e.Type == callspec.Reject, e.Type == callspec.Hangup:
		k.end(ReasonIn(x.Reason)) // another device refused it for all
	}
}

// invited takes a call that comes. c.mu is held.
func (c *Client) invited(room string, e event, x content, k *Call, replay bool) []func(context.Context) error {
	if k != nil {
		c.complain("call %s was offered twice", x.CallID)
		return nil
	}
	if x.Invitee != "" && x.Invitee != c.api.user {
		return nil
	}
	if len(c.members[room]) != 2 {
		c.complain("a call in a room of %v", c.members[room])
	}
	if age := time.Since(time.UnixMilli(e.At)); age > time.Duration(x.Lifetime)*time.Millisecond {
		return nil
	}
	k = &Call{c: c, room: room, id: x.CallID, sender: e.Sender, offer: x.Offer.SDP, party: x.Party, v0: x.isV0()}
	if e.Sender != c.o.Bot {
		k.from = AddressOf(c.o.Ghosts, e.Sender)
	}
	c.calls[k.id] = k
	if then, settled := c.crosses(k); settled {
		return then
	}
	if !replay {
		c.rung = append(c.rung, k)
	}
	return nil
}

// told takes what the other side says about a call. k.c.mu is held.
func (k *Call) told(e event, x content) []func(context.Context) error {
	v1 := k.c.o.Version == V1
	switch e.Type {
	case callspec.Identity:
		if k.identified = true; k.from == "" {
			if k.from = x.Identity.ID; k.from != "" && k.from[0] == '@' {
				k.from = AddressOf(k.c.o.Ghosts, k.from)
			}
		}
	case callspec.Answer:
		if !k.outgoing || k.answered {
			return nil
		}
		k.answered, k.party, k.sender = true, x.Party, e.Sender
		k.hear(kittest.Heard{What: kittest.Answered, SDP: x.Answer.SDP})
		if v1 {
			return []func(context.Context) error{func(ctx context.Context) error {
				return k.say(ctx, callspec.SelectAnswer, map[string]any{"selected_party_id": x.Party})
			}}
		}
	case callspec.SelectAnswer:
		switch {
		case k.outgoing || !v1:
		case x.Selected == k.c.party:
			k.hear(kittest.Heard{What: kittest.Accepted})
		default:
			k.end(callv1.Reason_REASON_ANSWERED_ELSEWHERE)
		}
	case callspec.Hangup:
		k.end(ReasonIn(x.Reason))
	case callspec.Reject:
		if v1 {
			k.end(ReasonIn(x.Reason))
		} else {
			k.c.complain("a reject in a call of version 0")
		}
	case callspec.Negotiate:
		k.negotiated(x)
	case callspec.Candidates, callspec.Streams:
	default:
		k.hear(kittest.Heard{What: kittest.What(e.Type)})
	}
	return nil
}

// negotiated takes a description in a call that was answered. Of two offers that cross
// the caller's stands: who is called is the polite side, takes its own back, and makes
// it again. k.c.mu is held.
func (k *Call) negotiated(x content) {
	switch {
	case k.c.o.Version == V0:
		k.c.complain("a negotiate in a call of version 0")
	case x.Description.Type == "answer":
		k.offering = ""
		k.hear(kittest.Heard{What: kittest.ReofferAnswered, SDP: x.Description.SDP})
	case k.offering != "" && k.outgoing:
	default:
		k.again, k.offering = k.offering, ""
		k.hear(kittest.Heard{What: kittest.Reoffered, SDP: x.Description.SDP})
	}
}
