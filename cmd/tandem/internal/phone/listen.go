package phone

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// maxCalls is how many calls a phone on a MultiPipe takes at once.
const maxCalls = 64

// Listen registers and takes calls until ctx ends or Count calls are over; then
// it hangs up what is left. The line is kept up: lost, it is opened again with
// growing pauses. It gives the process's exit code: ExitError if the exchange
// refuses the registration. Where it writes is as in Call; with JSON one Result
// per call.
func Listen(ctx context.Context, o ListenOptions, stdout, stderr io.Writer, log *slog.Logger) int {
	out := newPrinter(stdout, stderr, o.JSON)
	if err := listen(ctx, o, out, log); err != nil {
		_, _ = fmt.Fprintln(stderr, describe(err))
		return ExitError
	}
	if out.broken() {
		return ExitError
	}
	return ExitOK
}

// listener is a phone that waits for calls.
type listener struct {
	o     ListenOptions
	line  *line
	out   *printer
	log   *slog.Logger
	calls sync.WaitGroup
	over  chan struct{} // one per call that is over
}

func listen(ctx context.Context, o ListenOptions, out *printer, log *slog.Logger) error {
	x := &listener{o: o, out: out, log: log, over: make(chan struct{})}
	if s, err := x.sound(0); err != nil { // so that a file that does not work is told at once
		return err
	} else if err := s.close(&Result{}); err != nil {
		return err
	}
	var err error
	if x.line, err = openLine(o.Connection, log, out.human); err != nil {
		return err
	}
	ctx, hangUp := context.WithCancel(ctx)
	defer x.line.close()
	defer x.calls.Wait()
	defer hangUp()
	for taken, live, over := 0, 0, 0; ; {
		offers := x.line.offers
		if o.Count > 0 && taken == o.Count {
			offers = nil
		}
		select {
		case a := <-offers:
			if live == maxCalls {
				x.line.finish(a.box)
				(&conversation{line: x.line, log: log}).send(byeMessage(a.box.id))
				continue
			}
			taken++
			live++
			n := taken
			x.calls.Go(func() {
				x.take(ctx, a, n)
				select {
				case x.over <- struct{}{}:
				case <-ctx.Done():
				}
			})
		case <-x.over:
			live--
			if over++; o.Count > 0 && over == o.Count {
				return nil
			}
		case <-x.line.ended:
			return x.line.err
		case <-ctx.Done():
			return nil
		}
	}
}

// sound makes what the n-th call sends and does with what it hears; the 0th
// records nothing.
func (x *listener) sound(n int) (*sound, error) {
	s := &sound{echo: x.o.Echo, log: x.log, heard: make(chan struct{})}
	var err error
	switch {
	case x.o.Echo || x.o.Reject:
	case x.o.Play != "":
		if s.source, err = newPlayer(x.o.Play); err != nil {
			return nil, err
		}
	default:
		if s.source, err = newTone(x.o.Tone); err != nil {
			return nil, err
		}
	}
	if !x.o.Unmeasured && !x.o.Reject {
		if s.ear, err = newEar(); err != nil {
			return nil, fmt.Errorf("phone: %w", err)
		}
	}
	if x.o.Record != "" && n > 0 && !x.o.Reject {
		if s.record, err = newRecorder(recordingName(x.o.Record, n)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// take is one call that arrives, to its end.
func (x *listener) take(ctx context.Context, a arrival, n int) {
	o := a.offer.GetOffer()
	c := &conversation{
		line: x.line, box: a.box, say: x.out.human, log: x.log.With("call", a.box.id),
		began: time.Now(), remote: o.GetSdp(), toPhoneAfter: x.o.ToPhoneAfter,
		res: Result{CallID: a.box.id, Peer: o.GetMsisdn().GetE164(), State: Calling},
	}
	if x.o.Count != 1 {
		c.say = prefixed(x.out, fmt.Sprintf("call %d: ", n))
	}
	c.say("call from %s", c.res.Peer)
	defer func() { x.out.done(&c.res) }()
	if x.o.Reject {
		c.hangUp(Rejected)
		x.line.finish(a.box)
		return
	}
	c.send(ringingMessage(a.box.id))
	c.res.State = Ringing
	if err := x.prepare(ctx, c, o.GetSdp(), n); err != nil {
		c.log.Error("the call cannot be taken", "error", err)
		c.hangUp(MediaFailed)
		x.line.finish(a.box)
		return
	}
	c.answer = time.NewTimer(max(0, x.o.AnswerAfter-time.Since(c.began)))
	c.run(ctx)
}

// prepare makes a call's media and the answer.
func (x *listener) prepare(ctx context.Context, c *conversation, offer string, n int) error {
	s, err := x.sound(n)
	if err != nil {
		return err
	}
	p, err := newPeer(s, isLoopback(x.o.Server))
	if err == nil {
		if c.sdp, err = p.answer(ctx, offer); err == nil {
			c.sound, c.peer = s, p
			return nil
		}
		p.close()
	}
	if closing := s.close(&c.res); closing != nil {
		c.log.Warn("a file was not finished", "error", closing)
	}
	return err
}
