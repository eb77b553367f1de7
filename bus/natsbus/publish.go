package natsbus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-rtc/tandem/bus"
)

// Headers of JetStream publishes (ADR-8, ADR-43, ADR-50 of NATS).
const (
	hdrExpect      = "Nats-Expected-Last-Subject-Sequence"
	hdrTTL         = "Nats-TTL"
	hdrBatchID     = "Nats-Batch-Id"
	hdrBatchSeq    = "Nats-Batch-Sequence"
	hdrBatchCommit = "Nats-Batch-Commit"
)

// deadline bounds ctx by WriteTimeout if it has no deadline of its own.
func (c *Conn) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.cfg.WriteTimeout)
}

// publish stores one message and waits for its sequence. The message is not used
// any more once it returns.
func (c *Conn) publish(ctx context.Context, s *stream, m *nats.Msg) (uint64, error) {
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	if ctx.Err() != nil {
		return 0, bus.ContextError(ctx)
	}
	for first := true; ; first = false {
		if err := s.ensure(ctx); err != nil {
			return 0, err
		}
		ack, err := c.ask(ctx, m)
		switch {
		case err == nil:
			seq, err := parseAck(ack)
			if err != nil {
				return 0, fmt.Errorf("%w (%s)", err, m.Subject)
			}
			return seq, nil
		case !errors.Is(err, bus.ErrNoResponders):
			return 0, err
		}
		// Nobody stores this subject: the stream is gone, or not back yet.
		s.forget()
		if !first {
			return 0, fmt.Errorf("%w: no stream takes %s", bus.ErrUnavailable, m.Subject)
		}
	}
}

// ask sends a message as a request and waits for the answer.
func (c *Conn) ask(ctx context.Context, m *nats.Msg) ([]byte, error) {
	w, inbox, err := c.mux.add()
	if err != nil {
		return nil, err
	}
	m.Reply = inbox
	if err := c.nc.PublishMsg(m); err != nil {
		c.mux.drop(w)
		return nil, c.translate(err)
	}
	return c.mux.wait(ctx, w)
}

// parseAck reads a publish acknowledgement, a small JSON object:
// {"stream":"CALLS","seq":7} or one with an "error".
func parseAck(ack []byte) (uint64, error) {
	const field = `"seq":`
	if i := bytes.Index(ack, []byte(field)); i >= 0 && !bytes.Contains(ack, []byte(`"error"`)) {
		n, digits := uint64(0), bytes.TrimLeft(ack[i+len(field):], " ")
		for j, d := range digits {
			if d < '0' || d > '9' || j > 19 {
				break
			}
			n = n*10 + uint64(d-'0')
		}
		if n > 0 {
			return n, nil
		}
	}
	var refused struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(ack, &refused); err != nil || refused.Error == nil {
		return 0, fmt.Errorf("%w: unreadable acknowledgement %q", bus.ErrUnavailable, ack)
	}
	return 0, refusal(refused.Error.ErrCode, refused.Error.Description)
}

// apiError is how JetStream says no.
type apiError struct {
	ErrCode     uint16 `json:"err_code"`
	Description string `json:"description"`
}

// refusal makes a bus error of JetStream's error code.
func refusal(code uint16, description string) error {
	err := bus.ErrUnavailable
	switch code {
	case 10071, 10164: // wrong last sequence
		err = bus.ErrConflict
	case 10037: // no message found
		err = bus.ErrNotFound
	case 10054: // message size exceeds maximum
		err = bus.ErrTooLarge
	case 10002, 10023, 10047: // limits of account, server, storage
		err = bus.ErrFull
	case 10077: // store failed, for the reason described
		if description == "maximum bytes exceeded" || description == "maximum messages exceeded" {
			err = bus.ErrFull
		}
	}
	return fmt.Errorf("%w: %s (NATS error %d)", err, description, code)
}

// expectHeader and ttlHeader make header values without a header's canonical
// form being looked up.
func expectHeader(h nats.Header, seq uint64) { h[hdrExpect] = []string{strconv.FormatUint(seq, 10)} }

func ttlHeader(h nats.Header, ttl time.Duration) {
	if ttl > 0 {
		h[hdrTTL] = []string{strconv.FormatInt(int64(bus.WholeSeconds(ttl)/time.Second), 10) + "s"}
	}
}
