// Package sylkrtctest is a small sylkRTC client for tests, in both versions of
// the protocol.
//
// It says and hears what a terminal does and knows nothing of media: session
// descriptions are texts that its caller makes. It is not made for use outside
// tests: what it hears and nobody asks for is kept for ever.
package sylkrtctest
