package bus

import "context"

// Lending marks a request whose goroutine may do the server's work, should the
// server be in the same process: the requester waits for it anyway, and nobody
// has to be woken, twice. Such a request can last longer than ctx, by as long as
// the server's own limits allow.
func Lending(ctx context.Context) context.Context { return lending{ctx} }

type lending struct{ context.Context } //nolint:containedctx // it is a context

// Lends reports whether ctx is one that Lending made.
func Lends(ctx context.Context) bool {
	_, ok := ctx.(lending)
	return ok
}

// Lend has f run on the requester's goroutine; false if it has to be run
// otherwise. See Msg.Lend.
type Lend func(f func()) bool

// lendOf gives a message's Lend, which is never nil.
func lendOf(m Msg) Lend {
	if m.Lend != nil {
		return m.Lend
	}
	return func(func()) bool { return false }
}
