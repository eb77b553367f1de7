// Package kittest is the conformance kit: what every adapter must do whatever
// its wire looks like, as named tests.
//
// An adapter's author supplies a Harness, which is a client of the real wire
// with a dozen methods, and calls Run from a test whose name starts with
// TestConformance. The kit then runs the adapter in a real host on the bus in
// memory: against an owner that the test scripts, for every fault that a bus, a
// peer or a call can have, and against real call state with a stub media
// engine, for whole calls. What a protocol cannot say is declared, with the
// reason, in Protocol.Cannot; the report repeats it.
//
// It knows the contract and no protocol.
package kittest
