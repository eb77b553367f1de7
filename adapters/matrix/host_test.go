package matrix

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// fakeHost has what the parts below calls need: the shared store, and a node's name.
// Everything else is tested with the real host.
type fakeHost struct {
	kit.Host
	node  string
	store *fakeStore
}

func (h *fakeHost) Node() string                { return h.node }
func (h *fakeHost) Store() kit.Store            { return h.store }
func (h *fakeHost) Metrics() kit.Metrics        { return noMetrics{} }
func (h *fakeHost) Log() *slog.Logger           { return slog.New(slog.DiscardHandler) }
func (h *fakeHost) DrainTimeout() time.Duration { return time.Second }

type noMetrics struct{}

func (noMetrics) Count(string, int) {}
func (noMetrics) Gauge(string, int) {}

// fakeStore is a store in memory. While it is away everything fails with CODE_RETRY.
type fakeStore struct {
	mu       sync.Mutex
	away     bool
	revision uint64
	items    map[string]kit.Item
}

func newStore() *fakeStore { return &fakeStore{items: map[string]kit.Item{}} }

var errAway = schema.Errorf(callv1.Code_CODE_RETRY, "the store is away")

func (s *fakeStore) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *fakeStore) Get(_ context.Context, key string) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.items[key]
	switch {
	case s.away:
		return nil, 0, errAway
	case !ok:
		return nil, 0, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such key")
	}
	return slices.Clone(i.Value), i.Revision, nil
}

func (s *fakeStore) Put(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.away:
		return 0, errAway
	case s.items[key].Revision != revision:
		return 0, schema.Errorf(callv1.Code_CODE_CONFLICT, "another revision")
	}
	s.revision++
	s.items[key] = kit.Item{Key: key, Value: slices.Clone(value), Revision: s.revision}
	return s.revision, nil
}

func (s *fakeStore) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	delete(s.items, key)
	return nil
}

func (s *fakeStore) Watch(_ context.Context, prefix string, f func(kit.Item) bool) error {
	s.mu.Lock()
	var all []kit.Item
	for k, i := range s.items {
		if strings.HasPrefix(k, prefix+"/") {
			all = append(all, i)
		}
	}
	away := s.away
	s.mu.Unlock()
	if away {
		return errAway
	}
	for _, i := range append(all, kit.Item{}) {
		if !f(i) {
			return nil
		}
	}
	return nil
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}
