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
	shown := map[string]string{}
	tick := time.NewTicker(max(c.Every, 50*time.Millisecond))
	defer tick.Stop()
	for first, silent := true, false; ; {
		client, asking, cancel := c.client(ctx)
		calls, err := client.Calls(asking, true)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && first:
			return err //nolint:wrapcheck // says what it is already
		case err != nil:
			if !silent {
				_, _ = fmt.Fprintln(problems, "tandem:", err)
			}
			silent = true
		default:
			if err := c.printChanges(out, calls, shown, first); err != nil {
				return err
			}
			first, silent = false, false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// printChanges prints the calls that are not as they were shown. At first, ended
// ones are noted only, unless all are asked for.
func (c *callsListCmd) printChanges(out io.Writer, calls admin.Calls, shown map[string]string, first bool) error {
	now, there := time.Now(), map[string]bool{}
	for _, call := range calls.Calls {
		there[call.ID] = true
		key := call.State + " " + call.Reason + " " + strings.Join(call.Kinds, ",")
		if shown[call.ID] == key {
			continue
		}
		shown[call.ID] = key
		if first && !c.All && call.Ended != nil {
			continue
		}
		if c.JSON {
			line, err := json.Marshal(call)
			if err != nil {
				return fmt.Errorf("printing JSON: %w", err)
			}
			_, _ = fmt.Fprintln(out, string(line))
			continue
		}
		if _, err := fmt.Fprintf(out, "%s  %s\n", now.Format("15:04:05.000"), strings.Join(columns(call, now), "  ")); err != nil {
			return err //nolint:wrapcheck // only writing can fail
		}
	}
	for id := range shown {
		if !there[id] {
			delete(shown, id)
		}
	}
	return nil
}
