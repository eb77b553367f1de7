package leg

import "errors"

// Errors of legs, beside those of package sdp.
var (
	// ErrState: the exchange is not at that point.
	ErrState = errors.New("leg: not in that state")
	// ErrClosed: the leg was closed.
	ErrClosed = errors.New("leg: closed")
	// ErrBroken: the exchange failed halfway; only Close is left.
	ErrBroken = errors.New("leg: broken")
)
