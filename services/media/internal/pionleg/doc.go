// Package pionleg is the first engine: a leg is a pion PeerConnection.
//
// The PeerConnection never sees a terminal's description. Package sdp decides
// what the exchange says; the PeerConnection is told the outcome in a private
// dialect (inner.go) that holds only what it needs to run the transport: lines,
// payload types, declared sources, ICE and DTLS parameters. So its own codec
// matching, and its quirks, decide nothing.
//
// All legs of an engine share one UDP port, one certificate and one set of
// settings. No goroutine of a leg outlives its Close.
//
// It must never know of calls, revisions, commands or the bus.
package pionleg
