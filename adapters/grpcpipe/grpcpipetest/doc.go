// Package grpcpipetest is a small WG2 terminal for tests, on a Pipe or a MultiPipe.
//
// It says and hears what a terminal does and knows nothing of media: session
// descriptions are texts that its caller makes. It is a client of the conformance
// kit, so that every test that speaks to terminals through the kit can speak to this
// one; where a test needs more, it sends and hears the wire's messages themselves.
package grpcpipetest
