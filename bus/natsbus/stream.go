package natsbus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-rtc/tandem/bus"
)

// journal is the name of the stream that holds the records.
const journal = "CALLS"

// journalConfig describes the stream CALLS: one message a subject, nothing ever
// pushed out by age or size.
func journalConfig(c Config) jetstream.StreamConfig {
	compression := jetstream.NoCompression
	if c.Compress {
		compression = jetstream.S2Compression
	}
	return jetstream.StreamConfig{
		Name:               journal,
		Description:        "Tandem call records",
		Subjects:           []string{"call.v1.rec.>", "call.v1.pair.>"},
		Storage:            jetstream.FileStorage,
		Replicas:           c.Replicas,
		MaxMsgsPerSubject:  1,
		MaxBytes:           c.MaxBytes,
		Discard:            jetstream.DiscardNew,
		Compression:        compression,
		AllowMsgTTL:        true,
		AllowAtomicPublish: true,
	}
}

// stream makes sure, once, that a stream exists as configured.
type stream struct {
	conn *Conn
	cfg  jetstream.StreamConfig

	known atomic.Bool
	mu    sync.Mutex
}

// ensure creates or corrects the stream unless that was done before, or is
// somebody else's business.
func (s *stream) ensure(ctx context.Context) error {
	if s.known.Load() || slices.Contains(s.conn.cfg.Foreign, s.cfg.Name) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known.Load() {
		return nil
	}
	err := repeat(ctx, s.apply)
	if err == nil {
		s.known.Store(true)
		return nil
	}
	return s.conn.apiError(ctx, fmt.Errorf("stream %s: %w", s.cfg.Name, err))
}

func (s *stream) apply(ctx context.Context) error {
	have, err := s.conn.js.Stream(ctx, s.cfg.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = s.conn.js.CreateStream(ctx, s.cfg)
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return err
		}
		// Somebody created it meanwhile.
		have, err = s.conn.js.Stream(ctx, s.cfg.Name)
	}
	if err != nil || s.matches(have.CachedInfo().Config) {
		return err
	}
	_, err = s.conn.js.UpdateStream(ctx, s.cfg)
	return err
}

// matches compares what we set; the server fills in the rest.
func (s *stream) matches(have jetstream.StreamConfig) bool {
	want := s.cfg
	return slices.Equal(have.Subjects, want.Subjects) && have.Replicas == want.Replicas &&
		have.MaxMsgsPerSubject == want.MaxMsgsPerSubject && have.MaxBytes == want.MaxBytes &&
		have.MaxAge == want.MaxAge && have.Discard == want.Discard && have.Compression == want.Compression &&
		have.AllowMsgTTL == want.AllowMsgTTL && have.AllowAtomicPublish == want.AllowAtomicPublish &&
		have.AllowDirect == want.AllowDirect && have.AllowRollup == want.AllowRollup
}

// forget has the next ensure look again: the stream seems to be gone.
func (s *stream) forget() { s.known.Store(false) }

// state gives the stream's state as its leader sees it.
func (s *stream) state(ctx context.Context, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	if err := s.ensure(ctx); err != nil {
		return nil, err
	}
	var info *jetstream.StreamInfo
	err := repeat(ctx, func(ctx context.Context) error {
		str, err := s.conn.js.Stream(ctx, s.cfg.Name)
		if err != nil {
			return err //nolint:wrapcheck // translated below
		}
		info = str.CachedInfo()
		if len(opts) > 0 {
			info, err = str.Info(ctx, opts...)
		}
		return err
	})
	if err != nil {
		s.forget()
		return nil, s.conn.apiError(ctx, err)
	}
	return info, nil
}

// attempt is how long a question waits for its answer before it is put again.
const attempt = 2 * time.Second

// repeat puts a question again while no answer comes: a cluster without a leader
// drops questions instead of refusing them.
func repeat(ctx context.Context, f func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, attempt)
		err := f(once)
		unanswered := once.Err() != nil
		cancel()
		if err == nil || !unanswered || ctx.Err() != nil {
			return err
		}
	}
}

// apiError makes a bus error of one of the jetstream package's.
func (c *Conn) apiError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return bus.ContextError(ctx)
	}
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) {
		return refusal(uint16(api.ErrorCode), api.Description)
	}
	return c.translate(err)
}
