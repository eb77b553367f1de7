// Package phone is a telephone for the command line: a WG2 terminal (Pipe or
// MultiPipe over gRPC) with WebRTC media, which places calls, answers them,
// sends a tone, echoes, plays and records, and measures what it hears.
//
// It is a client of the published protocol and nothing else: it knows no bus,
// no directory and nothing of the server's inside, so that a call made with it
// shows what a customer's terminal would see.
package phone
