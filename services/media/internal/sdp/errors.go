package sdp

import "errors"

// Errors of this package. Act on them with errors.Is. Their text holds nothing of
// a description.
var (
	// ErrMalformed: the text is no session description that can be used at all.
	ErrMalformed = errors.New("sdp: malformed description")
	// ErrTooLarge: the text is above a limit.
	ErrTooLarge = errors.New("sdp: description too large")
	// ErrNotAcceptable: well formed, without any usable media line.
	ErrNotAcceptable = errors.New("sdp: no usable media")
	// ErrMismatch: the answer does not fit the offer it answers.
	ErrMismatch = errors.New("sdp: answer does not match the offer")
)
