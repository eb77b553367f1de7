package e2ee

import (
	"context"
	"encoding/json"
)

// table is a kind of records of a vault, read when first needed and kept. It has
// no lock of its own.
type table[T any] struct {
	v    *vault
	dir  string
	rows map[string]*row[T]
}

// row is a record. What is in it lives in memory: it is changed there and then
// saved.
type row[T any] struct {
	name     string
	revision uint64
	// stored: the record is there.
	stored bool
	val    *T
}

func newTable[T any](v *vault, dir string) *table[T] {
	return &table[T]{v: v, dir: dir, rows: map[string]*row[T]{}}
}

// get gives the row of a name, with a zero value if there is no such record.
func (t *table[T]) get(ctx context.Context, name string) (*row[T], error) {
	if r := t.rows[name]; r != nil {
		return r, t.v.failed()
	}
	plain, revision, err := t.v.load(ctx, t.dir+name)
	if err != nil {
		return nil, err
	}
	r := &row[T]{name: name, revision: revision, val: new(T)}
	if plain != nil {
		if err := json.Unmarshal(plain, r.val); err != nil {
			return nil, t.v.fail(err)
		}
		r.stored = true
	}
	t.rows[name] = r
	return r, nil
}

// put saves a row as it is.
func (t *table[T]) put(ctx context.Context, r *row[T]) error {
	plain, err := json.Marshal(r.val)
	if err != nil {
		return t.v.fail(err)
	}
	revision, err := t.v.save(ctx, t.dir+r.name, plain, r.revision)
	if err != nil {
		return err
	}
	r.revision, r.stored = revision, true
	return nil
}

// drop removes a row's record.
func (t *table[T]) drop(ctx context.Context, r *row[T]) error {
	delete(t.rows, r.name)
	if !r.stored {
		return nil
	}
	return t.v.remove(ctx, t.dir+r.name, r.revision)
}
