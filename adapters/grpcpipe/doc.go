// Package grpcpipe is the adapter for the WG2 WebRTC API (Working Group Two,
// Cisco Mobility Services): terminals that hold a gRPC stream, Pipe for one
// call at a time or MultiPipe for many.
//
// A stream is a terminal. Its messages become canonical commands, and events
// of its legs become its messages; the tables are in translate.go and
// refusal.go. The wire contract is in proto/, with the vendor's names and
// numbers.
//
// It keeps streams and what is said on them, never the state of a call: it
// knows which call_id on which stream is which leg, and forgets it with the
// stream. It must never know another protocol, the bus, media, or a secret:
// tokens go to the directory unread.
package grpcpipe
