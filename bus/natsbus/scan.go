package natsbus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-rtc/tandem/bus"
)

// scanAhead is how many records a scan asks for at a time.
const scanAhead = 32

// Scan implements bus.Records. The leader lists the subjects and gives each
// record: a consumer could run on a replica that lags.
func (r *records) Scan(ctx context.Context, filter string, f func(bus.Record) bool) error {
	if !bus.ValidFilter(filter) {
		return fmt.Errorf("%w: filter %q", bus.ErrInvalid, filter)
	}
	bounded, cancel := r.conn.deadline(ctx)
	info, err := r.stream.state(bounded, jetstream.WithSubjectFilter(filter))
	cancel()
	if err != nil {
		return err
	}
	subjects := make([]string, 0, len(info.State.Subjects))
	for s := range info.State.Subjects {
		subjects = append(subjects, s)
	}
	ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	for some := range slices.Chunk(subjects, scanAhead) {
		got := make([]chan result, len(some))
		for i, subject := range some {
			got[i] = make(chan result, 1) // its goroutine ends also if nobody reads
			go func() {
				rec, err := r.Load(ctx, subject)
				got[i] <- result{rec, err}
			}()
		}
		for _, c := range got {
			switch g := <-c; {
			case errors.Is(g.err, bus.ErrNotFound): // expired since
			case g.err != nil:
				return g.err
			case !f(g.rec):
				return nil
			}
		}
	}
	return nil
}

type result struct {
	rec bus.Record
	err error
}
