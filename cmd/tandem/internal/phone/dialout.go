package phone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"google.golang.org/grpc/status"
)

// Call places one call and follows it to its end; when ctx ends it hangs up. It
// gives the process's exit code. What happens is written to stdout for people;
// with JSON to stderr, and one Result to stdout.
func Call(ctx context.Context, o CallOptions, stdout, stderr io.Writer, log *slog.Logger) int {
	out := newPrinter(stdout, stderr, o.JSON)
	to, err := number(o.Address)
	if err != nil {
		return finish(nil, err, out, stderr)
	}
	r, err := originate(ctx, o.Connection, o.Tone, out, log, func(_ context.Context, l *line, c *conversation) error {
		c.hangAfter, c.toPhoneAfter, c.answer = o.Duration, o.ToPhoneAfter, time.NewTimer(o.Timeout)
		c.box, c.res.Peer = l.begin(newUUID()), to
		out.human("calling %s", to)
		return nil
	})
	return finish(r, err, out, stderr)
}

// exitCode is what a call that was placed comes to.
func exitCode(r *Result) int {
	switch r.State {
	case Established:
		if r.RxPackets > 0 {
			return ExitOK
		}
	case Calling, Ringing:
		switch r.Reason {
		case Refused, NoAnswer, Cancelled, TryAgain, RateLimited:
			return ExitRefused
		}
	}
	return ExitError
}

// Pull takes over a call that the number is in at another terminal, and follows it
// as Call does.
func Pull(ctx context.Context, o PullOptions, stdout, stderr io.Writer, log *slog.Logger) int {
	out := newPrinter(stdout, stderr, o.JSON)
	if o.CallID == "" {
		o.Single = true
	}
	r, err := originate(ctx, o.Connection, o.Tone, out, log, func(ctx context.Context, l *line, c *conversation) error {
		id, err := l.toPull(ctx, o)
		if err != nil {
			return err
		}
		c.hangAfter, c.toPhoneAfter, c.answer = o.Duration, o.ToPhoneAfter, time.NewTimer(o.Timeout)
		c.pulling = true
		c.box = l.begin(id.GetCallId())
		c.res.Peer = id.GetInCall().GetMsisdn().GetE164()
		out.human("pulling call %s", id.GetCallId())
		return nil
	})
	return finish(r, err, out, stderr)
}

// toPull gives the call that is to be pulled, as the exchange shows it.
func (l *line) toPull(ctx context.Context, o PullOptions) (*message, error) {
	if o.CallID != "" {
		return inCallMessage(o.CallID), nil
	}
	late := time.NewTimer(o.Timeout)
	defer late.Stop()
	select {
	case m := <-l.shown:
		return m, nil
	case <-late.C:
		return nil, fmt.Errorf("phone: %s is in no call", o.MSISDN)
	case <-l.ended:
		return nil, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// originate runs a conversation that this phone begins. begin names the call and
// completes the conversation; it fails if no call could be attempted.
func originate(
	ctx context.Context, o Connection, tone float64, out *printer, log *slog.Logger,
	begin func(context.Context, *line, *conversation) error,
) (*Result, error) {
	src, err := newTone(tone)
	if err != nil {
		return nil, err
	}
	hear, err := newEar()
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	s := &sound{source: src, ear: hear, log: log, heard: make(chan struct{})}
	l, err := openLine(o, log, out.human)
	if err != nil {
		return nil, err
	}
	defer l.close()
	waiting, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	if err := l.connected(waiting); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("phone: %s cannot be reached", o.Server)
		}
		return nil, err
	}
	p, err := newPeer(s, isLoopback(o.Server))
	if err != nil {
		return nil, err
	}
	c := &conversation{line: l, caller: true, say: out.human, sound: s, peer: p, res: Result{State: Calling}}
	if c.sdp, err = p.offer(ctx); err == nil {
		err = begin(ctx, l, c)
	}
	if err != nil {
		c.stopTimers()
		p.close()
		return nil, err
	}
	c.res.CallID, c.log = c.box.id, log.With("call", c.box.id)
	c.began = time.Now()
	c.send(c.offer())
	c.run(ctx)
	return &c.res, nil
}

// finish tells how a call went and gives the process's exit code.
func finish(r *Result, err error, out *printer, stderr io.Writer) int {
	if err != nil {
		_, _ = fmt.Fprintln(stderr, describe(err))
		return ExitError
	}
	out.done(r)
	if out.broken() {
		return ExitError
	}
	return exitCode(r)
}

// describe puts an error in words for a person: gRPC's own form is none.
func describe(err error) string {
	if s, ok := status.FromError(err); ok {
		return fmt.Sprintf("the exchange refuses: %s (%s)", s.Message(), s.Code())
	}
	return err.Error()
}
