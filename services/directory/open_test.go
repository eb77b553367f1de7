package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
)

// late is a bus whose storage comes after some tries, or never.
type late struct {
	bus.Driver
	tries, after int
	err          error
}

func (l *late) KV(ctx context.Context, c bus.KVConfig) (bus.KV, error) {
	if l.tries++; l.tries <= l.after {
		return nil, fmt.Errorf("opening: %w", l.err)
	}
	return l.Driver.KV(ctx, c)
}

func lateService(t *testing.T, l *late) *Service {
	t.Helper()
	l.Driver = membus.NewServer().Connect()
	t.Cleanup(func() { _ = l.Driver.Close() })
	b, err := bus.New(l, "directory", "d1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Defaults(), Env{Bus: b, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStorageComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &late{after: 8, err: bus.ErrUnavailable}
		s := lateService(t, l)
		began := time.Now()
		if kv, err := s.open(t.Context()); err != nil || kv == nil {
			t.Fatal(err)
		}
		if l.tries != 9 || time.Since(began) > 30*time.Second {
			t.Errorf("%d tries in %v", l.tries, time.Since(began))
		}
	})
}

func TestStorageNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := lateService(t, &late{after: 1 << 30, err: bus.ErrUnavailable})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Run(ctx, func() { t.Error("ready") }); err != nil {
			t.Errorf("the end of its context is an error: %v", err)
		}
	})
}

func TestStorageRefuses(t *testing.T) {
	denied := errors.New("no permission")
	s := lateService(t, &late{after: 1, err: denied})
	if err := s.Run(t.Context(), func() { t.Error("ready") }); !errors.Is(err, denied) {
		t.Errorf("got %v, want what was refused", err)
	}
}
