package natsbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/tandem-rtc/tandem/bus"
)

// records is the journal in the stream CALLS.
type records struct {
	conn   *Conn
	stream *stream
}

func newRecords(c *Conn) *records {
	return &records{c, &stream{conn: c, cfg: journalConfig(c.cfg)}}
}

// Load implements bus.Records.
func (r *records) Load(ctx context.Context, filter string) (bus.Record, error) {
	if !bus.ValidFilter(filter) {
		return bus.Record{}, fmt.Errorf("%w: record filter %q", bus.ErrInvalid, filter)
	}
	m, err := r.conn.last(ctx, r.stream, filter)
	if err != nil {
		return bus.Record{}, err
	}
	return bus.Record{Subject: m.Subject, Data: m.Data, Seq: m.Seq}, nil
}

// stored is a message as STREAM.MSG.GET gives it.
type stored struct {
	Subject string `json:"subject"`
	Seq     uint64 `json:"seq"`
	Header  []byte `json:"hdrs"`
	Data    []byte `json:"data"`
}

// last reads the last message of a subject from the stream's leader. (A direct
// get would be cheaper but may come from a replica that lags.)
func (c *Conn) last(ctx context.Context, s *stream, subject string) (stored, error) {
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	query, err := json.Marshal(struct {
		Last string `json:"last_by_subj"`
	}{subject})
	if err != nil {
		return stored{}, fmt.Errorf("natsbus: %w", err)
	}
	for first := true; ; first = false {
		if err := s.ensure(ctx); err != nil {
			return stored{}, err
		}
		var answer []byte
		err := repeat(ctx, func(ctx context.Context) (err error) {
			answer, err = c.Request(ctx, c.cfg.APIPrefix+".STREAM.MSG.GET."+s.cfg.Name, query)
			return err
		})
		if errors.Is(err, bus.ErrNoResponders) {
			return stored{}, fmt.Errorf("%w: JetStream does not answer", bus.ErrUnavailable)
		}
		if err != nil {
			return stored{}, err
		}
		m, err := parseStored(answer)
		if !errors.Is(err, errNoStream) || !first {
			return m, err
		}
		s.forget()
	}
}

// errNoStream: the stream does not exist (any more).
var errNoStream = fmt.Errorf("%w: no such stream", bus.ErrUnavailable)

func parseStored(answer []byte) (stored, error) {
	var got struct {
		Message *stored   `json:"message"`
		Error   *apiError `json:"error"`
	}
	switch err := json.Unmarshal(answer, &got); {
	case err != nil:
		return stored{}, fmt.Errorf("%w: unreadable answer of JetStream: %w", bus.ErrUnavailable, err)
	case got.Error != nil && got.Error.ErrCode == 10059: // stream not found
		return stored{}, errNoStream
	case got.Error != nil:
		return stored{}, refusal(got.Error.ErrCode, got.Error.Description)
	case got.Message == nil:
		return stored{}, fmt.Errorf("%w: unreadable answer of JetStream", bus.ErrUnavailable)
	}
	return *got.Message, nil
}

// Commit implements bus.Records.
func (r *records) Commit(ctx context.Context, writes ...bus.Write) ([]uint64, error) {
	if err := bus.CheckWrites(writes); err != nil {
		return nil, err
	}
	if len(writes) > 1 {
		return r.batch(ctx, writes)
	}
	seq, err := r.conn.publish(ctx, r.stream, message(writes[0]))
	if err != nil {
		return nil, err
	}
	return []uint64{seq}, nil
}

// message makes the message of a write.
func message(w bus.Write) *nats.Msg {
	m := &nats.Msg{Subject: w.Subject, Data: w.Data, Header: make(nats.Header, 5)}
	expectHeader(m.Header, w.Expect)
	ttlHeader(m.Header, w.TTL)
	return m
}

// batch commits several writes at once (ADR-50): all but the last are staged by
// the server without an answer, the last one commits and is acknowledged for all.
// A batch that lost a message on the way is refused as a whole.
func (r *records) batch(ctx context.Context, writes []bus.Write) ([]uint64, error) {
	ctx, cancel := r.conn.deadline(ctx)
	defer cancel()
	if ctx.Err() != nil {
		return nil, bus.ContextError(ctx)
	}
	if err := r.stream.ensure(ctx); err != nil {
		return nil, err
	}
	id := []string{nuid.Next()}
	for i := range writes {
		m := message(writes[i])
		m.Header[hdrBatchID] = id
		m.Header[hdrBatchSeq] = []string{strconv.Itoa(i + 1)}
		if i < len(writes)-1 {
			if err := r.conn.nc.PublishMsg(m); err != nil {
				return nil, r.conn.translate(err)
			}
			continue
		}
		m.Header[hdrBatchCommit] = []string{"1"}
		last, err := r.conn.publish(ctx, r.stream, m)
		if err != nil {
			return nil, err
		}
		seqs := make([]uint64, len(writes))
		for j := range seqs {
			seqs[j] = last - uint64(i-j) //nolint:gosec // i >= j
		}
		return seqs, nil
	}
	return nil, nil // not reached: there are writes
}

// Usage implements bus.Records.
func (r *records) Usage(ctx context.Context) (float64, error) {
	ctx, cancel := r.conn.deadline(ctx)
	defer cancel()
	info, err := r.stream.state(ctx)
	if err != nil || info.Config.MaxBytes <= 0 {
		return 0, err
	}
	return float64(info.State.Bytes) / float64(info.Config.MaxBytes), nil
}
