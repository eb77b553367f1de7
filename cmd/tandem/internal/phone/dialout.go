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
	r, err := placeCall(ctx, o, out, log)
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

// placeCall fails if no call could be attempted.
func placeCall(ctx context.Context, o CallOptions, out *printer, log *slog.Logger) (*Result, error) {
	to, err := number(o.Address)
	if err != nil {
		return nil, err
	}
	src, err := newTone(o.Tone)
	if err != nil {
		return nil, err
	}
	hear, err := newEar()
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	s := &sound{source: src, ear: hear, log: log, heard: make(chan struct{})}
	l, err := openLine(o.Connection, log, out.human)
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
	offer, err := p.offer(ctx)
	if err != nil {
		p.close()
		return nil, err
	}
	box := l.begin()
	c := &conversation{
		line: l, box: box, caller: true, say: out.human, log: log.With("call", box.id), sound: s, peer: p,
		sdp: offer, hangAfter: o.Duration, answer: time.NewTimer(o.Timeout),
		res: Result{CallID: box.id, Peer: to, State: Calling},
	}
	out.human("calling %s", to)
	c.began = time.Now()
	c.send(offerMessage(box.id, offer, to))
	c.run(ctx)
	return &c.res, nil
}

// describe puts an error in words for a person: gRPC's own form is none.
func describe(err error) string {
	if s, ok := status.FromError(err); ok {
		return fmt.Sprintf("the exchange refuses: %s (%s)", s.Message(), s.Code())
	}
	return err.Error()
}
