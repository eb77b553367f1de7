// Package schema is the canonical call-event language: the protobuf messages of
// tandem.call.v1 and what everybody needs to speak it, which is addresses, ids,
// subjects, reasons, errors and validation.
//
// It knows no transport, no protocol of a terminal and no state. It imports
// protobuf and the standard library only.
package schema
