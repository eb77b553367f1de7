package faultbus

import (
	"context"
	"errors"

	"github.com/tandem-rtc/tandem/bus"
)

// ErrLost returned by a hook loses the message, as a network would: a lost
// publication or answer is not noticed by its sender, a request that is lost or
// whose answer is lost waits for its context, a write that is lost or whose
// acknowledgement is lost fails with bus.ErrUnavailable. Any other error is given
// to the caller at once in place of the outcome.
var ErrLost = errors.New("faultbus: lost")

// Op is what a hook is asked about.
type Op struct {
	// Subject of the message; of the first write for a commit; the bucket's name, a
	// dot and the key for a bucket's write.
	Subject string
	// Data of the message: the request after a request too. The value for a bucket's
	// write, nil for a removal.
	Data []byte
	// Writes of a commit.
	Writes []bus.Write
}

// Hook is called on the goroutine of the operation. It may block, and it may
// kill the connection beneath.
type Hook func(Op) error

// Hooks are called before an operation is carried out, where an error prevents
// it, and after it succeeded, where an error hides that. Those left nil do
// nothing.
type Hooks struct {
	BeforeRequest, AfterRequest Hook
	BeforePublish, AfterPublish Hook
	BeforeCommit, AfterCommit   Hook
	// Put is a bucket's key that is written or removed.
	BeforePut, AfterPut Hook
	// Respond is the answer to a request this connection serves; Op has the
	// request's subject and the answer's data.
	BeforeRespond, AfterRespond Hook
	// Handle is a message that reached this connection; an error before loses it.
	BeforeHandle, AfterHandle Hook
}

// Wrap gives d with hooks. What only reads goes to d unseen.
func Wrap(d bus.Driver, h Hooks) bus.Driver { return &driver{d, h} }

type driver struct {
	bus.Driver
	h Hooks
}

func call(h Hook, op Op) error {
	if h == nil {
		return nil
	}
	return h(op)
}

// Request implements bus.Driver.
func (d *driver) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	op := Op{Subject: subject, Data: data}
	err := call(d.h.BeforeRequest, op)
	if err == nil {
		var answer []byte
		if answer, err = d.Driver.Request(ctx, subject, data); err != nil {
			return nil, err
		}
		if err = call(d.h.AfterRequest, op); err == nil {
			return answer, nil
		}
	}
	if errors.Is(err, ErrLost) {
		<-ctx.Done()
		return nil, bus.ContextError(ctx)
	}
	return nil, err
}

// Publish implements bus.Driver.
func (d *driver) Publish(subject string, data []byte) error {
	op := Op{Subject: subject, Data: data}
	err := call(d.h.BeforePublish, op)
	if err == nil {
		if err = d.Driver.Publish(subject, data); err != nil {
			return err
		}
		err = call(d.h.AfterPublish, op)
	}
	if errors.Is(err, ErrLost) {
		return nil
	}
	return err
}

// Serve implements bus.Driver.
func (d *driver) Serve(filter, queue string, h bus.Handler) (bus.Subscription, error) {
	return d.Driver.Serve(filter, queue, func(m bus.Msg) {
		op := Op{Subject: m.Subject, Data: m.Data}
		if call(d.h.BeforeHandle, op) != nil {
			return
		}
		respond := m.Respond
		m.Respond = func(data []byte) {
			op := Op{Subject: m.Subject, Data: data}
			if call(d.h.BeforeRespond, op) == nil {
				respond(data)
				_ = call(d.h.AfterRespond, op)
			}
		}
		h(m)
		_ = call(d.h.AfterHandle, op)
	})
}

// Records implements bus.Driver.
func (d *driver) Records() bus.Records { return &records{d.Driver.Records(), d.h} }

type records struct {
	bus.Records
	h Hooks
}

// Commit implements bus.Records.
func (r *records) Commit(ctx context.Context, writes ...bus.Write) ([]uint64, error) {
	op := Op{Writes: writes}
	if len(writes) > 0 {
		op.Subject, op.Data = writes[0].Subject, writes[0].Data
	}
	err := call(r.h.BeforeCommit, op)
	if err == nil {
		var seqs []uint64
		if seqs, err = r.Records.Commit(ctx, writes...); err != nil {
			return nil, err
		}
		if err = call(r.h.AfterCommit, op); err == nil {
			return seqs, nil
		}
	}
	if errors.Is(err, ErrLost) {
		return nil, bus.ErrUnavailable
	}
	return nil, err
}
