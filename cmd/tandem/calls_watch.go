package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/admin"
)

// watch prints the live calls, then a line for each that comes, changes or ends,
// until ctx ends. While nobody answers it tries on.
func (c *callsListCmd) watch(ctx context.Context, out, problems io.Writer) error {
	w := &callsWatch{cmd: c, out: out, shown: map[string]string{}}
	tick := time.NewTicker(max(c.Every, 50*time.Millisecond))
	defer tick.Stop()
	for silent, more := false, false; ; {
		calls, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && w.began.IsZero():
			return err
		case err != nil:
			if !silent {
				_, _ = fmt.Fprintln(problems, "tandem:", err)
			}
			silent = true
		default:
			if err := w.printChanges(calls); err != nil {
				return err
			}
			if calls.More && !more {
				_, _ = fmt.Fprintf(problems, "tandem: there are more calls than are listed, %d\n", len(calls.Calls))
			}
			silent, more = false, calls.More
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// callsWatch is what was shown so far.
type callsWatch struct {
	cmd   *callsListCmd
	out   io.Writer
	shown map[string]string // what, by call
	// began and last are when the first and the last listing were made.
	began, last time.Time
}

// spare is how much further back it is looked than the last listing: the end of a
// call is written a moment after it.
const spare = 10 * time.Second

// look asks for the live calls, and those that have ended since the last listing:
// all that are over would be too many where many are placed.
func (w *callsWatch) look(ctx context.Context) (admin.Calls, error) {
	client, ctx, cancel := w.cmd.client(ctx)
	defer cancel()
	if w.last.IsZero() {
		return client.Calls(ctx, w.cmd.All) //nolint:wrapcheck // says what it is already
	}
	return client.Since(ctx, w.last.Add(-spare)) //nolint:wrapcheck // the same
}

// printChanges prints the calls that are not as they were shown. Those that were
// over before are noted only, unless all are asked for.
func (w *callsWatch) printChanges(calls admin.Calls) error {
	if w.began.IsZero() {
		w.began = calls.At
	}
	w.last = calls.At
	now, there := time.Now(), map[string]bool{}
	for _, call := range calls.Calls {
		there[call.ID] = true
		key := call.State + " " + call.Reason + " " + strings.Join(call.Kinds, ",")
		before := w.shown[call.ID]
		if before == key {
			continue
		}
		w.shown[call.ID] = key
		if before == "" && !w.cmd.All && call.Ended != nil && call.Ended.Before(w.began) {
			continue
		}
		if err := w.print(call, now); err != nil {
			return err
		}
	}
	if calls.More {
		return nil // what is missing may be there
	}
	for id := range w.shown {
		if !there[id] {
			delete(w.shown, id)
		}
	}
	return nil
}

func (w *callsWatch) print(call admin.Call, now time.Time) error {
	line := now.Format("15:04:05.000") + "  " + strings.Join(columns(call, now), "  ")
	if w.cmd.JSON {
		data, err := json.Marshal(call)
		if err != nil {
			return fmt.Errorf("printing JSON: %w", err)
		}
		line = string(data)
	}
	_, err := fmt.Fprintln(w.out, line)
	return err //nolint:wrapcheck // only writing can fail
}
