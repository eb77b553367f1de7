// Package pionleg is the engine: a leg is pion's ICE, DTLS and SRTP, put together
// for what a bridge needs.
//
// Package sdp decides what descriptions say; what was negotiated becomes a plan of
// numbers for each line, which packets are sent and received by. So an exchange
// in a running call replaces plans and leaves the transport alone, unless the
// terminal asks for more: an ICE restart keeps the DTLS association, another
// certificate begins a new transport, beside the old one until it is up.
//
// All legs of an engine share one UDP port, one certificate and one set of
// settings. A packet is decrypted, accounted for, handed to the bridge and sent on
// by the goroutine that has read it. No goroutine of a leg outlives its Close.
//
// It must never know of calls, revisions, commands or the bus.
package pionleg
