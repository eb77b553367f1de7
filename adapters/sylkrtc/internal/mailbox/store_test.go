package mailbox

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// memory is a kit.Store of one test. before is called before each write, outside
// of the lock.
type memory struct {
	mu     sync.Mutex
	values map[string]kit.Item
	last   uint64
	puts   int
	before func(key string) error
}

func newMemory() *memory { return &memory{values: map[string]kit.Item{}} }

func (s *memory) Get(_ context.Context, key string) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.values[key]
	if !ok {
		return nil, 0, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no %s", key)
	}
	return slices.Clone(i.Value), i.Revision, nil
}

func (s *memory) Put(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before != nil {
		if err := before(key); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.values[key].Revision; have != revision {
		return 0, schema.Errorf(callv1.Code_CODE_CONFLICT, "%s is at %d", key, have)
	}
	s.last++
	s.puts++
	s.values[key] = kit.Item{Key: key, Value: slices.Clone(value), Revision: s.last}
	return s.last, nil
}

func (s *memory) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return nil
}

func (s *memory) Watch(_ context.Context, prefix string, f func(kit.Item) bool) error {
	s.mu.Lock()
	due := slices.SortedFunc(maps.Values(s.values), func(a, b kit.Item) int { return cmp.Compare(a.Revision, b.Revision) })
	s.mu.Unlock()
	for _, i := range due {
		if strings.HasPrefix(i.Key, prefix+"/") && !f(i) {
			return nil
		}
	}
	f(kit.Item{})
	return nil
}
