package matrixtest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest/callspec"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Call is a call as a device has it.
type Call struct {
	c        *Client
	room, id string
	outgoing bool
	first    json.RawMessage // of one that was placed

	// Of the other side: who it is, its party, the offer and what is shown.
	sender, party, offer, from string
	v0                         bool
	identified                 bool

	answered, over bool
	heard          []kittest.Heard
	// offering is this client's offer inside the call that nobody has answered yet;
	// again is one that it has taken back for the other side's, and is made again.
	offering, again string
	// instead is the call that took this one's place, when two had crossed.
	instead *Call
}

// ID implements kittest.Call.
func (k *Call) ID() string { return k.id }

// CallID is what the call is named by, also where it does not show.
func (k *Call) CallID() string { return k.id }

// Room is where it is.
func (k *Call) Room() string { return k.room }

// SDP implements kittest.Call.
func (k *Call) SDP() string { return k.offer }

// From is the address of who calls, as it is shown.
func (k *Call) From() string {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	return k.from
}

// hear notes what the call says. k.c.mu is held.
func (k *Call) hear(h kittest.Heard) {
	k.heard = append(k.heard, h)
	k.c.news()
}

// end notes the end. k.c.mu is held.
func (k *Call) end(why callv1.Reason) {
	if !k.over {
		k.over = true
		k.hear(kittest.Heard{What: kittest.Ended, Reason: why})
	}
}

// now is the call that stands for this one.
func (k *Call) now() *Call {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	if k.instead != nil {
		return k.instead
	}
	return k
}

// say sends an event of the call, with what all have.
func (k *Call) say(ctx context.Context, eventType string, fields map[string]any) error {
	return k.c.send(ctx, k.room, eventType, k.c.common(k.id, fields))
}

// common adds what every call event has.
func (c *Client) common(id string, fields map[string]any) map[string]any {
	fields["call_id"] = id
	if c.o.Version == V0 {
		fields["version"] = 0
	} else {
		fields["version"], fields["party_id"] = "1", c.party
	}
	return fields
}

// invite makes the content that offers a call.
func (c *Client) invite(id, invitee, sdp string) map[string]any {
	x := c.common(id, map[string]any{"lifetime": 60000, "offer": description{"offer", sdp}})
	if c.o.Glare != nil {
		x["invitee"] = invitee
	}
	if c.o.Version == V1 {
		x["capabilities"] = map[string]bool{"m.call.transferee": false, "m.call.dtmf": true}
	}
	return x
}

// Repeat implements kittest.Call.
func (k *Call) Repeat(ctx context.Context) error {
	return k.c.send(ctx, k.room, callspec.Invite, k.first)
}

// Answer implements kittest.Call.
func (k *Call) Answer(ctx context.Context, sdp string) error {
	k.c.mu.Lock()
	k.answered = true
	k.c.mu.Unlock()
	sdp, candidates := k.c.split(sdp)
	err := k.say(ctx, callspec.Answer, map[string]any{"answer": description{"answer", sdp}})
	return errors.Join(err, k.trickle(ctx, candidates))
}

// Reject implements kittest.Call.
func (k *Call) Reject(ctx context.Context, why callv1.Reason) error {
	fields := map[string]any{}
	if why == callv1.Reason_REASON_BUSY {
		fields["reason"] = "user_busy"
	}
	k.gone()
	if k.c.o.Version == V0 {
		return k.say(ctx, callspec.Hangup, fields)
	}
	return k.say(ctx, callspec.Reject, fields)
}

// HangUp implements kittest.Call.
func (k *Call) HangUp(ctx context.Context) error {
	k = k.now()
	k.gone()
	return k.say(ctx, callspec.Hangup, map[string]any{"reason": "user_hangup"})
}

// gone: its own user has ended it.
func (k *Call) gone() {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	k.over = true
}

// Trickle implements kittest.Call.
func (k *Call) Trickle(ctx context.Context, candidate string) error {
	return k.now().trickle(ctx, []candidateLine{{Candidate: candidate, Mid: "0"}})
}

type candidateLine struct {
	Candidate string `json:"candidate"`
	Mid       string `json:"sdpMid,omitempty"`
	Index     int    `json:"sdpMLineIndex"`
}

func (k *Call) trickle(ctx context.Context, lines []candidateLine) error {
	if len(lines) == 0 {
		return nil
	}
	return k.say(ctx, callspec.Candidates, map[string]any{"candidates": lines})
}

// split takes the candidates out of a description, if they are to follow it.
func (c *Client) split(sdp string) (rest string, out []candidateLine) {
	if !c.o.Trickle {
		return sdp, nil
	}
	var kept []string
	index, mid := -1, ""
	var of []int // of each candidate, its line's index
	mids := map[int]string{}
	for line := range strings.SplitSeq(sdp, "\r\n") {
		candidate, is := strings.CutPrefix(line, "a=candidate:")
		switch {
		case is:
			out, of = append(out, candidateLine{Candidate: "candidate:" + candidate, Index: index}), append(of, index)
			continue
		case line == "a=end-of-candidates":
			continue
		case strings.HasPrefix(line, "m="):
			index++
		case strings.HasPrefix(line, "a=mid:"):
			mid = strings.TrimPrefix(line, "a=mid:")
			mids[index] = mid
		}
		kept = append(kept, line)
	}
	for i := range out {
		out[i].Mid = mids[of[i]]
	}
	return strings.Join(kept, "\r\n"), out
}

// Next implements kittest.Call.
func (k *Call) Next(ctx context.Context) (kittest.Heard, error) {
	var h kittest.Heard
	err := k.c.until(ctx, func() bool {
		for _, x := range []*Call{k, k.instead} {
			if x != nil && len(x.heard) > 0 {
				h, x.heard = x.heard[0], x.heard[1:]
				return true
			}
		}
		return false
	})
	return h, err
}
