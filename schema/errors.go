package schema

import (
	"errors"
	"fmt"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Error is a refusal with a code of the closed set. Act on the code, never on
// the message.
type Error struct {
	// Code is what to act on.
	Code callv1.Code
	// Message is English for the log, without secrets or SDP.
	Message string
	// Field is the path of the offending field when Code is CODE_INVALID.
	Field string
	cause error
}

// Errorf makes an Error. A %w verb keeps the cause for errors.Is and As.
func Errorf(code callv1.Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// Invalid makes a CODE_INVALID error for the field at path.
func Invalid(field, format string, args ...any) *Error {
	e := Errorf(callv1.Code_CODE_INVALID, format, args...)
	e.Field = field
	return e
}

// Error implements error.
func (e *Error) Error() string {
	if e.Field != "" {
		return e.Code.String() + ": " + e.Field + ": " + e.Message
	}
	return e.Code.String() + ": " + e.Message
}

// Unwrap gives the cause, if any.
func (e *Error) Unwrap() error { return e.cause }

// Proto gives the form that travels.
func (e *Error) Proto() *callv1.Error {
	if e == nil {
		return nil
	}
	return &callv1.Error{Code: e.Code, Message: e.Message, Field: e.Field}
}

// FromProto gives a travelled error as a Go error; nil stays nil.
func FromProto(p *callv1.Error) error {
	if p == nil {
		return nil
	}
	return &Error{Code: p.GetCode(), Message: p.GetMessage(), Field: p.GetField()}
}

// CodeOf gives an error's code: CODE_UNSPECIFIED for nil, CODE_INTERNAL for an
// error that is not an Error.
func CodeOf(err error) callv1.Code {
	if err == nil {
		return callv1.Code_CODE_UNSPECIFIED
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return callv1.Code_CODE_INTERNAL
}

// ToProto gives the form that travels of any error; nil stays nil.
func ToProto(err error) *callv1.Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Proto()
	}
	return &callv1.Error{Code: callv1.Code_CODE_INTERNAL, Message: err.Error()}
}
