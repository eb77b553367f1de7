package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Real reports whether media flows.
func (x *Exchange) Real() bool { return x.options.Real }

// Records gives the calls of subscribers, the oldest first.
func (x *Exchange) Records(ctx context.Context, subscribers ...string) ([]*callv1.CallRecord, error) {
	found := map[string]*callv1.CallRecord{}
	var broken error
	for _, s := range subscribers {
		for _, filter := range schema.SubscriberFilters(s) {
			err := x.journal.Records().Scan(ctx, filter, func(r bus.Record) bool {
				c := &callv1.CallRecord{}
				if broken = proto.Unmarshal(r.Data, c); broken == nil && c.GetId() != "" {
					found[c.GetId()] = c
				}
				return broken == nil
			})
			if err = errors.Join(err, broken); err != nil {
				return nil, fmt.Errorf("reading the journal: %w", err)
			}
		}
	}
	out := make([]*callv1.CallRecord, 0, len(found))
	for _, c := range found {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *callv1.CallRecord) int {
		return cmp.Or(a.GetCreatedAt().AsTime().Compare(b.GetCreatedAt().AsTime()), cmp.Compare(a.GetId(), b.GetId()))
	})
	return out, nil
}

// Left says what is left of calls, now that there is none; "" if nothing is.
func (x *Exchange) Left() string {
	var left []string
	if live := x.calls.Live(); len(live) > 0 {
		left = append(left, fmt.Sprintf("%d calls are live, as %s", len(live), live[0].GetId()))
	}
	legs := 0
	if x.media != nil {
		legs = x.media.Legs()
	} else {
		legs = x.stub.Legs()
	}
	if legs > 0 {
		left = append(left, fmt.Sprintf("the media node has %d legs", legs))
	}
	x.legs.Range(func(kind, n any) bool {
		if n := n.(*atomic.Int64).Load(); n > 0 {
			left = append(left, fmt.Sprintf("the host of %s has %d legs", kind, n))
		}
		return true
	})
	if len(left) == 0 {
		return ""
	}
	return x.String() + ": " + strings.Join(left, "; ")
}

// Settled waits until nothing is left of any call, and says what is if that takes
// too long.
func (x *Exchange) Settled(ctx context.Context) string {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		left := x.Left()
		if left == "" {
			return ""
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return left
		}
	}
}

// Live gives the calls of subscribers that are not over, as call state has them.
func (x *Exchange) Live(subscribers ...string) []*callv1.CallRecord {
	var out []*callv1.CallRecord
	for _, r := range x.calls.Live() {
		over := r.GetState() == callv1.CallState_CALL_STATE_ENDED || r.GetState() == callv1.CallState_CALL_STATE_REDIRECTED
		theirs := slices.Contains(subscribers, r.GetCaller().GetSubscriber()) ||
			slices.Contains(subscribers, r.GetCallee().GetSubscriber())
		if !over && theirs {
			out = append(out, r)
		}
	}
	return out
}

// Until waits until all live calls are as f says.
func (x *Exchange) Until(ctx context.Context, f func(*callv1.CallRecord) bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for slices.ContainsFunc(x.calls.Live(), func(r *callv1.CallRecord) bool { return !f(r) }) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Log gives the lines of the log, of the last ones, that hold one of the texts.
func (x *Exchange) Log(texts ...string) string {
	var out []string
	for _, line := range x.logged.lines() {
		if slices.ContainsFunc(texts, func(s string) bool { return s != "" && strings.Contains(line, s) }) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// tail is a log that keeps its last lines.
type tail struct {
	mu   sync.Mutex
	ring []string
	next int
}

const tailLines = 20_000

// Write implements io.Writer; a handler writes a line at a time.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ring) < tailLines {
		t.ring = append(t.ring, string(p))
	} else {
		t.ring[t.next] = string(p)
		t.next = (t.next + 1) % tailLines
	}
	return len(p), nil
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(slices.Clone(t.ring[t.next:]), t.ring[:t.next]...)
}
