package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// NewTerminals gives the table of live registrations. One Watch at a time may
// run on it; Sync is about that one.
func NewTerminals(b *Bus) Terminals {
	return &terminals{bucket: bucket{d: b.d, cfg: terminalsBucket}, moved: make(chan struct{})}
}

var terminalsBucket = KVConfig{Bucket: "terminals"}

type terminals struct {
	bucket bucket

	mu      sync.Mutex
	seen    uint64        // revision up to which the Watch has seen all
	running bool          // a Watch has seen its first full view
	moved   chan struct{} // closed and replaced when these change
	next    *question     // not put yet
	asking  bool          // putQuestions runs
}

func terminalKey(t *callv1.Terminal) string { return t.GetKind() + "." + t.GetNode() + "." + t.GetId() }

// Put implements Terminals.
func (s *terminals) Put(ctx context.Context, t *callv1.Terminal) error {
	kv, err := s.bucket.open(ctx)
	if err != nil {
		return err
	}
	value, err := proto.Marshal(t)
	if err != nil {
		return fmt.Errorf("bus: terminal: %w", err)
	}
	_, err = kv.Put(ctx, terminalKey(t), value)
	return err
}

// Delete implements Terminals.
func (s *terminals) Delete(ctx context.Context, t *callv1.Terminal) error {
	kv, err := s.bucket.open(ctx)
	if err != nil {
		return err
	}
	return kv.Delete(ctx, terminalKey(t))
}

// Purge implements Terminals.
func (s *terminals) Purge(ctx context.Context, kind, node, instance string, since time.Time) error {
	if !schema.ValidToken(kind) || !schema.ValidToken(node) {
		return fmt.Errorf("%w: kind %q, node %q", ErrInvalid, kind, node)
	}
	kv, err := s.bucket.open(ctx)
	if err != nil {
		return err
	}
	var stale []Entry
	err = kv.Watch(ctx, kind+"."+node+".*", func(e Entry) bool {
		t := &callv1.Terminal{}
		earlier := func() bool {
			return t.GetInstance() != instance && (since.IsZero() || t.GetAttachedAt().AsTime().Before(since))
		}
		if e.Key != "" && !e.Deleted && (proto.Unmarshal(e.Value, t) != nil || instance == "" || earlier()) {
			stale = append(stale, e)
		}
		return e.Key != ""
	})
	if err != nil {
		return err
	}
	for _, e := range stale {
		// One that was put again meanwhile is none of them any more.
		if err := kv.DeleteAt(ctx, e.Key, e.Revision); err != nil && !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return nil
}

// Watch implements Terminals.
func (s *terminals) Watch(ctx context.Context, f func(t *callv1.Terminal, up bool), synced func()) error {
	kv, err := s.bucket.open(ctx)
	if err != nil {
		return err
	}
	v := &terminalView{known: map[string]knownTerminal{}, f: f}
	defer s.ended()
	return kv.Watch(ctx, ">", func(e Entry) bool {
		v.take(e)
		if e.Key == "" || e.Revision > 0 {
			s.saw(e.Key == "", e.Revision)
		}
		if e.Key == "" && synced != nil {
			synced()
			synced = nil
		}
		return true
	})
}

// terminalView is what one Watch knows.
type terminalView struct {
	f     func(t *callv1.Terminal, up bool)
	known map[string]knownTerminal
}

type knownTerminal struct {
	terminal *callv1.Terminal
	revision uint64
}

// take handles an entry.
func (v *terminalView) take(e Entry) {
	switch was, known := v.known[e.Key]; {
	case e.Key == "":
		return
	case e.Deleted:
		v.down(e.Key)
		return
	case known && was.revision == e.Revision:
		return // told again after a reconnect
	}
	t := &callv1.Terminal{}
	if proto.Unmarshal(e.Value, t) != nil || terminalKey(t) != e.Key {
		v.down(e.Key)
		return
	}
	v.known[e.Key] = knownTerminal{terminal: t, revision: e.Revision}
	v.f(t, true)
}

func (v *terminalView) down(key string) {
	if was, known := v.known[key]; known {
		delete(v.known, key)
		v.f(was.terminal, false)
	}
}
