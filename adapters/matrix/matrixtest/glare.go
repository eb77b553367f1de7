package matrixtest

import (
	"context"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest/callspec"
)

// crosses settles calls that cross as the specification has it, if this client does
// so: of two in one room between the same two the lesser name wins, and the other is
// hung up as replaced. c.mu is held.
func (c *Client) crosses(in *Call) (then []func(context.Context) error, settled bool) {
	if c.o.Glare == nil {
		return nil, false
	}
	for _, out := range c.calls {
		if !out.outgoing || out.over || out.answered || out.room != in.room || out.sender != in.sender {
			continue
		}
		loser := in
		if in.id < out.id {
			loser = out
		}
		hangUp := func(ctx context.Context) error {
			return loser.say(ctx, callspec.Hangup, map[string]any{"reason": "replaced"})
		}
		if loser == in {
			in.over = true
			return []func(context.Context) error{hangUp}, true
		}
		answer, err := c.o.Glare(in.offer)
		if err != nil {
			c.complain("no answer to a call that crossed: %w", err)
			return nil, true
		}
		out.instead, out.answered, out.over = in, true, true
		out.hear(kittest.Heard{What: kittest.Answered, SDP: in.offer})
		return []func(context.Context) error{hangUp, func(ctx context.Context) error { return in.Answer(ctx, answer) }}, true
	}
	return nil, false
}
