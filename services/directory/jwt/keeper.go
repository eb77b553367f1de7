package jwt

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// askAgain is how long after one reading an unknown key leads to the next: a
	// stranger who makes key ids up must not have us ask the issuer for each.
	askAgain = 10 * time.Second
	// firstRetry and lastRetry are the pauses after readings that failed.
	firstRetry, lastRetry = time.Second, time.Minute
)

// keeper keeps an issuer's keys. A set that was read is kept until another was,
// however long the issuer is away.
type keeper struct {
	source  source
	refresh time.Duration
	log     *slog.Logger
	count   func(outcome string)
	kick    chan struct{}

	mu      sync.Mutex
	set     keySet
	have    bool          // a set was read, once at least
	failed  bool          // the last reading failed
	tried   time.Time     // the last reading's end
	reading chan struct{} // closed at the end of one under way or asked for; nil if none is
}

func newKeeper(s source, refresh time.Duration, log *slog.Logger, count func(string)) *keeper {
	return &keeper{
		source: s, refresh: refresh, log: log, count: count,
		kick: make(chan struct{}, 1), reading: make(chan struct{}), // run begins with one
	}
}

// find gives the keys that can have signed a token. If there is none and it is
// worth asking the issuer, fetched is closed once that was done. away says that
// the issuer could not be asked. It does not block.
func (k *keeper) find(kid, algorithm string) (keys []jose.JSONWebKey, fetched <-chan struct{}, away bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if keys = k.set.find(kid, algorithm); len(keys) > 0 {
		return keys, nil, false
	}
	if k.reading == nil {
		if time.Since(k.tried) < askAgain {
			return nil, nil, k.failed
		}
		k.reading = make(chan struct{})
		k.kick <- struct{}{} // has room: who reads has taken the one before
	}
	return nil, k.reading, false
}

// run reads the keys at once, then from time to time and when kicked, until ctx
// ends.
func (k *keeper) run(ctx context.Context) {
	defer k.source.close()
	retry := firstRetry
	for {
		pause := k.refresh
		if k.read(ctx) {
			retry = firstRetry
		} else {
			pause = min(retry, k.refresh)
			retry = min(2*retry, lastRetry)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			k.begin()
		case <-k.kick:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// begin notes that a reading is under way. A kick that comes with it is spent
// on it.
func (k *keeper) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reading == nil {
		k.reading = make(chan struct{})
		return
	}
	select {
	case <-k.kick:
	default:
	}
}

// read reads the keys once.
func (k *keeper) read(ctx context.Context) bool {
	set, err := k.source.read(ctx)
	k.mu.Lock()
	before, had := k.failed, k.have
	k.failed, k.tried = err != nil, time.Now()
	if err == nil {
		k.set, k.have = set, true
	}
	close(k.reading)
	k.reading = nil
	k.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	switch {
	case err != nil:
		k.count("failed")
		if !before { // once, not at every try
			k.log.LogAttrs(ctx, slog.LevelWarn, "an issuer's keys cannot be read", slog.Bool("kept", had), slog.Any("error", err))
		}
		return false
	case before || !had:
		k.log.LogAttrs(ctx, slog.LevelInfo, "an issuer's keys were read", slog.Int("keys", len(set.keys)), slog.Int("ignored", set.ignored))
	}
	if len(set.keys) == 0 {
		k.log.LogAttrs(ctx, slog.LevelWarn, "an issuer publishes no key that can be used", slog.Int("ignored", set.ignored))
	}
	k.count("ok")
	return true
}
