package sylkrtc

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// fakeStore is a kit.Store in memory, which can be made to fail.
type fakeStore struct {
	mu      sync.Mutex
	values  map[string]kit.Item
	last    uint64
	changed chan struct{}
	fail    error
	failPut int // the put, counted from now, that fails, after which it is carried out if lost is set
	lost    bool
}

func newFakeStore() *fakeStore {
	return &fakeStore{values: map[string]kit.Item{}, changed: make(chan struct{})}
}

func (s *fakeStore) Get(_ context.Context, key string) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.values[key]
	switch {
	case s.fail != nil:
		return nil, 0, s.fail
	case !ok || i.Deleted:
		return nil, 0, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no %s", key)
	}
	return slices.Clone(i.Value), i.Revision, nil
}

func (s *fakeStore) Put(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failPut > 0 {
		if s.failPut--; s.failPut == 0 {
			if s.lost && s.values[key].Revision == revision {
				s.put(kit.Item{Key: key, Value: slices.Clone(value)})
			}
			return 0, schema.Errorf(callv1.Code_CODE_RETRY, "the answer was lost")
		}
	}
	i := s.values[key]
	if i.Deleted {
		i.Revision = 0
	}
	switch {
	case s.fail != nil:
		return 0, s.fail
	case i.Revision != revision:
		return 0, schema.Errorf(callv1.Code_CODE_CONFLICT, "%s is at %d", key, i.Revision)
	}
	s.put(kit.Item{Key: key, Value: slices.Clone(value)})
	return s.last, nil
}

func (s *fakeStore) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(kit.Item{Key: key, Deleted: true})
	return s.fail
}

func (s *fakeStore) put(i kit.Item) {
	s.last++
	i.Revision = s.last
	s.values[i.Key] = i
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *fakeStore) Watch(ctx context.Context, prefix string, f func(kit.Item) bool) error {
	seen, synced := uint64(0), false
	for {
		s.mu.Lock()
		fail, changed := s.fail, s.changed
		due := slices.SortedFunc(maps.Values(s.values), func(a, b kit.Item) int { return cmp.Compare(a.Revision, b.Revision) })
		s.mu.Unlock()
		if fail != nil && !synced {
			return fail
		}
		for _, i := range due {
			if i.Revision <= seen || !strings.HasPrefix(i.Key, prefix+"/") || i.Deleted && !synced {
				continue
			}
			seen = i.Revision
			if !f(i) {
				return nil
			}
		}
		if !synced && !f(kit.Item{}) {
			return nil
		}
		synced = true
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failing has every call fail with err; nil ends that.
func (s *fakeStore) failing(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// wait waits for the next change.
func (s *fakeStore) wait(ctx context.Context) {
	s.mu.Lock()
	changed := s.changed
	s.mu.Unlock()
	tick := time.NewTimer(10 * time.Millisecond) // it may have been before
	defer tick.Stop()
	select {
	case <-changed:
	case <-tick.C:
	case <-ctx.Done():
	}
}

// failAt has the n-th put from now fail; lost: although it is carried out.
func (s *fakeStore) failAt(n int, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failPut, s.lost = n, lost
}
