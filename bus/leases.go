package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// NewLeases gives the leases in the bucket "own", held under the name holder
// (kind/node/instance). A lease also ends by time, on the clock of who looks:
// clocks may differ by less than the leases' TTL.
func NewLeases(d Driver, holder string) Leases {
	return &leases{bucket: bucket{d: d, cfg: KVConfig{Bucket: "own"}}, holder: holder, now: time.Now}
}

type leases struct {
	bucket bucket
	holder string
	now    func() time.Time
}

// leaseValue is the stored form. A released lease has no holder.
type leaseValue struct {
	Holder  string    `json:"holder"`
	Epoch   uint64    `json:"epoch"`
	Expires time.Time `json:"expires"`
}

// Acquire implements Leases.
func (s *leases) Acquire(ctx context.Context, name string, ttl time.Duration) (*Lease, error) {
	for {
		have, err := s.get(ctx, name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		ours := have.Holder == s.holder
		if have.Holder != "" && !ours && s.now().Before(have.Expires) {
			return have, ErrHeld
		}
		if !ours {
			have.Epoch++
		}
		l, err := s.put(ctx, have, s.holder, ttl)
		if !errors.Is(err, ErrConflict) {
			return l, err
		}
		// Somebody was faster, or an earlier attempt of ours succeeded after all.
	}
}

// Renew implements Leases.
func (s *leases) Renew(ctx context.Context, l *Lease, ttl time.Duration) (*Lease, error) {
	return s.change(ctx, l, s.holder, ttl)
}

// Release implements Leases.
func (s *leases) Release(ctx context.Context, l *Lease) error {
	_, err := s.change(ctx, l, "", 0)
	return err
}

// change writes a lease that we hold. A conflict may be with a write of our own
// whose outcome we did not learn; that one is adopted.
func (s *leases) change(ctx context.Context, l *Lease, holder string, ttl time.Duration) (*Lease, error) {
	for {
		changed, err := s.put(ctx, l, holder, ttl)
		if !errors.Is(err, ErrConflict) {
			return changed, err
		}
		have, getErr := s.get(ctx, l.Name)
		switch {
		case errors.Is(getErr, ErrNotFound):
			return nil, err
		case getErr != nil:
			return nil, getErr
		case have.Epoch == l.Epoch && have.Holder == holder && holder == "":
			return have, nil // released before
		case have.Epoch != l.Epoch || have.Holder != s.holder:
			return nil, err
		}
		l = have
	}
}

// get reads a lease; with ErrNotFound it gives one that nobody ever held.
func (s *leases) get(ctx context.Context, name string) (*Lease, error) {
	l := &Lease{Name: name}
	kv, err := s.bucket.open(ctx)
	if err != nil {
		return l, err
	}
	e, err := kv.Get(ctx, name)
	if err != nil {
		return l, err
	}
	var v leaseValue
	if err := json.Unmarshal(e.Value, &v); err != nil {
		return l, fmt.Errorf("bus: lease %s: %w", name, err)
	}
	l.Holder, l.Epoch, l.Expires, l.revision = v.Holder, v.Epoch, v.Expires, e.Revision
	return l, nil
}

// put writes l anew, if it still has its revision.
func (s *leases) put(ctx context.Context, l *Lease, holder string, ttl time.Duration) (*Lease, error) {
	kv, err := s.bucket.open(ctx)
	if err != nil {
		return nil, err
	}
	next := Lease{Name: l.Name, Holder: holder, Epoch: l.Epoch, Expires: s.now().Add(ttl).UTC()}
	value, err := json.Marshal(leaseValue{Holder: next.Holder, Epoch: next.Epoch, Expires: next.Expires})
	if err != nil {
		return nil, fmt.Errorf("bus: lease %s: %w", l.Name, err)
	}
	next.revision, err = kv.Update(ctx, l.Name, value, l.revision)
	if err != nil {
		return nil, err
	}
	return &next, nil
}
