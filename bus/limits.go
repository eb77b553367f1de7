package bus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// MaxPayload is the largest message, record or value, in bytes.
	MaxPayload = 1 << 20
	// MaxBatch is the largest number of writes in one Commit.
	MaxBatch = 1000
)

var (
	// ErrTooLarge: a message is larger than MaxPayload; nothing happened.
	ErrTooLarge = errors.New("bus: message too large")
	// ErrInvalid: a subject, filter, key or write that no driver can carry;
	// nothing happened.
	ErrInvalid = errors.New("bus: invalid")
)

// errDeadline is both: the bus's timeout and the context's.
var errDeadline = fmt.Errorf("%w: %w", ErrTimeout, context.DeadlineExceeded)

// ErrLost is what a driver's Request fails with when the connection was lost
// before the answer came: ErrTimeout, because it may have been carried out, and
// ErrUnavailable.
var ErrLost = fmt.Errorf("%w, connection lost: %w", ErrTimeout, ErrUnavailable)

// ContextError is what a driver returns when ctx ended before the outcome was
// known: an error that is ErrTimeout and context.DeadlineExceeded for a passed
// deadline, the context's own error otherwise. Only for drivers.
func ContextError(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return errDeadline
	}
	return err
}

// CheckWrites reports as ErrInvalid or ErrTooLarge what no driver can commit: no
// writes or more than MaxBatch, a subject that is invalid or comes twice, a
// negative TTL, Data above MaxPayload. Only for drivers.
func CheckWrites(writes []Write) error {
	if len(writes) == 0 || len(writes) > MaxBatch {
		return fmt.Errorf("%w: %d writes in a commit", ErrInvalid, len(writes))
	}
	for i := range writes {
		w := &writes[i]
		switch {
		case !ValidSubject(w.Subject):
			return fmt.Errorf("%w: record subject %q", ErrInvalid, w.Subject)
		case w.TTL < 0:
			return fmt.Errorf("%w: negative TTL of %s", ErrInvalid, w.Subject)
		case len(w.Data) > MaxPayload:
			return fmt.Errorf("%w: record %s, %d bytes", ErrTooLarge, w.Subject, len(w.Data))
		}
		for _, other := range writes[:i] {
			if other.Subject == w.Subject {
				return fmt.Errorf("%w: %s twice in a commit", ErrInvalid, w.Subject)
			}
		}
	}
	return nil
}

// WholeSeconds rounds a TTL up to what every driver can keep.
func WholeSeconds(ttl time.Duration) time.Duration {
	return (ttl + time.Second - 1) / time.Second * time.Second
}
