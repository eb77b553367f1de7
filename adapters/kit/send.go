package kit

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

const (
	firstBackoff = 20 * time.Millisecond
	lastBackoff  = time.Second
	// shortestTry is what is left at least of the window when a command is sent:
	// less would make its outcome unknown for no gain.
	shortestTry = 5 * time.Millisecond
	// maxRedirects is how often a command follows its leg to another call.
	maxRedirects = 4
)

// send carries a command to its call's owner, again with the same id while
// nobody serves it, nothing answers or the owner says CODE_RETRY, until the
// window is over, and follows redirections, which change c.CallId.
//
// It returns the owner's word, which may be a refusal, or an error; unknown says
// that the command may have been carried out all the same.
func (h *host) send(ctx context.Context, c *callv1.Command, window time.Duration) (r *callv1.Reply, unknown bool, err error) {
	deadline := time.Now().Add(window)
	redirects := 0
	for try := 0; ; try++ {
		if try > 0 {
			h.rec.Count("command_retries", 1)
		}
		r, err = h.try(ctx, c, deadline)
		switch {
		case err == nil && r.GetError().GetCode() == callv1.Code_CODE_REDIRECTED &&
			r.GetCallId() != "" && r.GetCallId() != c.GetCallId() && redirects < maxRedirects:
			redirects++
			c.CallId = r.GetCallId()
			continue
		case err == nil && r.GetError().GetCode() != callv1.Code_CODE_RETRY:
			return r, false, nil
		case err == nil:
			// Nothing was changed, this time.
			err = schema.FromProto(r.GetError())
		case errors.Is(err, bus.ErrInvalid), errors.Is(err, bus.ErrTooLarge):
			return nil, false, schema.Errorf(callv1.Code_CODE_INVALID, "%w", err)
		case errors.Is(err, errNotSent):
			return nil, unknown, err
		case errors.Is(err, bus.ErrNoResponders):
			// Nothing happened.
		default:
			unknown = true
		}
		wait := backoff(try)
		if errors.Is(err, bus.ErrClosed) || time.Until(deadline) <= wait || !pause(ctx, wait) {
			return nil, unknown, schema.Errorf(callv1.Code_CODE_RETRY, "no word from the call's owner: %w", err)
		}
	}
}

// errNotSent: the time was over before anything was sent.
var errNotSent = schema.Errorf(callv1.Code_CODE_RETRY, "not sent")

func (h *host) try(ctx context.Context, c *callv1.Command, deadline time.Time) (*callv1.Reply, error) {
	if ctx.Err() != nil || time.Until(deadline) < shortestTry {
		return nil, errNotSent
	}
	if end := time.Now().Add(h.limits.TryTimeout); end.Before(deadline) {
		deadline = end
	}
	ctx, cancel := bus.WithDeadline(ctx, deadline)
	defer cancel()
	return h.env.Bus.Command(bus.Lending(ctx), sent(c))
}

// sent is the command as it goes out: what was sent is never changed, and a
// later try may be for another call.
func sent(c *callv1.Command) *callv1.Command {
	return &callv1.Command{
		Id: c.Id, CallId: c.CallId, LegId: c.LegId, Principal: c.Principal, SentAt: c.SentAt, Body: c.Body,
	}
}

// backoff is the pause after a try, counted from 0: it doubles, with jitter, so
// that a thousand waiting commands do not come back at once.
func backoff(try int) time.Duration {
	d := lastBackoff
	if try < 6 {
		d = min(d, firstBackoff<<try)
	}
	return d/2 + rand.N(d/2+1)
}

// pause waits and reports whether ctx is still going.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
