package schema

import (
	"google.golang.org/protobuf/proto"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Validation looks at one message by itself: presence, form and size of its
// fields. It does not know who sent it, and it does not parse session
// descriptions: whose a leg is, the call's owner decides, what media can be
// used, the media service. A message that passes can be marshalled, and nothing
// in it breaks a line-based protocol that it is written to.
//
// All functions return nil or a *Error. Its code is CODE_INVALID and its Field
// the path of the first field at fault ("offer.headers[2].name"), or
// CODE_UNSUPPORTED if the message's body is one that this version does not
// know. A message without fault costs no allocation, its addresses apart.

// ValidateCommand checks a command.
func ValidateCommand(c *callv1.Command, l Limits) error {
	return validator{l.withDefaults()}.command(c).orNil()
}

// ValidateEvent checks an event.
func ValidateEvent(e *callv1.Event, l Limits) error {
	return validator{l.withDefaults()}.event(e).orNil()
}

// ValidateSignal checks a signal.
func ValidateSignal(s *callv1.Signal, l Limits) error {
	return validator{l.withDefaults()}.signal(s).orNil()
}

// ValidateMediaCommand checks a media command.
func ValidateMediaCommand(c *callv1.MediaCommand, l Limits) error {
	return validator{l.withDefaults()}.mediaCommand(c).orNil()
}

// ValidateDirectoryRequest checks a question to the directory.
func ValidateDirectoryRequest(q *callv1.DirectoryRequest, l Limits) error {
	return validator{l.withDefaults()}.directoryRequest(q).orNil()
}

// ValidateTerminal checks a terminal as its adapter's host announces it.
func ValidateTerminal(t *callv1.Terminal, l Limits) error {
	return validator{l.withDefaults()}.terminal(t).orNil()
}

// ValidateParty checks a party, which has at least one address.
func ValidateParty(p *callv1.Party, l Limits) error {
	return validator{l.withDefaults()}.party(p).orNil()
}

// validator's methods return the first fault with a path relative to the
// message they check.
type validator struct{ Limits }

// in puts the field that holds the faulty message before the path.
func (e *Error) in(field string) *Error {
	if e == nil {
		return nil
	}
	if e.Field == "" {
		e.Field = field
	} else {
		e.Field = field + "." + e.Field
	}
	return e
}

// orNil keeps a nil *Error from becoming an error that is not nil.
func (e *Error) orNil() error {
	if e == nil {
		return nil
	}
	return e
}

// firstOf gives the first fault.
func firstOf(faults ...*Error) *Error {
	for _, e := range faults {
		if e != nil {
			return e
		}
	}
	return nil
}

// noBody tells a body that is missing from one that a newer version sent.
func noBody(field string, m proto.Message) *Error {
	if len(m.ProtoReflect().GetUnknown()) > 0 {
		return Errorf(callv1.Code_CODE_UNSUPPORTED, "something that this version does not know").in(field)
	}
	return Invalid(field, "missing")
}
